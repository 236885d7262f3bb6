"""Writes a journal from the event loop: entries that come during a write go out together in the next one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.batch.state.entries import Entry


class GroupCommit:
    """
    Writes entries in groups, in their order.

    :param journal: None keeps nothing.
    :param executor: one thread, since the loop must not block.
    """

    def __init__(self, journal: Journal | None, executor: Executor) -> None:
        self._journal = journal
        self._executor = executor
        self._noted: list[Entry] = []
        self._waiting: list[tuple[list[Entry], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    def note(self, *entries: Entry) -> None:
        """Add entries to the next write that succeeds."""
        if self._journal is not None:
            self._noted.extend(entries)

    async def write(self, *entries: Entry) -> None:
        """
        Return when entries, and all that were noted before, are durable.

        :raises WiroRecordError: they may not be kept, and are not written again.
        """
        if self._journal is None:
            return
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((list(entries), durable))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(self._journal))
        await durable

    async def check(self) -> None:
        """
        Return if this process owns the journal.

        :raises JournalFencedError: another one does.
        :raises WiroRecordError: it isn't known.
        """
        if self._journal is not None:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._journal.check)

    async def _write_all(self, journal: Journal) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            noted, self._noted = self._noted, []
            group, self._waiting = self._waiting, []
            entries = [*noted, *(entry for some, _ in group for entry in some)]
            failure: Exception | None = None
            try:
                if entries:
                    await loop.run_in_executor(self._executor, journal.append, entries)
            except WiroError as error:
                self._noted = [*noted, *self._noted]
                failure = error
            for _, durable in group:
                if durable.done():  # its waiter was cancelled
                    continue
                if failure is None:
                    durable.set_result(None)
                else:
                    durable.set_exception(failure)

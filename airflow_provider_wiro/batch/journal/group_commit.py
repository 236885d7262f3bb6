"""The journal as the event loop writes it: what comes while a write is under way goes out in the next one."""

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

    :param store: None keeps nothing.
    :param executor: with one thread, for nothing that blocks may happen on the loop.
    """

    def __init__(self, store: Journal | None, executor: Executor) -> None:
        self._store = store
        self._executor = executor
        self._noted: list[Entry] = []
        self._waiting: list[tuple[list[Entry], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    def note(self, *entries: Entry) -> None:
        """Take entries that go out with the next write, and stay until they could be written."""
        if self._store is not None:
            self._noted.extend(entries)

    async def write(self, *entries: Entry) -> None:
        """
        Return when entries, and all that was noted before, are durable.

        :raises WiroRecordError: they may not be kept. Of these nothing is tried again.
        """
        if self._store is None:
            return
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((list(entries), durable))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(self._store))
        await durable

    async def check(self) -> None:
        """
        Return if the journal still is this process's.

        :raises OvertakenError: another process has taken it over.
        :raises WiroRecordError: it can't be told.
        """
        if self._store is not None:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._store.check)

    async def _write_all(self, store: Journal) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            noted, self._noted = self._noted, []
            group, self._waiting = self._waiting, []
            entries = [*noted, *(entry for some, _ in group for entry in some)]
            failure: Exception | None = None
            try:
                if entries:
                    await loop.run_in_executor(self._executor, store.append, entries)
            except WiroError as error:
                self._noted = [*noted, *self._noted]
                failure = error
            for _, durable in group:
                if durable.done():  # whoever waited was cancelled
                    continue
                if failure is None:
                    durable.set_result(None)
                else:
                    durable.set_exception(failure)

"""A journal in files, of which nothing but the summary is kept once the batch's result was returned."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.journal.interface import unreadable, unwritable
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.batch.state.batch_state import Entry
    from airflow_provider_wiro.state_files.retention import SpentState

log = plain_logger(__name__)


class ExpiringJournal:
    """
    A journal whose files are removed at its last entry, ``spent``, which moves to where it expires.

    :param journal: keeps the entries until then.
    :param spent: keeps the first and the last entry, for a retry.
    :param discard: removes the files of ``journal``.
    """

    def __init__(self, journal: Journal, spent: SpentState, discard: Callable[[], None]) -> None:
        self._journal = journal
        self._spent = spent
        self._discard = discard
        self._first: Entry | None = None

    @property
    def position(self) -> str:
        return self._journal.position

    def read(self) -> Iterator[Entry]:
        """See :class:`Journal`."""
        self._first = None
        for entry in self._journal.read():
            self._first = self._first or entry
            yield entry
        if self._first is None:
            yield from self._kept()

    def salvage(self) -> Iterator[Entry]:
        """See :class:`Journal`."""
        yield from self._journal.salvage()

    def append(self, entries: list[Entry]) -> None:
        """See :class:`Journal`."""
        self._journal.append(entries)
        if entries[-1]["what"] != "spent":
            return
        try:
            self._spent.put(json.dumps([self._first, entries[-1]]).encode())
        except WiroError:
            raise
        except Exception as error:
            raise unwritable(self.position, error) from error
        try:
            self._discard()
        except Exception as error:
            # The journal says itself that its result was returned. A role may have no right to delete.
            log.info(
                "Could not remove this batch's journal, which is not needed any more, at %s: %s",
                self.position,
                error,
            )

    def replace(self, entries: Iterable[Entry]) -> None:
        """See :class:`Journal`."""

        def noted() -> Iterator[Entry]:
            self._first = None
            for entry in entries:
                self._first = self._first or entry
                yield entry

        self._journal.replace(noted())

    def check(self) -> None:
        """See :class:`Journal`."""
        self._journal.check()

    def _kept(self) -> list[Entry]:
        try:
            body = self._spent.get()
            return [] if body is None else list(json.loads(body))
        except Exception as error:
            raise unreadable(self.position, error) from error

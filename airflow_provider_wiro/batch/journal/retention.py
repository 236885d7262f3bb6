"""A journal in files, of which only the summary is kept, for some hours, once the result was returned."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.journal.interface import unreadable, unwritable
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_wiro.batch.journal.earlier_file import EarlierFile
    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.batch.state.entries import Entry
    from airflow_provider_wiro.state_files.retention import RetainedFile

log = plain_logger(__name__)


class ExpiringJournal:
    """
    A journal whose files are removed at its last entry, which moves to where it expires.

    See :class:`~airflow_provider_wiro.batch.journal.interface.Journal`.

    :param journal: keeps the entries until then.
    :param spent: keeps the first and the last entry, for a retry.
    :param discard: removes the files of ``journal``.
    :param earlier_file: is read if there is no journal; None: there can't be one.
    """

    def __init__(
        self,
        journal: Journal,
        spent: RetainedFile,
        discard: Callable[[], None],
        earlier_file: EarlierFile | None = None,
    ) -> None:
        self._journal = journal
        self._spent = spent
        self._discard = discard
        self._earlier_file = earlier_file
        self._first: Entry | None = None
        #: What an entry was read from.
        self._source: Journal | EarlierFile = journal

    @property
    def position(self) -> str:
        return self._source.position

    def read(self) -> Iterator[Entry]:
        """See :meth:`Journal.read`."""
        self._first = None
        for entry in self._journal.read():
            self._first = self._first or entry
            yield entry
        if self._earlier_file is not None and self._earlier_file.exists:
            if self._first is None:
                yield from self._carried_over(self._earlier_file)
            else:  # a crash left it: once the journal is discarded, it would be read for what is left to run
                self._earlier_file.remove()
        if self._first is None:
            yield from self._kept()

    def _carried_over(self, file: EarlierFile) -> Iterator[Entry]:
        """Yield the entries of the version before, then make a journal of them."""
        entries = []
        self._source = file
        try:
            for entry in file.read():
                entries.append(entry)
                yield entry
        except OSError as error:
            raise unreadable(self.position, error) from error
        self._source = self._journal
        if entries:
            self.replace(entries)
            file.remove()

    def salvage(self) -> Iterator[Entry]:
        """See :meth:`Journal.salvage`."""
        is_empty = True
        for entry in self._journal.salvage():
            is_empty = False
            yield entry
        if is_empty and self._earlier_file is not None:
            yield from self._earlier_file.salvage()

    def append(self, entries: list[Entry]) -> None:
        """See :meth:`Journal.append`."""
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
            # Its last entry says that the result was returned. The credentials may not be allowed to delete.
            log.info(
                "Could not remove this batch's journal at %s, which is no longer needed: %s",
                self.position,
                error,
            )

    def replace(self, entries: Iterable[Entry]) -> None:
        """See :meth:`Journal.replace`."""

        def remembering_the_first() -> Iterator[Entry]:
            self._first = None
            for entry in entries:
                self._first = self._first or entry
                yield entry

        self._journal.replace(remembering_the_first())

    def check(self) -> None:
        """See :meth:`Journal.check`."""
        self._journal.check()

    def _kept(self) -> list[Entry]:
        try:
            body = self._spent.get()
            return [] if body is None else list(json.loads(body))
        except Exception as error:
            raise unreadable(self.position, error) from error

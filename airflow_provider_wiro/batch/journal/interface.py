"""A journal's interface, its lines, and its errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from airflow_provider_wiro.batch.state.entries import damaged
from airflow_provider_wiro.exceptions import WiroOvertakenError, WiroRecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_wiro.batch.state.entries import Entry


class JournalFencedError(WiroOvertakenError):
    """Another process has fenced this one: it owns the journal now."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"Another process writes this batch's journal, {where}: most likely a later try of this Airflow "
            "task, which continues the batch. Nothing more is started here."
        )


class Journal(Protocol):
    """Keeps entries, in order; the last process that reads it owns it."""

    @property
    def position(self) -> str:
        """Where the entry is that was read last, for messages."""

    def read(self) -> Iterator[Entry]:
        """
        Fence all other processes, then yield the entries; none if there certainly is no journal.

        Read it to its end before any other call.

        :raises WiroRecordError: it can't be read.
        :raises WiroOrphanedRunError: it is damaged.
        """

    def salvage(self) -> Iterator[Entry]:
        """
        Yield the entries that can be read, whatever is damaged, and fence nobody.

        :raises WiroRecordError: it can't be read at the moment.
        """

    def append(self, entries: list[Entry]) -> None:
        """
        Add entries. They are durable when this returns; if it raises, each of them may be.

        :raises JournalFencedError: another process owns the journal; it may not know the entries.
        :raises WiroRecordError: they may not be kept.
        """

    def replace(self, entries: Iterable[Entry]) -> None:
        """
        Write a journal of these entries. A crash leaves the current journal or the new one.

        :raises JournalFencedError: another process owns the journal, or has created one.
        :raises WiroRecordError: they may not be kept.
        """

    def check(self) -> None:
        """
        Return if this process owns the journal.

        :raises JournalFencedError: another one does.
        :raises WiroRecordError: it isn't known.
        """


def to_line(entry: Entry) -> str:
    """Return an entry as a line of a journal."""
    return json.dumps(entry, separators=(",", ":")) + "\n"


def from_line(line: str | bytes, where: str) -> Entry:
    """
    Return a line's entry.

    :param where: the line is, for the error.
    :raises WiroOrphanedRunError: it holds none.
    """
    entry = readable_entry(line)
    if entry is None:
        text = line if isinstance(line, str) else line.decode(errors="backslashreplace")
        raise damaged(text.rstrip("\n"), where)
    return entry


def readable_entry(line: str | bytes) -> Entry | None:
    """Return a line's entry, None if it holds none."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def unreadable(where: str, error: Exception) -> WiroRecordError:
    """Return the error for a journal that can't be read."""
    return WiroRecordError(
        f"Can't read this batch's journal in {where}: {error}. Nothing was started: an earlier try may "
        "already have started runs."
    )


def unwritable(where: str, error: Exception) -> WiroRecordError:
    """Return the error for a journal that can't be written."""
    return WiroRecordError(f"Can't write this batch's journal in {where}: {error}.")

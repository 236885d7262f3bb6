"""
The durable journal of a batch: entries that are there after a crash if they were there before it.

A local file is appended to (:mod:`~airflow_provider_wiro.batch.journal.local_file`); what has no append, an
object store or Airflow's task state store, holds it in segments
(:mod:`~airflow_provider_wiro.batch.journal.segmented`).

Two processes of one task instance can be alive at once: a worker whose heartbeat was lost, and its retry. A
journal is its last reader's: to read it is to take it over, after which what others append is refused. Since
it is taken over before it is read, the reader knows every entry that was not refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from airflow_provider_wiro.batch.state.batch_state import damaged
from airflow_provider_wiro.exceptions import WiroOvertakenError, WiroRecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_wiro.batch.state.batch_state import Entry


class JournalFencedError(WiroOvertakenError):
    """Another process has taken the journal over."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"Another process writes this batch's journal, {where}: most likely a later try of this Airflow "
            "task, which goes on with the batch. Nothing more is started here."
        )


class Journal(Protocol):
    """Keeps entries, in order."""

    @property
    def position(self) -> str:
        """Where the entry stands that was read last, for people."""

    def read(self) -> Iterator[Entry]:
        """
        Take the journal over and yield its entries, none if there certainly is no journal.

        To be read to its end before anything else.

        :raises WiroRecordError: it can't be read.
        :raises WiroOrphanedRunError: it is damaged.
        """

    def salvage(self) -> Iterator[Entry]:
        """
        Yield the entries that can be read, whatever is damaged, without taking the journal over.

        :raises WiroRecordError: it can't be read at the moment.
        """

    def append(self, entries: list[Entry]) -> None:
        """
        Add entries; they are durable when this returns, and each is there or not if it raises.

        :raises OvertakenError: another process has taken the journal over; it may not know the entries.
        :raises WiroRecordError: they may not be kept.
        """

    def replace(self, entries: Iterable[Entry]) -> None:
        """
        Begin anew with these entries: a crash leaves the journal before or the new one.

        :raises OvertakenError: another process has taken the journal over, or begun one.
        :raises WiroRecordError: they may not be kept.
        """

    def check(self) -> None:
        """
        Return if nobody has taken the journal over.

        :raises OvertakenError: somebody has.
        :raises WiroRecordError: it can't be told.
        """


def to_line(entry: Entry) -> str:
    """Return an entry as a line of a journal."""
    return json.dumps(entry, separators=(",", ":")) + "\n"


def from_line(line: str | bytes, where: str) -> Entry:
    """
    Return a line's entry.

    :raises WiroOrphanedRunError: it is none.
    """
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        text = line if isinstance(line, str) else line.decode(errors="backslashreplace")
        raise damaged(text.rstrip("\n"), where)
    return entry


def readable_entry(line: str | bytes) -> Entry | None:
    """Return a line's entry, None if it is none."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def unreadable(where: str, error: Exception) -> WiroRecordError:
    """Return the error for a journal that can't be read."""
    return WiroRecordError(
        f"Can't read this batch's journal in {where}: {error}. Nothing was started, since an earlier try may "
        "have been."
    )


def unwritable(where: str, error: Exception) -> WiroRecordError:
    """Return the error for a journal that can't be written."""
    return WiroRecordError(f"Can't write this batch's journal in {where}: {error}.")

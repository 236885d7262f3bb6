"""
Which process may use a run's durable record: of all that can be alive for a task instance, only one may send.

A worker whose heartbeat was lost and its retry, or a try and the one after a Clear, can be alive at once.
Each process writes a token of its own into the record, and so fences off the process before it. The record is
read again before it is changed, and before a Run is sent, unless that was done a moment ago. If it has
another process's token by then, nothing more is sent or written here.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroOvertakenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.recovery.run_record import RecordStore, RunRecord
    from airflow_provider_wiro.state_files.try_trace import TryTrace

#: A record that was read or written this many seconds ago is not read again before a Run.
MOMENT_SECONDS = 1.0


class RecordFence:
    """
    The record of a run as one process may use it.

    :param store: None keeps nothing, and excludes no other process.
    :param try_number: of the Airflow task.
    :param now: the wall clock's time. It is compared too, since ``monotonic`` stands still while a machine is
        suspended.
    :param monotonic: seconds by a monotonic clock.
    :param trace: says whether the earlier tries ran on this machine; None: all machines share the store.
    """

    def __init__(
        self,
        store: RecordStore | None,
        try_number: int,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        trace: TryTrace | None = None,
    ) -> None:
        self.now = now
        self.monotonic = monotonic
        self._store = store
        self._try_number = try_number
        self._trace = trace
        self._writer = secrets.token_hex(8)
        #: Whether there was a record at the last contact, and whose.
        self._expected: tuple[bool, str | None] = (False, None)
        self._contact_at: tuple[float, float] | None = None

    @property
    def is_kept(self) -> bool:
        """Whether a later try finds what is written here."""
        return self._store is not None

    @property
    def is_fresh(self) -> bool:
        """Whether the record was this process's a moment ago."""
        if self._store is None:
            return True
        if self._contact_at is None:
            return False
        monotonic, wall = self._contact_at
        return (
            self.monotonic() - monotonic <= MOMENT_SECONDS
            and abs(self.now().timestamp() - wall) <= MOMENT_SECONDS
        )

    @property
    def may_miss_records(self) -> bool:
        """Whether an earlier try may have written its record on another machine."""
        return self._trace is not None and self._trace.is_missing

    def leave_trace(self) -> None:
        """
        Let the next try know that this one ran on this machine.

        :raises WiroRecordError: the trace can't be written.
        """
        if self._trace is not None:
            self._trace.leave()

    def read(self, is_disowned: Callable[[RunRecord], bool] = lambda _: False) -> RunRecord | None:
        """
        Read the record, to decide about it. A mere intent of another process is taken over.

        :param is_disowned: whether a record is not this DAG run's. It is returned unchanged, whatever its
            writer.
        :raises WiroOvertakenError: it is a later try's.
        :raises WiroRecordError: it can't be read, or taken over.
        """
        if self._store is None:
            return None
        found = self._store.read()
        if found is not None and is_disowned(found):
            self._note(found)
            return found
        if found is not None and found.writer is not None and found.try_number > self._try_number:
            raise _overtaken(f"try {found.try_number}")
        self._note(found)
        if found is None or found.wiro_task_id is not None or found.writer == self._writer:
            return found
        return self.write(found)

    def check(self) -> None:
        """
        Read the record again if that was longer ago than a moment.

        :raises WiroOvertakenError: it is another process's.
        :raises WiroRecordError: it can't be read.
        """
        if self._store is None or self.is_fresh:
            return
        found = self._store.read()
        if self._identity(found) != self._expected:
            raise _overtaken("another try" if found is None else f"try {found.try_number}")
        self._note(found)

    def write(self, record: RunRecord) -> RunRecord:
        """
        Write the record in this process's name, and return it.

        :raises WiroOvertakenError: it is another process's.
        :raises WiroRecordError: it may not have been written.
        """
        mine = replace(record, writer=self._writer, try_number=self._try_number)
        if self._store is None:
            return mine
        self.check()
        self._store.write(mine)
        self._note(mine)
        return mine

    def put_back(self, earlier: RunRecord | None) -> None:
        """
        Leave the record as it was before this process wrote it, None for none.

        :raises WiroOvertakenError: it is another process's.
        :raises WiroRecordError: it may not have been written.
        """
        if self._store is None:
            return
        self.check()
        if earlier is None:
            self._store.clear()
        else:
            self._store.write(earlier)
        self._note(earlier)

    def _note(self, record: RunRecord | None) -> None:
        self._expected = self._identity(record)
        self._contact_at = self.monotonic(), self.now().timestamp()

    @staticmethod
    def _identity(record: RunRecord | None) -> tuple[bool, str | None]:
        return (record is not None, record.writer if record else None)


def _overtaken(by: str) -> WiroOvertakenError:
    return WiroOvertakenError(
        f"The record of this run was taken over by {by} of this Airflow task, which continues the run. "
        "Nothing more is sent here."
    )

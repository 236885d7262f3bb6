"""
Whose a run's durable record is: of the processes that can be alive for a task instance, only one may send.

A worker whose heartbeat was lost and its retry, or a try and the one after a Clear, can be alive at once.
Each process writes a token of its own into the record, and takes over what another one left. Before a Run is
sent later than a moment after the last contact with the record, or the record is changed, it is read again:
if it is another's by then, nothing more is sent or written here.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroOvertakenError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_provider_wiro.recovery.record_store import RecordStore
    from airflow_provider_wiro.recovery.run_record import RunRecord

#: A record that was read or written this many seconds ago is not read again before a Run.
MOMENT_SECONDS = 1.0


class RecordFence:
    """
    The record of a run as one process may use it.

    :param store: None keeps nothing, and there is nobody to be fenced off.
    :param try_number: of the Airflow task.
    :param now: the time; beside ``monotonic``, which stands still while a machine is suspended.
    :param monotonic: seconds by a clock that nobody sets.
    """

    def __init__(
        self,
        store: RecordStore | None,
        try_number: int,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._try_number = try_number
        self._writer = secrets.token_hex(8)
        self._now = now
        self._monotonic = monotonic
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
            self._monotonic() - monotonic <= MOMENT_SECONDS
            and abs(self._now().timestamp() - wall) <= MOMENT_SECONDS
        )

    def read(self, is_disowned: Callable[[RunRecord], bool] = lambda _: False) -> RunRecord | None:
        """
        Read the record, to decide about it. What another process only intended is taken over.

        :param is_disowned: whether a record is not this DAG run's. It is returned as it is, whoever wrote it.
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
        :raises WiroRecordError: it may not be kept.
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
        :raises WiroRecordError: it may not be kept.
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
        self._contact_at = self._monotonic(), self._now().timestamp()

    @staticmethod
    def _identity(record: RunRecord | None) -> tuple[bool, str | None]:
        return (record is not None, record.writer if record else None)


def _overtaken(by: str) -> WiroOvertakenError:
    return WiroOvertakenError(
        f"The record of this run was taken over by {by} of this Airflow task, which continues the run. "
        "Nothing more is sent here."
    )

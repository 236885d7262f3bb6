"""What a run's record says about the Wiro task that is to be stopped with its Airflow task."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from airflow_provider_wiro.cancellation.run_in_flight import checked
from airflow_provider_wiro.exceptions import WiroConnectionError
from airflow_provider_wiro.recovery.resume import find_lost_run_now

if TYPE_CHECKING:
    from airflow_provider_wiro.cancellation.run_stopper import RunStopper, Search
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.recovery.record_store import RecordStore
    from airflow_provider_wiro.recovery.resume import RunSpec
    from airflow_provider_wiro.recovery.run_record import RunRecord


class WatchedRecordStore:
    """
    A record store that has the stopper aim at what is read from it and written to it.

    So a try that is killed while it looks at the task of the try before stops that task, and one whose Run
    has not been answered knows what to look for.
    """

    def __init__(self, store: RecordStore, stopper: RunStopper, hook: WiroHook, wanted: RunSpec) -> None:
        self._store = store
        self._stopper = stopper
        self._hook = hook
        self._wanted = wanted
        self._was_read = False

    def read(self) -> RunRecord | None:
        """See :meth:`~airflow_provider_wiro.recovery.record_store.RecordStore.read`."""
        record = self._store.read()
        if not self._was_read:  # what is read later is what was written from here, or another try's
            self._was_read = True
            self._aim(record, is_read=True)
        return record

    def write(self, record: RunRecord) -> None:
        """See :meth:`~airflow_provider_wiro.recovery.record_store.RecordStore.write`."""
        self._aim(record, is_read=False)  # before: writing can take seconds, and a kill can come meanwhile
        self._store.write(record)

    def clear(self) -> None:
        """See :meth:`~airflow_provider_wiro.recovery.record_store.RecordStore.clear`."""
        self._aim(None, is_read=False)
        self._store.clear()

    def _aim(self, record: RunRecord | None, *, is_read: bool) -> None:
        if record is None or record.is_spent or record.fingerprint != self._wanted.fingerprint:
            self._stopper.aim_at_intent(None, self._hook, is_sent=False)
        elif record.wiro_task_id is not None:
            self._stopper.aim_at(record.wiro_task_id, self._hook)
        else:
            self._stopper.aim_at_intent(_search(record, self._wanted), self._hook, is_sent=is_read)


def _search(record: RunRecord, wanted: RunSpec) -> Search:
    """Return what looks once for the task of a Run whose answer has not come."""

    def search(hook: WiroHook, seconds: float) -> str | None:
        until = time.monotonic() + seconds

        def check() -> None:
            if time.monotonic() > until:
                raise WiroConnectionError(f"it took more than {seconds:.1f} s.")

        hook.interrupted_by(check)
        return hook.converse(lambda outside: checked(find_lost_run_now(outside, record, wanted), check))

    return search

"""WatchedRecordStore: keeps the stopper informed about the run that its record is about."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_wiro.exceptions import WiroConnectionError
from airflow_provider_wiro.recovery.resume import find_lost_run_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.api.flow import Flow
    from airflow_provider_wiro.cancellation.run_stopper import RunStopper, Search
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.recovery.resume import RunSpec
    from airflow_provider_wiro.recovery.run_record import RecordStore, RunRecord

T = TypeVar("T")


class WatchedRecordStore:
    """
    A record store that passes what is read and written to the stopper.

    So a try that is killed while it polls the task of the try before stops that task, and one whose Run has
    no response yet knows what to search for.
    """

    def __init__(self, store: RecordStore, stopper: RunStopper, hook: WiroHook, wanted: RunSpec) -> None:
        self._store = store
        self._stopper = stopper
        self._hook = hook
        self._wanted = wanted
        self._was_read = False

    def read(self) -> RunRecord | None:
        """See :class:`~airflow_provider_wiro.recovery.run_record.RecordStore`."""
        record = self._store.read()
        if not self._was_read:  # what is read later is what was written from here, or another try's
            self._was_read = True
            self._inform_stopper(record, is_read=True)
        return record

    def write(self, record: RunRecord) -> None:
        """See :class:`~airflow_provider_wiro.recovery.run_record.RecordStore`."""
        # Before it is written: that can take seconds, and a kill can come meanwhile.
        self._inform_stopper(record, is_read=False)
        self._store.write(record)

    def clear(self) -> None:
        """See :class:`~airflow_provider_wiro.recovery.run_record.RecordStore`."""
        self._inform_stopper(None, is_read=False)
        self._store.clear()

    def _inform_stopper(self, record: RunRecord | None, *, is_read: bool) -> None:
        if record is None or record.is_consumed or record.fingerprint != self._wanted.fingerprint:
            self._stopper.set_intent(None, self._hook, is_sent=False)
        elif record.wiro_task_id is not None:
            self._stopper.set_target(record.wiro_task_id, self._hook)
        else:
            self._stopper.set_intent(_search(record, self._wanted), self._hook, is_sent=is_read)


def _search(record: RunRecord, wanted: RunSpec) -> Search:
    """Return a function that searches once for the task of a Run without a response."""

    def search(hook: WiroHook, seconds: float) -> str | None:
        until = time.monotonic() + seconds

        def check() -> None:
            if time.monotonic() > until:
                raise WiroConnectionError(f"it took more than {seconds:.1f} s.")

        hook.interrupted_by(check)
        return hook.run_flow(lambda context: _checked(find_lost_run_now(context, record, wanted), check))

    return search


def _checked(flow: Flow[T], check: Callable[[], None]) -> Flow[T]:
    """Call ``check`` before each step of a flow; what it raises ends the flow, with nothing sent after it."""
    outcome = None
    while True:
        try:
            step = flow.send(outcome)
        except StopIteration as stop:
            result: T = stop.value
            return result
        check()
        outcome = yield step

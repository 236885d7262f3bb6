"""One Airflow task instance's run of a model, begun at most once across its tries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.later_tasks import newest_task_id
from airflow_provider_wiro.api.resume import MAX_LOSSES, never_started, resume, settle
from airflow_provider_wiro.api.retry import POLL_PATIENCE_SECONDS
from airflow_provider_wiro.api.run_record import RunRecord
from airflow_provider_wiro.exceptions import WiroError, WiroLostRunError, WiroRecordError
from airflow_provider_wiro.operators.stopping import TaskStoppedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_provider_wiro.api.models import StartedRun, Task
    from airflow_provider_wiro.api.resume import Resumption, WantedRun
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.operators.log import Log
    from airflow_provider_wiro.run_record import RecordStore


@dataclass(frozen=True)
class BegunRun:
    """
    A run that is on its way, or over.

    :ivar started_at: before it was sent.
    :ivar task: what Wiro showed of it a moment ago, None if it was not asked.
    :ivar is_resumed: an earlier try started it.
    """

    wiro_task_id: str
    started_at: datetime
    task: Task | None
    is_resumed: bool


class DurableRun:
    """
    Begins a run, or picks up the one that an earlier try began.

    :param store: keeps the record; None begins anew in every try.
    :param submit: sends the Run once.
    :param try_number: of the Airflow task.
    :param stops_stale: stop the task of an earlier run with other parameters.
    :param resubmits_orphans: start anew where it can't be told whether an earlier Run was started.
    :param timeout_seconds: how long an earlier try's task may take, from its submission; None for any time.
    :param patience_seconds: for how long failing polls of an earlier try's task are ridden out.
    """

    def __init__(
        self,
        hook: WiroHook,
        store: RecordStore | None,
        wanted: WantedRun,
        *,
        submit: Callable[[], StartedRun],
        try_number: int,
        stops_stale: bool,
        resubmits_orphans: bool,
        log: Log,
        now: Callable[[], datetime],
        timeout_seconds: float | None = None,
        patience_seconds: float = POLL_PATIENCE_SECONDS,
    ) -> None:
        self._hook = hook
        self._store = store
        self._wanted = wanted
        self._submit = submit
        self._try_number = try_number
        self._stops_stale = stops_stale
        self._resubmits_orphans = resubmits_orphans
        self._log = log
        self._now = now
        self._timeout_seconds = timeout_seconds
        self._patience_seconds = patience_seconds
        self._losses: list[WiroLostRunError] = []

    def begin(self) -> BegunRun:
        """
        Return the run, of which Wiro has the task when this returns.

        :raises WiroConcurrencyLimitError: no slot is free; nothing was started.
        :raises WiroTaskTimeoutError: the time of an earlier try's task is over, and Wiro can't be asked.
        :raises WiroOrphanedRunError: an earlier Run may have been started, and it can't be told which task it
            is.
        :raises WiroRecordError: the record can't be read, or the intent can't be kept; nothing was started.
        :raises WiroLostRunError: the Run's answer was lost, what became of it can't be found out, and there
            is no record by which a later try could.
        :raises WiroConnectionError: the answers of several Runs were lost, none of which has started a task.
        """
        record = self._store.read() if self._store else None
        found = self._hook.converse(
            lambda outside: resume(
                outside,
                record,
                self._wanted,
                stops_stale=self._stops_stale,
                resubmits_orphans=self._resubmits_orphans,
                timeout_seconds=self._timeout_seconds,
                patience_seconds=self._patience_seconds,
            )
        )
        if record is not None:
            self._log.info("Earlier run: %s.", found.reason)
        if found.record is None:
            return self._start(record)
        return self._pick_up(found, found.record, is_resumed=True)

    def _start(self, earlier: RunRecord | None) -> BegunRun:
        # Asked before the time is taken: it can take a minute, and settling counts from the intent.
        newest_before = self._hook.converse(newest_task_id)
        intent = RunRecord(
            fingerprint=self._wanted.fingerprint,
            intended_at=self._now().timestamp(),
            lifetime=self._wanted.lifetime,
            try_number=self._try_number,
            newest_before=newest_before,
            earlier_task_ids=earlier.known_task_ids if earlier else (),
        )
        if self._store:
            self._store.write(intent)
        try:
            started = self._submit()
        except WiroLostRunError as lost:
            return self._settle(intent, lost)
        except (WiroError, TaskStoppedError):
            self._take_back(earlier)
            raise
        self._keep_id(replace(intent, wiro_task_id=started.wiro_task_id))
        return BegunRun(started.wiro_task_id, intent.intended_at_moment, None, is_resumed=False)

    def _settle(self, intent: RunRecord, lost: WiroLostRunError) -> BegunRun:
        """
        Look for the task of a Run whose answer never came, and start again only if there certainly is none.
        """
        self._log.warning("%s Looking for it among the project's latest tasks.", lost)
        try:
            found = self._hook.converse(
                lambda outside: settle(
                    outside, intent, self._wanted, resubmits_orphans=self._resubmits_orphans
                )
            )
        except WiroError as error:
            if self._store is None and error.may_retry:
                raise lost from error  # a retry would know nothing of this Run, and send another
            raise
        self._log.info("Lost run: %s.", found.reason)
        if found.record is not None:
            return self._pick_up(found, found.record, is_resumed=False)
        self._losses.append(lost)
        if len(self._losses) >= MAX_LOSSES:
            raise never_started(self._losses) from lost
        return self._start(intent)

    def _pick_up(self, found: Resumption, record: RunRecord, *, is_resumed: bool) -> BegunRun:
        if record.wiro_task_id is None:
            raise AssertionError("only a run with an id can be picked up")
        # A Clear may have come since: what is spent in this lifetime is not run again by a retry of it.
        self._keep_id(replace(record, lifetime=self._wanted.lifetime))
        return BegunRun(record.wiro_task_id, record.intended_at_moment, found.task, is_resumed=is_resumed)

    def _keep_id(self, record: RunRecord) -> None:
        """Record the id. The task is running by now, so failing would lose more than it saves."""
        try:
            if self._store:
                self._store.write(record)
        except WiroRecordError as error:
            self._log.error(
                "%s A retry will look for Wiro task %s by its parameters.", error, record.wiro_task_id
            )

    def _take_back(self, earlier: RunRecord | None) -> None:
        """Undo the intent of a Run that certainly started nothing, so that no later try has to settle it."""
        try:
            if self._store and earlier:
                self._store.write(earlier)
            elif self._store:
                self._store.clear()
        except WiroRecordError as error:
            self._log.warning("%s The next try will look for a run that was not started.", error)


def mark_spent(store: RecordStore | None, wiro_task_id: str, log: Log) -> None:
    """
    Note that a run's result is returned: after a Clear the task starts a new run.

    A retry, after a worker died between this and Airflow's noting the success, still returns the same result.
    """
    if store is None:
        return
    try:
        record = store.read()
        if record is not None and record.wiro_task_id == wiro_task_id and not record.is_spent:
            store.write(replace(record, is_spent=True))
    except WiroError as error:
        log.warning("%s After a Clear, this task would return the same result again.", error)

"""One Airflow task instance's run of a model, begun at most once across its tries."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.retry import POLL_PATIENCE_SECONDS
from airflow_provider_wiro.exceptions import (
    WiroError,
    WiroLostRunError,
    WiroOvertakenError,
    WiroRecordError,
    WiroUnsettledRunError,
)
from airflow_provider_wiro.failures import TaskStoppedError
from airflow_provider_wiro.input_files.sent_files import compute_digests, digests_of
from airflow_provider_wiro.recovery.baseline import ask_baseline
from airflow_provider_wiro.recovery.lost_runs import next_look_seconds
from airflow_provider_wiro.recovery.record_fence import RecordFence
from airflow_provider_wiro.recovery.resume import MAX_LOSSES, never_started, notes_of, resume
from airflow_provider_wiro.recovery.run_record import RunRecord
from airflow_provider_wiro.recovery.sending import UPLOAD_NOTE_SECONDS
from airflow_provider_wiro.state_files.task_try import is_of_deleted_dag_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_provider_wiro.api.models import StartedRun, Task
    from airflow_provider_wiro.cancellation.log import Log
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.recovery.lost_run_digests import LostRunDigests
    from airflow_provider_wiro.recovery.record_store import RecordStore
    from airflow_provider_wiro.recovery.resume import ResumeDecision, RunSpec
    from airflow_provider_wiro.recovery.sending import Sending
    from airflow_provider_wiro.state_files.try_trace import TryTrace

#: Between two looks for a lost run: from this, while it was lost a moment ago, to this.
LOOK_PAUSES = (2.0, 30.0)
#: The same where each look takes a worker from its queue.
DEFERRED_LOOK_PAUSES = (15.0, 120.0)
_SHORTEST_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class ActiveRun:
    """
    A run that is on its way, or over.

    :ivar started_at: before it was sent; its time counts from here.
    :ivar accepted_at: when Wiro's answer with the id was read, or the task was found; its age counts from
        here.
    :ivar task: what Wiro showed of it a moment ago, None if it was not asked.
    :ivar is_resumed: an earlier try started it.
    """

    wiro_task_id: str
    started_at: datetime
    accepted_at: datetime
    task: Task | None
    is_resumed: bool


class DurableRun:
    """
    Begins a run, or picks up the one that an earlier try began.

    :param store: keeps the record; None starts a new run in every try.
    :param submit: sends the Run once. It calls its first argument right before each request that sends it,
        and its second one now and then while that is being sent; what they raise ends the sending.
    :param try_number: of the Airflow task.
    :param stops_stale: stop the task of an earlier run with other parameters.
    :param resubmits_orphans: start a new run where it is not clear whether an earlier Run was started.
    :param timeout_seconds: how long an earlier try's task may take, from its submission; None for any time.
    :param patience_seconds: for how long failing polls of an earlier try's task are ridden out.
    :param began_at: when this try began; a Run that is lost again and again since then ends it.
    :param seconds_left: for how long a lost run may still be looked for.
    :param pause: waits some seconds between two looks for a lost run, whose sending and notes it is given;
        may defer the Airflow task instead of returning, since the record has the rest. Default: the hook's.
    :param pauses: the shortest and the longest of these waits, in seconds.
    :param monotonic: seconds by a clock that nobody sets.
    :param trace: says whether the earlier tries ran on this machine; None: the store is shared.
    """

    def __init__(
        self,
        hook: WiroHook,
        store: RecordStore | None,
        wanted: RunSpec,
        *,
        submit: Callable[[Callable[[], None], Callable[[], None]], StartedRun],
        try_number: int,
        stops_stale: bool,
        resubmits_orphans: bool,
        log: Log,
        now: Callable[[], datetime],
        timeout_seconds: float | None = None,
        patience_seconds: float = POLL_PATIENCE_SECONDS,
        began_at: datetime,
        seconds_left: Callable[[], float],
        pause: Callable[[float, Sending, LostRunDigests], None] | None = None,
        pauses: tuple[float, float] = LOOK_PAUSES,
        monotonic: Callable[[], float] = time.monotonic,
        trace: TryTrace | None = None,
    ) -> None:
        self._hook = hook
        self._fence = RecordFence(store, try_number, now=now, monotonic=monotonic)
        self._wanted = wanted
        self._submit = submit
        self._try_number = try_number
        self._stops_stale = stops_stale
        self._resubmits_orphans = resubmits_orphans
        self._log = log
        self._now = now
        self._timeout_seconds = timeout_seconds
        self._patience_seconds = patience_seconds
        self._began_at = began_at
        self._seconds_left = seconds_left
        self._pause = pause if store is not None else None
        self._pauses = pauses
        self._monotonic = monotonic
        self._last_loss: WiroLostRunError | None = None
        self._intent: RunRecord | None = None
        self._sent_at = self._last_byte_at = 0.0
        self._trace = trace
        #: Whether the record that was found is of a DAG run that was deleted since.
        self._is_of_deleted_dag_run = False

    def begin(self) -> ActiveRun:
        """
        Return the run, of which Wiro has the task when this returns.

        :raises WiroConcurrencyLimitError: no slot is free; nothing was started.
        :raises WiroTaskTimeoutError: the time of an earlier try's task is over, and Wiro can't be asked.
        :raises WiroOrphanedRunError: an earlier Run may have been started, and it can't be told which task it
            is.
        :raises WiroUnsettledRunError: the same may be certain later, and time is out; the record stands.
        :raises WiroOvertakenError: another try has taken the record over; nothing was started here.
        :raises WiroRecordError: the record can't be read, or the intent can't be kept; nothing was started.
        :raises WiroLostRunError: the Run's answer was lost, what became of it can't be found out, and there
            is no record by which a later try could.
        :raises WiroConnectionError: the answers of several Runs were lost, none of which has started a task.
        """
        record = self._fence.read(self._disowns)
        is_unseen = record is None and self._trace is not None and self._trace.is_missing
        if is_unseen:
            record = self._unseen_intent()
        found = self._decide(record)
        if self._trace is not None:
            self._trace.leave()
        if record is not None:
            self._log.info("Earlier run: %s.", found.reason)
        if found.record is None:
            is_mine = not (is_unseen or self._is_of_deleted_dag_run)
            self._is_of_deleted_dag_run = False
            return self._start(record if is_mine else None)
        return self._pick_up(found, found.record, is_resumed=True)

    def _disowns(self, record: RunRecord) -> bool:
        now = self._wanted.task_try
        self._is_of_deleted_dag_run = now is not None and is_of_deleted_dag_run(record.written_by, now)
        return self._is_of_deleted_dag_run

    def _unseen_intent(self) -> RunRecord:
        """Return what an earlier try on another machine may have recorded there, at the DAG run's start."""
        self._log.warning(
            "No try of this task before was on this machine. One on another may have started a run: looking "
            "for it in Wiro's list. Set [wiro] state_path to a place that all machines share."
        )
        task_try = self._wanted.task_try
        started = None if task_try is None else task_try.run_started_at
        return RunRecord(
            fingerprint=self._wanted.fingerprint,
            intended_at=(self._now() - timedelta(days=1)).timestamp() if started is None else started,
            lifetime=self._wanted.lifetime,
            try_number=self._try_number,
        )

    def _decide(self, record: RunRecord | None) -> ResumeDecision:
        """Return what to do about a record, once that is certain."""
        while True:
            found = self._hook.converse(
                lambda outside: resume(
                    outside,
                    record,
                    self._wanted,
                    stops_stale=self._stops_stale,
                    resubmits_orphans=self._resubmits_orphans,
                    is_of_deleted_dag_run=self._is_of_deleted_dag_run,
                    timeout_seconds=self._timeout_seconds,
                    patience_seconds=self._patience_seconds,
                )
            )
            if record is None or found.open_for is None:
                return found
            self._wait(record, found.open_for)

    def _wait(self, record: RunRecord, open_for: float) -> None:
        """
        Wait before the next look for a lost run.

        :param open_for: seconds until it can be certain that nothing was started.
        """
        now = self._now()
        left = self._seconds_left()
        if left <= 0:
            raise WiroUnsettledRunError(
                f"The answer of a Run of {self._wanted.model} was lost, and for {open_for:.0f} s more Wiro "
                "may still start its task: too long for this task's timeout. Its record is kept: a retry "
                "goes on looking, and sends nothing before it is certain that nothing was started. Without "
                "a retry, look in the dashboard at wiro.ai."
            )
        shortest, longest = self._pauses
        age = now.timestamp() - record.intended_at
        pause = min(next_look_seconds(age, shortest=shortest, longest=longest), open_for, left)
        pause = max(pause, _SHORTEST_PAUSE_SECONDS)
        self._log.info(
            "A lost Run of %s may still start a task for %.0f s. Looking again in %.0f s.",
            self._wanted.model,
            open_for,
            pause,
        )
        if self._pause is None:
            self._hook.pause(pause)
        else:
            self._pause(pause, record.sending, notes_of(record, self._wanted))

    def _start(self, earlier: RunRecord | None) -> ActiveRun:
        if self._wanted.problem is not None:
            raise self._wanted.problem
        lost_sendings = self._lost_sendings(earlier)
        count = sum(sending.intended_at >= self._began_at.timestamp() for sending in lost_sendings)
        if count >= MAX_LOSSES:
            raise never_started(count, self._last_loss) from self._last_loss
        # Asked before the time is taken: it can take a while, and a lost run's time counts from the intent.
        baseline = self._hook.converse(ask_baseline)
        self._intent = self._fence.write(
            RunRecord(
                fingerprint=self._wanted.fingerprint,
                intended_at=self._now().timestamp(),
                lifetime=self._wanted.lifetime,
                try_number=self._try_number,
                newest_before=baseline.newest,
                earlier_task_ids=earlier.known_task_ids if earlier else (),
                wiro_at=baseline.wiro_at,
                references=self._wanted.references or None,
                files=digests_of(self._wanted.files),
                lost_sendings=lost_sendings,
                **self._written_by,
            )
        )
        try:
            started = self._submit(self._confirm, self._go_on_sending)
        except WiroLostRunError as lost:
            return self._settle(self._lose(lost), lost)
        except WiroOvertakenError:
            raise
        except (WiroError, TaskStoppedError):
            self._take_back(earlier)
            raise
        accepted_at = self._now()
        self._keep_id(
            replace(self._intent, wiro_task_id=started.wiro_task_id, accepted_at=accepted_at.timestamp())
        )
        return ActiveRun(
            started.wiro_task_id, self._intent.intended_at_moment, accepted_at, None, is_resumed=False
        )

    def _lost_sendings(self, earlier: RunRecord | None) -> tuple[Sending, ...]:
        """Return the sendings of this very run that were taken for not started."""
        if earlier is None or earlier.is_spent or earlier.fingerprint != self._wanted.fingerprint:
            return ()
        return earlier.sendings_before_next

    def _confirm(self) -> None:
        """
        Make sure, right before the Run is sent, that the record is still this try's and says when it left.

        :raises WiroOvertakenError: it is another's; nothing is sent.
        :raises WiroRecordError: the record can't be read or written.
        """
        was_sending = self._last_byte_at > self._sent_at
        if self._intent is not None and (was_sending or not self._fence.is_fresh):
            self._fence.check()
            baseline = self._hook.converse(ask_baseline)
            self._intent = self._fence.write(
                replace(
                    self._intent,
                    intended_at=self._now().timestamp(),
                    newest_before=baseline.newest,
                    wiro_at=baseline.wiro_at,
                    uploaded_for=None,
                )
            )
        self._sent_at = self._last_byte_at = self._monotonic()

    def _go_on_sending(self) -> None:
        """
        Make sure, while files are sent, that the record is still this try's and says for how long they were.

        Should this process die, Wiro may get to the request only after the last byte.

        :raises WiroOvertakenError: it is another's; the request is broken off.
        :raises WiroRecordError: the record can't be read or written.
        """
        self._fence.check()
        self._last_byte_at = self._monotonic()
        uploaded_for = self._last_byte_at - self._sent_at
        is_noted = self._intent is None or uploaded_for < self._intent.sending.uploaded_seconds
        if self._intent is not None and not is_noted and uploaded_for >= UPLOAD_NOTE_SECONDS:
            self._intent = self._fence.write(replace(self._intent, uploaded_for=uploaded_for))

    def _lose(self, lost: WiroLostRunError) -> RunRecord:
        """Record how the Run's answer was lost, and the content of its files."""
        if self._intent is None:
            raise AssertionError("only a Run with an intent can be lost")
        lost_at = self._monotonic()
        learned = self._hook.converse(lambda _: compute_digests(self._wanted.files))
        self._wanted = replace(self._wanted, files=learned)
        record = self._intent.lose(
            lost, lost_at - self._sent_at, lost_at - self._last_byte_at, digests_of(learned)
        )
        try:
            return self._fence.write(record)
        except WiroOvertakenError:
            raise
        except WiroRecordError as error:
            self._log.warning("%s A retry will take the answer for one that timed out.", error)
            return record

    def _settle(self, record: RunRecord, lost: WiroLostRunError) -> ActiveRun:
        """
        Look for the task of a Run whose answer never came, and start again only if there certainly is none.
        """
        self._last_loss = lost
        self._log.warning("%s Looking for it among the project's latest tasks.", lost)
        try:
            found = self._decide(record)
        except WiroError as error:
            if not self._fence.is_kept and error.may_retry:
                raise lost from error  # a retry would know nothing of this Run, and send another
            raise
        self._log.info("Lost run: %s.", found.reason)
        if found.record is not None:
            return self._pick_up(found, found.record, is_resumed=False)
        return self._start(record)

    def _pick_up(self, found: ResumeDecision, record: RunRecord, *, is_resumed: bool) -> ActiveRun:
        wiro_task_id = record.wiro_task_id
        if wiro_task_id is None:
            raise AssertionError("only a run with an id can be picked up")
        # A Clear may have come since: what is spent in this lifetime is not run again by a retry of it.
        accepted_at = self._now().timestamp() if record.accepted_at is None else record.accepted_at
        record = replace(record, lifetime=self._wanted.lifetime, accepted_at=accepted_at, **self._written_by)
        self._keep_id(record)
        return ActiveRun(
            wiro_task_id,
            record.intended_at_moment,
            record.accepted_at_moment,
            found.task,
            is_resumed=is_resumed,
        )

    @property
    def _written_by(self) -> dict[str, Any]:
        """What a record keeps of the DAG run, by which it is told from one that was deleted."""
        now = self._wanted.task_try
        return {} if now is None else {"clears": now.clears, "run_started_at": now.run_started_at}

    def _keep_id(self, record: RunRecord) -> None:
        """
        Record the id. The task is running by now, so failing would lose more than it saves.

        :raises WiroOvertakenError: the record is another try's, which finds the task in Wiro's list.
        """
        try:
            self._fence.write(record)
        except WiroOvertakenError as error:
            raise WiroOvertakenError(
                f"{error} Wiro task {record.wiro_task_id} is left to that try, which finds it in Wiro's list."
            ) from error
        except WiroRecordError as error:
            self._log.error(
                "%s A retry will look for Wiro task %s by its parameters.", error, record.wiro_task_id
            )

    def _take_back(self, earlier: RunRecord | None) -> None:
        """Undo the intent of a Run that certainly started nothing, so that no later try has to settle it."""
        try:
            self._fence.put_back(earlier)
        except WiroOvertakenError as error:
            self._log.warning("%s", error)
        except WiroRecordError as error:
            self._log.warning("%s The next try will look for a run that was not started.", error)


def mark_spent(
    store: RecordStore | None, wiro_task_id: str, log: Log, *, try_number: int | None = None
) -> None:
    """
    Note that a run's result is returned: after a Clear the task starts a new run.

    A retry, after a worker died between this and Airflow's noting the success, still returns the same result.

    :param try_number: of the Airflow task; a record that a later try has taken over is left to that one.
    """
    if store is None:
        return
    try:
        record = store.read()
        if record is None or record.wiro_task_id != wiro_task_id or record.is_spent:
            return
        if record.writer is None or try_number is None or record.try_number <= try_number:
            store.write(replace(record, is_spent=True))
    except WiroError as error:
        log.warning("%s After a Clear, this task would return the same result again.", error)

"""DurableRun: one Airflow task instance's run of a model, started at most once across its tries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

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
from airflow_provider_wiro.recovery.lost_runs import search_pause_seconds
from airflow_provider_wiro.recovery.resume import MAX_LOSSES, digests_of_run, never_started, resume
from airflow_provider_wiro.recovery.run_record import RunRecord
from airflow_provider_wiro.recovery.sending import UPLOAD_NOTE_SECONDS, Sending
from airflow_provider_wiro.state_files.task_try import is_of_deleted_dag_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_provider_wiro.api.models import StartedRun, Task
    from airflow_provider_wiro.api.run_summary import RunSummary
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.recovery.lost_run_digests import LostRunDigests
    from airflow_provider_wiro.recovery.record_fence import RecordFence
    from airflow_provider_wiro.recovery.resume import ResumeDecision, ResumePolicy, RunSpec
    from airflow_provider_wiro.redaction.loggers import Log


@dataclass(frozen=True)
class ActiveRun:
    """
    A run of which Wiro has the task.

    :ivar started_at: before it was sent; its timeout counts from here.
    :ivar accepted_at: when Wiro's response with the id was read, or the task was found; its age counts from
        here.
    :ivar task: as Wiro showed it a moment ago, None if it was not asked.
    :ivar is_resumed: an earlier try started it.
    """

    wiro_task_id: str
    started_at: datetime
    accepted_at: datetime
    task: Task | None
    is_resumed: bool


@dataclass(frozen=True)
class KnownResult:
    """
    The result of a run that was not sent, since that of an equal one is known.

    :ivar summary: its run summary.
    """

    summary: RunSummary


@dataclass(frozen=True)
class SearchTime:
    """
    How long, and how, a try searches for a lost run.

    :ivar began_at: when this try began. Runs that are lost again and again since then end it.
    :ivar seconds_left: for how long it may still search.
    :ivar defer: waits some seconds between two searches by deferring the Airflow task, which resumes from the
        record; it is given the lost Run's sending and digests. None waits here.
    """

    began_at: datetime
    seconds_left: Callable[[], float]
    defer: Callable[[float, Sending, LostRunDigests], None] | None = None


class DurableRun:
    """
    Starts a run, or resumes the one that an earlier try started.

    :param fence: the record, by which a later try finds the run.
    :param submit: sends the Run once. It calls its first argument right before each request that sends it,
        and its second one now and then while that is being sent; what they raise ends the sending.
    :param before_start: called before a new run is recorded and sent, and never where an earlier try's is
        resumed. It may return the result of an equal run, which then is not sent. What it raises ends the
        try; the record stands.
    """

    def __init__(
        self,
        hook: WiroHook,
        fence: RecordFence,
        wanted: RunSpec,
        *,
        submit: Callable[[Callable[[], None], Callable[[], None]], StartedRun],
        policy: ResumePolicy,
        search_time: SearchTime,
        log: Log,
        before_start: Callable[[], RunSummary | None] = lambda: None,
    ) -> None:
        self._hook = hook
        self._fence = fence
        self._wanted = wanted
        self._submit = submit
        self._policy = policy
        self._search_time = search_time
        self._log = log
        self._before_start = before_start
        self._last_loss: WiroLostRunError | None = None
        self._intent: RunRecord | None = None
        self._sent_at = self._last_byte_at = 0.0
        #: Whether the record that was found is of a DAG run that was deleted since.
        self._is_of_deleted_dag_run = False

    def begin(self) -> ActiveRun | KnownResult:
        """
        Return the run, once Wiro has its task, or the result of an equal one.

        :raises WiroConcurrencyLimitError: no slot is free; nothing was started.
        :raises WiroTaskTimeoutError: the time of an earlier try's task is over, and Wiro can't be asked.
        :raises WiroOrphanedRunError: an earlier Run may have been started, and it isn't known as which task.
        :raises WiroUnsettledRunError: that may be known later, and time is out; the record stands.
        :raises WiroOvertakenError: another try has taken the record over; nothing was started here.
        :raises WiroRecordError: the record can't be read, or the intent can't be written; nothing was
            started.
        :raises WiroLostRunError: the Run's response was lost, what became of it can't be found out, and there
            is no record by which a later try could.
        :raises WiroConnectionError: the responses to several Runs were lost, none of which has started a
            task.
        """
        record = self._fence.read(self._disowns)
        is_assumed = record is None and self._fence.may_miss_records
        if is_assumed:
            record = self._assumed_intent()
        found = self._decide(record)
        self._fence.leave_trace()
        if record is not None:
            log = self._log.warning if found.gives_up else self._log.info
            log("Earlier run: %s.", found.reason)
        if found.record is None:
            is_mine = not (is_assumed or self._is_of_deleted_dag_run)
            self._is_of_deleted_dag_run = False
            return self._start(record if is_mine else None)
        return self._pick_up(found, found.record, is_resumed=True)

    def _disowns(self, record: RunRecord) -> bool:
        self._is_of_deleted_dag_run = is_of_deleted_dag_run(record.written_by, self._wanted.task_try)
        return self._is_of_deleted_dag_run

    def _assumed_intent(self) -> RunRecord:
        """Return what an earlier try on another machine may have recorded there, at the DAG run's start."""
        self._log.warning(
            "No earlier try of this task ran on this machine. One on another may have started a run: "
            "searching Wiro's list for it. Set [wiro] state_path to a place that all machines share."
        )
        started = self._wanted.task_try.run_started_at
        return RunRecord(
            self._wanted.fingerprint,
            Sending((self._fence.now() - timedelta(days=1)).timestamp() if started is None else started),
            max_tries=self._wanted.max_tries,
            try_number=self._wanted.task_try.number,
        )

    def _decide(self, record: RunRecord | None) -> ResumeDecision:
        """Return what to do about a record, once that is certain."""
        while True:
            found = self._hook.run_flow(
                lambda context: resume(
                    context,
                    record,
                    self._wanted,
                    self._policy,
                    is_of_deleted_dag_run=self._is_of_deleted_dag_run,
                )
            )
            if record is None or found.open_seconds is None:
                return found
            self._wait(record, found.open_seconds)

    def _wait(self, record: RunRecord, open_seconds: float) -> None:
        """
        Wait before the next search for a lost run.

        :param open_seconds: until it can be certain that nothing was started.
        """
        now = self._fence.now()
        left = self._search_time.seconds_left()
        if left <= 0:
            raise WiroUnsettledRunError(
                f"The response to a Run of {self._wanted.model} was lost, and Wiro may still start its task "
                f"for {open_seconds:.0f} s: too long for this task's timeout. Its record is kept: a retry "
                "continues the search, and sends nothing before it is certain that nothing was started. "
                "Without a retry, look in the dashboard at wiro.ai."
            )
        defer = self._search_time.defer
        pause = search_pause_seconds(
            now.timestamp() - record.sending.intended_at,
            min(open_seconds, left),
            is_deferred=defer is not None,
        )
        self._log.info(
            "A lost Run of %s may still start a task for %.0f s. Searching again in %.0f s.",
            self._wanted.model,
            open_seconds,
            pause,
        )
        if defer is None or not self._fence.is_kept:
            self._hook.pause(pause)
        else:
            defer(pause, record.sending, digests_of_run(record, self._wanted))

    def _start(self, earlier: RunRecord | None) -> ActiveRun | KnownResult:
        if self._wanted.problem is not None:
            raise self._wanted.problem
        lost_sendings = self._lost_sendings(earlier)
        began_at = self._search_time.began_at.timestamp()
        count = sum(sending.intended_at >= began_at for sending in lost_sendings)
        if count >= MAX_LOSSES:
            raise never_started(count, self._last_loss) from self._last_loss
        summary = self._before_start()
        if summary is not None:
            return KnownResult(summary)
        self._intent = self._fence.write(
            RunRecord(
                self._wanted.fingerprint,
                self._next_sending(),
                max_tries=self._wanted.max_tries,
                try_number=self._wanted.task_try.number,
                earlier_task_ids=earlier.known_task_ids if earlier else (),
                references=self._wanted.references or None,
                files=digests_of(self._wanted.files),
                lost_sendings=lost_sendings,
                inputs=self._wanted.inputs,
                **self._written_by,
            )
        )
        try:
            started = self._submit(self._confirm, self._note_upload)
        except WiroLostRunError as lost:
            return self._resolve(self._lose(lost), lost)
        except WiroOvertakenError:
            raise
        except (WiroError, TaskStoppedError):
            self._take_back(earlier)
            raise
        accepted_at = self._fence.now()
        self._keep_id(
            replace(self._intent, wiro_task_id=started.wiro_task_id, accepted_at=accepted_at.timestamp())
        )
        return ActiveRun(
            started.wiro_task_id, self._intent.sending.moment, accepted_at, None, is_resumed=False
        )

    def _next_sending(self) -> Sending:
        # Asked before the time is taken: it can take a while, and a lost run's time counts from the intent.
        baseline = self._hook.run_flow(ask_baseline)
        return Sending(self._fence.now().timestamp(), baseline.newest, baseline.wiro_at)

    def _lost_sendings(self, earlier: RunRecord | None) -> tuple[Sending, ...]:
        """Return the sendings of this very run that were taken for not started."""
        if earlier is None or earlier.is_consumed or earlier.fingerprint != self._wanted.fingerprint:
            return ()
        return earlier.sendings_before_next

    def _confirm(self) -> None:
        """
        Make sure, right before the Run is sent, that the record is still this try's, and its time right.

        :raises WiroOvertakenError: it is another try's; nothing is sent.
        :raises WiroRecordError: the record can't be read or written.
        """
        was_sending = self._last_byte_at > self._sent_at
        if self._intent is not None and (was_sending or not self._fence.is_fresh):
            self._fence.check()
            self._intent = self._fence.write(replace(self._intent, sending=self._next_sending()))
        self._sent_at = self._last_byte_at = self._fence.monotonic()

    def _note_upload(self) -> None:
        """
        Make sure, while files are sent, that the record is still this try's, and record how long that lasts.

        Should this process die, Wiro may start the task as late as after the last byte.

        :raises WiroOvertakenError: it is another try's; the request is aborted.
        :raises WiroRecordError: the record can't be read or written.
        """
        self._fence.check()
        self._last_byte_at = self._fence.monotonic()
        uploaded_for = self._last_byte_at - self._sent_at
        if self._intent is None or uploaded_for < UPLOAD_NOTE_SECONDS:
            return
        sending = self._intent.sending
        if uploaded_for >= sending.uploaded_seconds:
            self._intent = self._fence.write(
                replace(self._intent, sending=replace(sending, uploaded_for=uploaded_for))
            )

    def _lose(self, lost: WiroLostRunError) -> RunRecord:
        """Record how the Run's response was lost, and the content of its files."""
        if self._intent is None:
            raise AssertionError("only a Run with an intent can be lost")
        lost_at = self._fence.monotonic()
        learned = self._hook.run_flow(lambda _: compute_digests(self._wanted.files))
        self._wanted = replace(self._wanted, files=learned)
        record = self._intent.lose(
            lost, lost_at - self._sent_at, lost_at - self._last_byte_at, digests_of(learned)
        )
        try:
            return self._fence.write(record)
        except WiroOvertakenError:
            raise
        except WiroRecordError as error:
            self._log.warning("%s A retry will treat the lost response as one that timed out.", error)
            return record

    def _resolve(self, record: RunRecord, lost: WiroLostRunError) -> ActiveRun | KnownResult:
        """Search for the task of a Run whose response was lost, and start another only if there is none."""
        self._last_loss = lost
        self._log.warning("%s Searching for it among the project's latest tasks.", lost)
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
        # The task may have been cleared since: a retry doesn't repeat a run that was consumed after that.
        accepted_at = self._fence.now().timestamp() if record.accepted_at is None else record.accepted_at
        record = replace(
            record, max_tries=self._wanted.max_tries, accepted_at=accepted_at, **self._written_by
        )
        self._keep_id(record)
        return ActiveRun(
            wiro_task_id, record.sending.moment, record.accepted_at_moment, found.task, is_resumed=is_resumed
        )

    @property
    def _written_by(self) -> dict[str, Any]:
        """What a record keeps of the DAG run, which distinguishes it from a deleted one with the same id."""
        task_try = self._wanted.task_try
        return {"clears": task_try.clears, "run_started_at": task_try.run_started_at}

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
        """Undo the intent of a Run that certainly started nothing, so that no later try searches for it."""
        try:
            self._fence.put_back(earlier)
        except WiroOvertakenError as error:
            self._log.warning("%s", error)
        except WiroRecordError as error:
            self._log.warning("%s The next try will look for a run that was not started.", error)

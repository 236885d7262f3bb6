"""TaskRun: one part of a try of a WiroRunOperator, until it returns the run summary or defers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.run_summary import accepted_summary, check_success, run_summary
from airflow_provider_wiro.cancellation.task_end import is_retried
from airflow_provider_wiro.dag_arguments.literals import likely_templates
from airflow_provider_wiro.downloads.late_links import await_links, awaits_links, missing_links_warning
from airflow_provider_wiro.exceptions import (
    WiroConcurrencyLimitError,
    WiroError,
    WiroOvertakenError,
    WiroTaskTimeoutError,
)
from airflow_provider_wiro.failures import airflow_failures
from airflow_provider_wiro.hooks.flow_context import (
    SteadyClock,
    lost_run_patience_seconds,
    poll_patience_seconds,
)
from airflow_provider_wiro.links.wiro import has_stored_nothing, push_task_url
from airflow_provider_wiro.recovery.durable_run import KnownResult
from airflow_provider_wiro.recovery.finished_run import mark_consumed, stop_strays
from airflow_provider_wiro.recovery.record_store import current_try
from airflow_provider_wiro.recovery.resume import check_same_run
from airflow_provider_wiro.run.before_run import BeforeRun, estimate_only
from airflow_provider_wiro.run.follower import TaskFollower
from airflow_provider_wiro.run.given_inputs import TryInputs
from airflow_provider_wiro.run.notes import TASK_ID_KEY, RunNotes
from airflow_provider_wiro.run.pauses import Pauses
from airflow_provider_wiro.run.prepared_run import prepare_run
from airflow_provider_wiro.run.reuse import RunReuse
from airflow_provider_wiro.run.submission import Submitter
from airflow_provider_wiro.state_files.try_trace import open_trace
from airflow_provider_wiro.triggers.deferral import TriggerOutcome, defer_until_ended, is_stale_event
from airflow_provider_wiro.triggers.shortest_deferral import shortest_deferral_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow.providers.common.compat.sdk import BaseOperator, Context

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.run_summary import RunSummary
    from airflow_provider_wiro.cancellation.run_stopper import RunStopper
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.recovery.durable_run import ActiveRun
    from airflow_provider_wiro.recovery.resume import RunSpec
    from airflow_provider_wiro.run.given_inputs import GiveInputs
    from airflow_provider_wiro.run.prepared_run import PreparedRun
    from airflow_provider_wiro.run.run_ends import RunEnds
    from airflow_provider_wiro.run.settings import RunSettings
    from airflow_provider_wiro.triggers.deferral import FailedDeferral


class TaskRun:
    """
    Starts or resumes a run, waits for it here or deferred, and returns its run summary.

    Each method raises what :func:`~airflow_provider_wiro.failures.airflow_failures` makes of a WiroError, or
    defers. If an error ends the try, and no later try would follow the Wiro task, the task is stopped.

    :param operator: the operator whose try it is.
    :param check_arguments: raises a WiroUsageError for rendered arguments that can't be right.
    :param ends: is given what becomes of the Wiro task.
    :param give_inputs: sets the operator's parameters, files and label, where these are known only now.
    """

    def __init__(
        self,
        operator: BaseOperator,
        context: Context,
        settings: RunSettings,
        hook: WiroHook,
        stopper: RunStopper,
        check_arguments: Callable[[], None],
        ends: RunEnds,
        give_inputs: GiveInputs | None = None,
    ) -> None:
        self._operator = operator
        self._context = context
        self._settings = settings
        self._hook = hook
        self._stopper = stopper
        self._check_arguments = check_arguments
        self._ends = ends
        self._log = operator.log
        #: This process waits by it; moments that are stored are the wall clock's.
        self._clock = SteadyClock()
        self._notes = RunNotes(
            context,
            durable=settings.durable,
            state_path=settings.state_path,
            has_pushed_nothing=has_stored_nothing(operator),
        )
        self._inputs = TryInputs(operator, context, self._notes, give_inputs)
        self._follower = TaskFollower(hook, stopper, settings, self._log)
        self._pauses = Pauses(operator, context, settings, hook, stopper, self._clock)
        self._reuse = RunReuse(hook, lambda: self._settings, self._log)

    # The parts of a try.

    def execute(self) -> RunSummary:
        """
        Start the run, or resume what an earlier try started, and wait for it or defer.

        With ``estimate_only``, return the estimate instead.
        """
        if self._settings.estimate_only:
            self._take_inputs(is_beginning=True)
            with airflow_failures(), self._hook:
                self._check_arguments()
                return estimate_only(self._hook, self._settings, self._log)
        with self._stopped_unless_followed():
            return self._run_for_timeout(is_beginning=True)

    def resume_after_pause(
        self, event: Mapping[str, Any] | None, *, give_up_at: float | None, refusals: int
    ) -> RunSummary:
        """
        Ask again for a slot, or search again for a lost run, as the record says.

        :param give_up_at: until when to do so, as Unix time; None: ``airflow dags test`` passes only the
            event.
        :param refusals: how often Wiro had no slot.
        """
        with self._stopped_unless_followed():
            if give_up_at is None or is_stale_event(event, self._context):
                return self._run_for_timeout()
            self._take_inputs()
            until = self._clock.from_wall(datetime.fromtimestamp(give_up_at, tz=UTC))
            return self._run(give_up_at=until, refusals=refusals)

    def complete(
        self,
        event: Mapping[str, Any] | None,
        *,
        is_resumed: bool,
        follow_until: float | None,
        inputs: str | None = None,
    ) -> RunSummary:
        """
        Read the task after the trigger's event, and return its run summary.

        :param is_resumed: an earlier try started it.
        :param follow_until: its deadline, as Unix time.
        :param inputs: the fingerprint of its inputs, under which its result card belongs.
        """
        with self._stopped_unless_followed():
            if is_stale_event(event, self._context):
                return self._run_for_timeout()
            self._settings = self._inputs.kept(self._settings)
            with airflow_failures(), self._hook:
                outcome = TriggerOutcome.from_event(event)
                self._reuse.continue_with(inputs, self._prepare if self._inputs.are_known else None)
                self._prepare_stop(outcome.wiro_task_id)
                try:
                    task = outcome.poll_task(self._hook)
                except WiroTaskTimeoutError as error:
                    task = self._stopper.on_timeout(error, self._hook)
                task = self._follower.follow_instead(task, outcome.message, follow_until)
                return self._finish(task, is_resumed=is_resumed)

    def recover(self, failed: FailedDeferral) -> RunSummary:
        """
        Continue after a deferral that Airflow itself has ended, without an event.

        No triggerer ran until after the deadline, or one did and can't run this provider's triggers. Without
        this the Wiro task would run on unfollowed.
        """
        with self._stopped_unless_followed():
            with airflow_failures():
                wiro_task_id, record = self._notes.wiro_task_id(), self._notes.record()
            # Airflow 3.0 resumes a retry where the try before it was resumed.
            is_of_this_try = record is None or record.try_number == self._context["ti"].try_number
            if wiro_task_id is None or not is_of_this_try:
                self._log.warning("The triggerer can't wait, so this worker does. %s", failed.reason)
                return self._not_deferrable()._run_for_timeout()
            self._settings = self._inputs.kept(self._settings)
            with airflow_failures(), self._hook:
                self._prepare_stop(wiro_task_id)
                self._reuse.continue_with(None, self._prepare if self._inputs.are_known else None)
                if failed.is_timeout:
                    late = f"No triggerer followed Wiro task {wiro_task_id} until its deadline."
                    task = self._stopper.on_timeout(
                        WiroTaskTimeoutError(late, wiro_task_id=wiro_task_id), self._hook
                    )
                else:
                    seen = self._hook.look_at_task(wiro_task_id)
                    task = self._follower.follow_instead(seen, failed.reason, None)
                return self._finish(task, is_resumed=False)

    @contextmanager
    def _stopped_unless_followed(self) -> Iterator[None]:
        """Stop the Wiro task if an error leaves this block and no later try would follow the task."""

        def is_followed(error: BaseException) -> bool:
            if isinstance(error, WiroOvertakenError):
                return True  # by the try that has taken the record over
            return is_retried(error, self._context) and self._notes.has_record

        def recorded_task() -> tuple[str, WiroHook] | None:
            wiro_task_id = self._notes.wiro_task_id()
            return None if wiro_task_id is None else (wiro_task_id, self._hook)

        def is_overtaken() -> bool:
            record = self._notes.record()
            return record is not None and record.try_number > self._context["ti"].try_number

        self._stopper.leave_to_later_try(is_overtaken)
        with self._ends.counting_stops(), self._stopper.unless_followed(is_followed, recorded_task):
            yield

    def _not_deferrable(self) -> TaskRun:
        settings = replace(self._settings, deferrable=False)
        return TaskRun(
            self._operator,
            self._context,
            settings,
            self._hook,
            self._stopper,
            self._check_arguments,
            self._ends,
            self._inputs.give,
        )

    def _prepare_stop(self, wiro_task_id: str) -> None:
        """
        Load what a kill needs, the connection and the HTTP library, and set the task that it has to stop.
        """
        self._hook.get_conn()
        self._stopper.on_accepted(wiro_task_id, self._hook)

    # Start.

    def _take_inputs(self, *, is_beginning: bool = False) -> None:
        with airflow_failures():
            self._settings = self._inputs.taken(self._settings, is_beginning=is_beginning)

    def _run_for_timeout(self, *, is_beginning: bool = False) -> RunSummary:
        self._take_inputs(is_beginning=is_beginning)
        give_up_at = self._clock() + timedelta(seconds=self._settings.timeout)
        return self._run(give_up_at=give_up_at, refusals=0, is_beginning=is_beginning)

    def _run(self, *, give_up_at: datetime, refusals: int, is_beginning: bool = False) -> RunSummary:
        """
        Start the run, or resume it, and wait for its end.

        :param give_up_at: until when to wait for a slot, by the steady clock.
        :param refusals: how often Wiro had none.
        :param is_beginning: nothing of this try ran before.
        """
        with airflow_failures(), self._hook:
            # Bad arguments and options are reported before anything is billed.
            self._check_arguments()
            poll_patience_seconds()
            lost_run_patience_seconds()
            shortest_deferral_seconds()
            # This reads the connection, which a kill can't: on_kill must not ask Airflow for it.
            base_url = self._hook.connection.base_url
            prepared = self._prepare(is_beginning=is_beginning)
            if not is_beginning:
                check_same_run(self._notes.record(), prepared.wanted)
            run = self._submitter().durable_run(
                prepared,
                BeforeRun(
                    self._hook, self._settings, prepared, self._log, self._reuse, is_checked=refusals > 0
                ),
                give_up_at,
                lambda seconds, lost, digests: self._pauses.defer(
                    seconds, give_up_at, refusals, lost, digests
                ),
            )
            waits = refusals
            while True:
                asked_at = self._clock()
                try:
                    active = run.begin()
                    break
                except WiroTaskTimeoutError as error:
                    # An earlier try's task is out of time, and it could not be polled before.
                    return self._finish(self._stopper.on_timeout(error, self._hook), is_resumed=True)
                except WiroConcurrencyLimitError as error:
                    waits += 1
                    if self._settings.deferrable:
                        self._inputs.keep(prepared, is_recorded=False)  # the record was taken back
                    self._pauses.for_slot(error, give_up_at, waits)
            if isinstance(active, KnownResult):
                return active.summary
            wiro_task_id, model = active.wiro_task_id, self._settings.model
            self._stopper.on_accepted(wiro_task_id, self._hook)
            if active.is_resumed:
                self._reuse.recognise(prepared)
            else:
                # A clock that was set forward since would give the task less time.
                active = replace(active, started_at=max(active.started_at, self._clock.to_wall(asked_at)))
                self._log.info("Submitted %s to Wiro: task %s.", model, wiro_task_id)
            self._context["ti"].xcom_push(key=TASK_ID_KEY, value=wiro_task_id)
            push_task_url(
                self._operator, self._context, base_url=base_url, model=model, wiro_task_id=wiro_task_id
            )
            return self._wait_for_end(active, prepared)

    def _prepare(self, *, is_beginning: bool = False) -> PreparedRun:
        settings = self._settings
        prepared = prepare_run(
            settings.model,
            settings.parameters,
            settings.files,
            project_id=settings.project_id or self._hook.connection.project_id,
            max_tries=self._context["ti"].max_tries,
            task_try=current_try(self._context, retries=self._operator.retries, is_beginning=is_beginning),
            patience_seconds=lost_run_patience_seconds(),
            min_outputs=settings.min_outputs,
            aws_conn_id=settings.aws_conn_id,
        )
        prepared = self._inputs.noted_in(prepared, settings)
        if is_beginning:
            for warning in (*likely_templates(prepared.wanted.parameters), *self._inputs.warnings(prepared)):
                self._log.warning("%s", warning)
        return prepared

    def _submitter(self) -> Submitter:
        settings = self._settings
        trace = open_trace(self._context, state_path=settings.state_path, retries=self._operator.retries or 0)
        if settings.durable and not self._notes.has_record:
            self._log.warning(
                "This Airflow has no task state store (3.3+) and no [wiro] state_path is set, so nothing "
                "remembers this run if its worker dies: a retry would pay for another."
            )
        return Submitter(
            self._hook,
            self._stopper,
            settings,
            self._clock,
            self._log,
            self._notes.store,
            trace if settings.durable else None,
        )

    # End.

    def _wait_for_end(self, active: ActiveRun, prepared: PreparedRun) -> RunSummary:
        """Wait for a started run, or defer, and return its run summary."""
        settings, wiro_task_id, task = self._settings, active.wiro_task_id, active.task
        if not settings.wait_for_completion:
            self._stop_strays(wiro_task_id)
            self._ends.accepted(wiro_task_id, task, is_new=self._mark_consumed(wiro_task_id))
            if task is None:
                return self._reuse.finish(
                    accepted_summary(wiro_task_id, settings.model, label=settings.label)
                )
            ended = task if task.has_succeeded else None
            return self._reuse.finish(run_summary(task, model=settings.model, label=settings.label), ended)
        deadline = self._follower.deadline(active)
        if settings.deferrable:
            task = self._follower.poll_before_deferring(active, deadline)
            if task is None or not task.is_terminal:
                self._stopper.check()
                self._inputs.keep(prepared, is_recorded=self._notes.has_record)
                defer_until_ended(
                    self._operator,
                    self._context,
                    wiro_task_id=wiro_task_id,
                    wiro_conn_id=settings.wiro_conn_id,
                    started_at=active.accepted_at,
                    deadline=deadline,
                    poll_interval=settings.poll_interval,
                    watch=settings.watch,
                    cancel_on_kill=settings.cancel_on_kill,
                    is_recorded=self._notes.has_record,
                    is_resumed=active.is_resumed,
                    follow_until=deadline.timestamp(),
                    **({"inputs": inputs} if (inputs := self._reuse.fingerprint) else {}),
                )
        elif task is None or not task.is_terminal:
            task = self._follower.follow(wiro_task_id, active.accepted_at, deadline)
        return self._finish(task, is_resumed=active.is_resumed)

    def _finish(self, task: Task, *, is_resumed: bool) -> RunSummary:
        """Return the run summary of a task that has succeeded; raise for any other end."""
        self._stopper.on_task(task)
        self._ends.saw(task)
        if task.is_cancelled:
            self._stopper.check()  # cancelled by this try's own stop: Airflow decides about a retry
        if task.is_cancelled and is_resumed:
            # After a Clear, the try that started the task can stop it while this one follows it.
            self._log.info("Wiro task %s of an earlier try was cancelled, so a new run is started.", task.id)
            return self._run_for_timeout()
        self._stop_strays(task.id)
        try:
            check_success(task, min_outputs=self._settings.min_outputs)
        except WiroError:
            self._ends.failed(task)
            raise
        task = self._with_links(task)
        self._ends.succeeded(task, is_new=self._mark_consumed(task.id))
        self._follower.log_end(task)
        settings = self._settings
        return self._reuse.finish(run_summary(task, model=settings.model, label=settings.label), task)

    def _with_links(self, task: Task) -> Task:
        """Return a task with the links of its files. It waits for them: the next task needs them."""
        if not awaits_links(task):
            return task
        task = self._hook.run_flow(lambda flow_context: await_links(task, flow_context))
        if awaits_links(task):
            self._log.warning("%s", missing_links_warning(task))
        return task

    def _mark_consumed(self, wiro_task_id: str) -> bool:
        number: int = self._context["ti"].try_number
        return mark_consumed(self._notes.store, wiro_task_id, self._log, try_number=number)

    def _stop_strays(self, wiro_task_id: str) -> None:
        def wanted() -> RunSpec:
            self._inputs.check_taken()
            return self._prepare().wanted

        stop_strays(self._hook, self._notes.store, wiro_task_id, wanted, self._log)

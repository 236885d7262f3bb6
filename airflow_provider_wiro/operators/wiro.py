"""WiroRunOperator: run a Wiro model as an Airflow task."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_wiro.api.polling import (
    check_defer_after,
    check_poll_interval,
    check_watch,
    slot_pause_seconds,
)
from airflow_provider_wiro.cancellation.retries import is_retried
from airflow_provider_wiro.cancellation.run_stopper import RunStopper
from airflow_provider_wiro.dag_arguments.checks import (
    check_min_outputs,
    check_state_path,
    check_timeout,
    one_of,
)
from airflow_provider_wiro.dag_arguments.literals import (
    check_callback_url,
    check_conn_id,
    check_files,
    check_flags,
    check_model,
    check_parameters,
    likely_templates,
)
from airflow_provider_wiro.exceptions import (
    WiroConcurrencyLimitError,
    WiroError,
    WiroOvertakenError,
    WiroTaskTimeoutError,
    WiroUsageError,
)
from airflow_provider_wiro.failures import airflow_failures, in_brief
from airflow_provider_wiro.links.wiro import (
    WiroTaskLink,
    begin_without_url,
    has_stored_nothing,
    push_task_url,
)
from airflow_provider_wiro.operators.secret_parameters import MasksSecretParameters
from airflow_provider_wiro.redaction.loggers import PlainLogs
from airflow_provider_wiro.triggers.deferral import (
    FailedDeferral,
    TriggerOutcome,
    defer_until_ended,
    is_stale_event,
    longest_deferral,
    shortest_deferral_seconds,
    wait_before_deferring,
    waits_before_deferring,
)
from airflow_provider_wiro.version_compat import is_parsed

# What takes long to import is imported where it is used: DAG files are parsed all day long and need none of
# it.
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.api.models import StartedRun, Task
    from airflow_provider_wiro.api.polling import Watch
    from airflow_provider_wiro.api.run_summary import RunSummary
    from airflow_provider_wiro.hooks.flow_context import SteadyClock
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.recovery.durable_run import ActiveRun, DurableRun
    from airflow_provider_wiro.recovery.lost_run_digests import LostRunDigests
    from airflow_provider_wiro.recovery.record_store import RecordStore
    from airflow_provider_wiro.recovery.sending import Sending
    from airflow_provider_wiro.run.notes import NotedRun
    from airflow_provider_wiro.run.prepared_run import PreparedRun
    from airflow_provider_wiro.watching.task_log import TaskLogger


class WiroRunOperator(PlainLogs, MasksSecretParameters, BaseOperator):
    """
    Run a Wiro model, wait for its end, and return the run summary.

    A successful run is billed. When the Airflow task is killed, times out, is marked while deferred, or fails
    with no retry left that would follow the Wiro task, that is stopped as well.

    :param model: ``owner/model``, such as ``retroAIx/Retro-Cartoons``. (templated)
    :param parameters: the model's parameters; None values are left out. (templated)
    :param files: file parameter → local path, object-storage URI (``s3://bucket/key``, read with
        ``aws_conn_id``, or ``gs://google_cloud_default@bucket/key``), http(s) or ``data:`` URL, what another
        task returned (a run summary: its outputs; the result of an upload or a transfer, or one file of it),
        or a list of these. A file has 1 byte to 100 MB. (templated)
    :param callback_url: Wiro POSTs the finished task there. (templated)
    :param project_id: the Wiro project to bill; default: the connection's. (templated)
    :param wiro_conn_id: the Airflow connection, of type ``wiro``. (templated)
    :param aws_conn_id: the Airflow connection by which files at ``s3://bucket/key`` are read. (templated)
    :param wait_for_completion: False returns as soon as Wiro has accepted the run; a
        :class:`~airflow_provider_wiro.sensors.wiro.WiroTaskSensor` can wait for it later.
    :param deferrable: wait in the triggerer, without a worker slot.
    :param defer_after: with ``deferrable``, seconds for which the worker itself polls the run before it
        defers. A deferral takes 20 s or more, which a run of a few seconds is spared this way; the
        worker slot is occupied meanwhile. Give short models a little more than they usually take (10 for most
        LLMs); leave it at 0 for long ones, and where thousands are mapped.
    :param poll_interval: seconds between polls; None is adaptive: every second at first, slower with the
        task's age, never slower than every 30 s.
    :param watch: how a deferred task is notified of the end: ``"poll"``; ``"websocket"``, by which Wiro
        reports it within a second, with polling as what catches the rest; or ``"auto"``, which is that for
        the first 1,000 tasks of a connection in a triggerer. Without a ``websocket_url`` of the connection's
        own it is used only if the connection leads to Wiro itself. A worker that waits polls.
    :param timeout: seconds from the submission to the end of the Wiro task. The deadline is absolute:
        retries and triggerer restarts don't extend it.
    :param cancel_on_kill: stop the Wiro task when the Airflow task is stopped, or fails with no retry left
        that would follow it.
    :param cancel_on_timeout: stop the Wiro task when ``timeout`` has passed.
    :param min_outputs: fail, so that a retry runs the model again, if a run succeeds with fewer outputs than
        this (from 1): a content filter can leave none of them. Each such run is billed. None takes any
        number.
    :param durable: keep a record of the run outside the worker, so that a retry picks it up instead of paying
        for another: in Airflow's task state store (3.3+), else in a file below ``state_path``.
    :param state_path: a path or object-storage URI for such files; default: ``[wiro] state_path``, and with
        LocalExecutor outside of Kubernetes a folder in ``AIRFLOW_HOME``. Absolute (``~`` is the home
        directory), and shared by all workers. Not needed on Airflow 3.3+.
    :param on_stale_state: what a retry does with an unfinished run of other parameters: ``"leave"`` it to
        end, or ``"stop"`` it.
    :param on_orphaned_intent: what a retry does if it isn't known whether an earlier try started a run:
        ``"fail"``, so that a person checks, or ``"resubmit"``, which may pay twice.
    :return: the run summary, see :func:`~airflow_provider_wiro.api.run_summary.run_summary`.
    :raises AirflowFailException: a retry can't help: credentials, balance, parameters, cancelled by hand, or
        a run whose answer was lost.
    :raises WiroError: a retry may help: the model failed, the timeout passed, Wiro can't be reached.
    """

    template_fields: Sequence[str] = (
        "model",
        "parameters",
        "files",
        "callback_url",
        "project_id",
        "wiro_conn_id",
        "aws_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"parameters": "json", "files": "json"}
    operator_extra_links = (WiroTaskLink(),)
    ui_color = "#e8e4ff"

    def __init__(
        self,
        *,
        model: str,
        parameters: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        callback_url: str | None = None,
        project_id: str | None = None,
        wiro_conn_id: str = "wiro_default",
        aws_conn_id: str | None = "aws_default",
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        defer_after: float = 0,
        poll_interval: float | None = None,
        watch: Watch = "auto",
        timeout: float = 3600,
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        min_outputs: int | None = None,
        durable: bool = True,
        state_path: str | None = None,
        on_stale_state: Literal["leave", "stop"] = "leave",
        on_orphaned_intent: Literal["fail", "resubmit"] = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if is_parsed(self):
            check_model(model)
            check_parameters(parameters)
            check_files(files)
            check_callback_url(callback_url)
            check_conn_id("wiro_conn_id", wiro_conn_id)
        check_flags(
            wait_for_completion=wait_for_completion,
            deferrable=deferrable,
            cancel_on_kill=cancel_on_kill,
            cancel_on_timeout=cancel_on_timeout,
            durable=durable,
        )
        self._names_parameters = parameters is not None
        self.model = model
        self.parameters = parameters
        self.files = files
        self.callback_url = callback_url
        self.project_id = project_id
        self.wiro_conn_id = wiro_conn_id
        self.aws_conn_id = aws_conn_id
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.defer_after = check_defer_after(defer_after)
        self.poll_interval = check_poll_interval(poll_interval)
        self.watch = check_watch(watch)
        self.timeout = check_timeout(timeout)
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self.min_outputs = check_min_outputs(min_outputs)
        self.durable = durable
        self.state_path = check_state_path(state_path)
        self.on_stale_state = one_of("on_stale_state", on_stale_state, ("leave", "stop"))
        self.on_orphaned_intent = one_of("on_orphaned_intent", on_orphaned_intent, ("fail", "resubmit"))
        self._narrators: dict[str, TaskLogger] = {}

    @cached_property
    def hook(self) -> WiroHook:
        """The hook for the operator's connection."""
        from airflow_provider_wiro.hooks.wiro import WiroHook

        hook = WiroHook(self.wiro_conn_id)
        hook.interrupted_by(self._stopper.check)
        return hook

    @cached_property
    def _clock(self) -> SteadyClock:
        """The clock by which this process waits; moments that are stored are the wall clock's."""
        from airflow_provider_wiro.hooks.flow_context import SteadyClock

        return SteadyClock()

    @property
    def _stopper(self) -> RunStopper:
        found: RunStopper | None = self.__dict__.get("_the_stopper")
        if found is None:
            # A signal can come in here and make one too. setdefault has both go on with the same.
            found = self.__dict__.setdefault(
                "_the_stopper",
                RunStopper(
                    self.log, cancel_on_kill=self.cancel_on_kill, cancel_on_timeout=self.cancel_on_timeout
                ),
            )
        return found

    @in_brief
    def execute(self, context: Context) -> RunSummary:
        """Begin the run, or pick up what an earlier try began, and wait for it or defer."""
        begin_without_url(self)
        with self._stopping_what_nobody_follows(context):
            return self._run_anew(context, is_beginning=True)

    @in_brief
    def execute_when_free(
        self,
        context: Context,
        event: Mapping[str, Any] | None = None,
        *,
        give_up_at: float | None = None,
        refusals: int = 0,
    ) -> RunSummary:
        """Go on after a pause: ask again for a slot, or look again for a lost run, as the record says."""
        with self._stopping_what_nobody_follows(context):
            # `airflow dags test` hands over the event alone.
            if give_up_at is None or is_stale_event(event, context):
                return self._run_anew(context)
            until = self._clock.from_wall(datetime.fromtimestamp(give_up_at, tz=UTC))
            return self._run(context, give_up_at=until, refusals=refusals)

    def _stopping_what_nobody_follows(self, context: Context) -> AbstractContextManager[None]:
        """Stop the Wiro task if an error leaves this block and no later try would follow the task."""
        noted = self._noted(context)

        def is_followed(error: BaseException) -> bool:
            if isinstance(error, WiroOvertakenError):
                return True  # by the try that has taken the record over
            return is_retried(error, context) and noted.has_record

        def recorded_task() -> tuple[str, WiroHook] | None:
            wiro_task_id = noted.wiro_task_id()
            return None if wiro_task_id is None else (wiro_task_id, self.hook)

        def is_overtaken() -> bool:
            record = noted.record()
            return record is not None and record.try_number > context["ti"].try_number

        self._stopper.leave_to_later_try(is_overtaken)
        return self._stopper.unless_followed(is_followed, recorded_task)

    def _noted(self, context: Context) -> NotedRun:
        from airflow_provider_wiro.run.notes import NotedRun

        return NotedRun(
            context,
            task_id=self.task_id,
            durable=self.durable,
            state_path=self.state_path,
            has_pushed_nothing=has_stored_nothing(self),
        )

    def _run(
        self, context: Context, *, give_up_at: datetime, refusals: int, is_beginning: bool = False
    ) -> RunSummary:
        """
        Begin the run and see it through.

        :param give_up_at: wait for a slot until then, by the steady clock.
        :param refusals: how many times Wiro had none.
        :param is_beginning: nothing of this try ran before.
        """
        from airflow_provider_wiro.hooks.flow_context import lost_run_patience_seconds, poll_patience_seconds
        from airflow_provider_wiro.run.notes import TASK_ID_KEY

        with airflow_failures(), self.hook:
            # What is wrong with them is reported before anything is paid for.
            self.check_native_tuples()
            poll_patience_seconds()
            lost_run_patience_seconds()
            shortest_deferral_seconds()
            # Also reads the connection before anything can be killed: on_kill must not ask Airflow for it.
            base_url = self.hook.connection.base_url
            run = self._durable_run(context, give_up_at, refusals, is_beginning=is_beginning)
            while True:
                asked_at = self._clock()
                try:
                    begun = run.begin()
                    break
                except WiroTaskTimeoutError as error:
                    # The time of an earlier try's task is over, and it could not be polled before.
                    task = self._stopper.after_timeout(error, self.hook)
                    return self._finish(context, task, is_resumed=True)
                except WiroConcurrencyLimitError as error:
                    refusals += 1
                    self._wait_for_slot(context, error, give_up_at, refusals)
            self._stopper.know(begun.wiro_task_id, self.hook)
            if not begun.is_resumed:
                # A clock that was set forward since would make its time shorter.
                begun = replace(begun, started_at=max(begun.started_at, self._clock.to_wall(asked_at)))
                self.log.info("Submitted %s to Wiro: task %s.", self.model, begun.wiro_task_id)
            context["ti"].xcom_push(key=TASK_ID_KEY, value=begun.wiro_task_id)
            push_task_url(self, context, base_url=base_url, model=self.model, wiro_task_id=begun.wiro_task_id)
            return self._see_through(context, begun)

    def _durable_run(
        self, context: Context, give_up_at: datetime, refusals: int, *, is_beginning: bool
    ) -> DurableRun:
        from airflow_provider_wiro.api import operations
        from airflow_provider_wiro.hooks.flow_context import poll_patience_seconds
        from airflow_provider_wiro.input_files.fenced_upload import fenced_files
        from airflow_provider_wiro.recovery.durable_run import (
            DEFERRED_LOOK_PAUSES,
            LOOK_PAUSES,
            DurableRun,
        )
        from airflow_provider_wiro.run.watched_record import WatchedRecordStore
        from airflow_provider_wiro.state_files.try_trace import open_trace

        ti = context["ti"]
        run = self._prepared_run(context, is_beginning=is_beginning)
        trace = open_trace(context, state_path=self.state_path, retries=self.retries or 0)

        def submit(before_send: Callable[[], None], while_sending: Callable[[], None]) -> StartedRun:
            def confirm() -> None:
                self._stopper.check()
                before_send()

            def go_on() -> None:
                self._stopper.check()
                while_sending()

            def send() -> StartedRun:
                return self.hook.converse(
                    lambda outside: operations.run_model(
                        outside,
                        self.model,
                        run.wanted.parameters,
                        fenced_files(run.files, go_on),
                        callback_url=self.callback_url,
                        project_id=run.wanted.project_id,
                        deadline=self._clock.to_wall(give_up_at),
                        waits_for_slot=False,
                        before_send=confirm,
                    )
                )

            return self._stopper.receive(send, self.hook)

        def defer(seconds: float, lost: Sending, notes: LostRunDigests) -> None:
            self._defer_pause(context, seconds, give_up_at, refusals, lost, notes)

        store = self._record_store(context)
        return DurableRun(
            self.hook,
            WatchedRecordStore(store, self._stopper, self.hook, run.wanted) if store else None,
            run.wanted,
            submit=submit,
            try_number=ti.try_number,
            stops_stale=self.on_stale_state == "stop",
            resubmits_orphans=self.on_orphaned_intent == "resubmit",
            log=self.log,
            now=lambda: datetime.now(UTC),
            timeout_seconds=self.timeout if self.cancel_on_timeout else None,
            patience_seconds=poll_patience_seconds(),
            began_at=self._clock.to_wall(give_up_at) - timedelta(seconds=self.timeout),
            seconds_left=lambda: (give_up_at - self._clock()).total_seconds(),
            pause=defer if self.deferrable else None,
            pauses=DEFERRED_LOOK_PAUSES if self.deferrable else LOOK_PAUSES,
            trace=trace if self.durable else None,
        )

    def _prepared_run(self, context: Context, *, is_beginning: bool = False) -> PreparedRun:
        from airflow_provider_wiro.hooks.flow_context import lost_run_patience_seconds
        from airflow_provider_wiro.recovery.record_store import current_try
        from airflow_provider_wiro.run.prepared_run import prepare_run

        if self._names_parameters and self.parameters is None:
            raise WiroUsageError(
                "Expected `parameters` as a dict, found None: the task or template that they come from gave "
                "nothing. Nothing was sent."
            )
        run = prepare_run(
            self.model,
            self.parameters,
            self.files,
            project_id=self.project_id or self.hook.connection.project_id,
            lifetime=context["ti"].max_tries,
            patience_seconds=lost_run_patience_seconds(),
            min_outputs=self.min_outputs,
            task_try=current_try(context, retries=self.retries, is_beginning=is_beginning),
            aws_conn_id=self.aws_conn_id,
        )
        if is_beginning:
            for warning in likely_templates(run.wanted.parameters):
                self.log.warning("%s", warning)
        return run

    def _record_store(self, context: Context) -> RecordStore | None:
        from airflow_provider_wiro.recovery.record_store import open_record_store

        store = open_record_store(context, state_path=self.state_path) if self.durable else None
        if self.durable and store is None:
            self.log.warning(
                "This Airflow has no task state store (3.3+) and no [wiro] state_path is set, so nothing "
                "remembers this run if its worker dies: a retry would pay for another."
            )
        return store

    def _mark_spent(self, context: Context, wiro_task_id: str) -> None:
        from airflow_provider_wiro.recovery.durable_run import mark_spent
        from airflow_provider_wiro.recovery.record_store import open_record_store

        if self.durable:
            mark_spent(
                open_record_store(context, state_path=self.state_path),
                wiro_task_id,
                self.log,
                try_number=context["ti"].try_number,
            )

    def _stop_strays(self, context: Context, wiro_task_id: str) -> None:
        from airflow_provider_wiro.recovery.finished_run import stop_strays
        from airflow_provider_wiro.recovery.record_store import open_record_store

        if self.durable:
            store = open_record_store(context, state_path=self.state_path)
            stop_strays(self.hook, store, wiro_task_id, lambda: self._prepared_run(context).wanted, self.log)

    def _wait_for_slot(
        self, context: Context, error: WiroConcurrencyLimitError, give_up_at: datetime, refusals: int
    ) -> None:
        """
        Wait for a slot of the account's concurrency limit: here, or deferred, without using an Airflow retry.
        """
        pause = slot_pause_seconds(refusals, random.random())
        if self.deferrable:
            pause = max(pause, shortest_deferral_seconds())
        if self._clock() + timedelta(seconds=pause) > give_up_at:
            raise error
        self.log.info("%s Asking again in %.0f s.", error, pause)
        if not self.deferrable:
            self.hook.pause(pause)
            return
        self._defer_pause(context, pause, give_up_at, refusals)

    def _defer_pause(
        self,
        context: Context,
        seconds: float,
        give_up_at: datetime,
        refusals: int,
        lost: Sending | None = None,
        notes: LostRunDigests | None = None,
    ) -> None:
        """
        Wait without a worker; the same try goes on with :meth:`execute_when_free`.

        :param lost: the Run whose answer was lost, if the wait is for it.
        :param notes: by which its task is found.
        """
        from airflow_provider_wiro.triggers.wiro import WiroPauseTrigger

        free_at = datetime.now(UTC) + timedelta(seconds=seconds)
        self._stopper.check()
        stops = lost is not None and self.cancel_on_kill
        self.defer(
            trigger=WiroPauseTrigger(
                until=free_at.timestamp(),
                try_number=context["ti"].try_number,
                lost_model=self.model if stops else None,
                lost_at=lost.intended_at if lost is not None and stops else None,
                lost_run=notes.to_json() if notes is not None and stops else None,
                wiro_conn_id=self.wiro_conn_id if stops else None,
            ),
            method_name="execute_when_free",
            kwargs={"give_up_at": self._clock.to_wall(give_up_at).timestamp(), "refusals": refusals},
            timeout=longest_deferral(free_at),
        )

    def _see_through(self, context: Context, begun: ActiveRun) -> RunSummary:
        """Wait for a run that has begun, or defer, and return its run summary."""
        from airflow_provider_wiro.api.run_summary import accepted_summary, run_summary

        wiro_task_id, task = begun.wiro_task_id, begun.task
        if not self.wait_for_completion:
            self._stop_strays(context, wiro_task_id)
            self._mark_spent(context, wiro_task_id)
            return run_summary(task, model=self.model) if task else accepted_summary(wiro_task_id, self.model)
        deadline = self._deadline(begun)
        if self.deferrable:
            try:
                task = self._look_before_deferring(begun, deadline)
            except WiroTaskTimeoutError as error:
                task = self._stopper.after_timeout(error, self.hook)
            if task is None or not task.is_terminal:
                self._stopper.check()
                defer_until_ended(
                    self,
                    context,
                    wiro_task_id=wiro_task_id,
                    wiro_conn_id=self.wiro_conn_id,
                    started_at=begun.accepted_at,
                    deadline=deadline,
                    poll_interval=self.poll_interval,
                    watch=self.watch,
                    cancel_on_kill=self.cancel_on_kill,
                    is_recorded=self._noted(context).has_record,
                    is_resumed=begun.is_resumed,
                    follow_until=deadline.timestamp(),
                )
        elif task is None or not task.is_terminal:
            task = self._follow(wiro_task_id, begun.accepted_at, deadline)
        return self._finish(context, task, is_resumed=begun.is_resumed)

    def _follow(self, wiro_task_id: str, started_at: datetime, deadline: datetime) -> Task:
        """Wait for a task here, and return it when it has ended; stop it at its deadline."""
        try:
            return self.hook.wait_for_task(
                wiro_task_id,
                deadline=deadline,
                poll_interval=self.poll_interval,
                started_at=started_at,
                observe=self._observe,
            )
        except WiroTaskTimeoutError as error:
            return self._stopper.after_timeout(error, self.hook)

    def _follow_instead(self, task: Task, reason: str, follow_until: float | None) -> Task:
        """
        Follow a task that the triggerer can't follow: here to its end, so that none is asked in vain again.

        :param follow_until: the deadline, as Unix time. None: reckoned from when Wiro created the task.
        """
        if task.is_terminal:
            return task
        self.log.warning(
            "The triggerer can't follow Wiro task %s, so it is followed here. %s", task.id, reason
        )
        started_at = task.created_at or datetime.now(UTC)
        deadline = started_at + timedelta(seconds=self.timeout)
        if follow_until is not None:
            deadline = datetime.fromtimestamp(follow_until, tz=UTC)
        return self._follow(task.id, started_at, deadline)

    def _deadline(self, begun: ActiveRun) -> datetime:
        """
        Return when the run has to be over: counted from its submission, also by the tries after the first.
        """
        now = datetime.now(UTC)
        # A clock that was set back since would make its time longer.
        deadline = min(begun.started_at, now) + timedelta(seconds=self.timeout)
        if begun.is_resumed and not self.cancel_on_timeout and deadline < now:
            # It was left running on purpose, to be waited for again.
            return now + timedelta(seconds=self.timeout)
        return deadline

    def _look_before_deferring(self, begun: ActiveRun, deadline: datetime) -> Task | None:
        """
        Poll once before deferring, or for ``defer_after`` seconds.

        None if Wiro can't tell at the moment, which is the trigger's to ride out.
        """
        task = begun.task
        has_ended = task is not None and task.is_terminal
        if not has_ended and waits_before_deferring(self.defer_after, deadline):
            return wait_before_deferring(
                self.hook,
                begun.wiro_task_id,
                task,
                defer_after=self.defer_after,
                deadline=deadline,
                started_at=begun.accepted_at,
                poll_interval=self.poll_interval,
                observe=self._observe,
                log=self.log,
            )
        return task or self._look(begun.wiro_task_id)

    def _look(self, wiro_task_id: str) -> Task | None:
        """
        Poll once before deferring; None if Wiro can't tell at the moment, which is the trigger's to ride out.
        """
        try:
            return self.hook.get_task(wiro_task_id)
        except WiroError as error:
            self.log.warning("Deferring without a look at Wiro task %s: %s", wiro_task_id, error)
            return None

    @in_brief
    def execute_complete(
        self,
        context: Context,
        event: Mapping[str, Any] | None = None,
        *,
        is_resumed: bool = False,
        follow_until: float | None = None,
    ) -> RunSummary:
        """
        Go on after the trigger's event: read the task itself, and return its run summary.

        :param is_resumed: an earlier try started it.
        :param follow_until: its deadline, as Unix time.
        """
        with self._stopping_what_nobody_follows(context):
            if is_stale_event(event, context):
                return self._run_anew(context)
            with airflow_failures(), self.hook:
                outcome = TriggerOutcome.from_event(event)
                self.hook.get_conn()  # what on_kill needs: the connection, and the HTTP library loaded
                self._stopper.know(outcome.wiro_task_id, self.hook)
                try:
                    task = outcome.look(self.hook)
                except WiroTaskTimeoutError as error:
                    task = self._stopper.after_timeout(error, self.hook)
                task = self._follow_instead(task, outcome.message, follow_until)
                return self._finish(context, task, is_resumed=is_resumed)

    @in_brief
    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> RunSummary:
        """
        Go on after a deferral, also after one that Airflow ended itself.

        That leaves no event, and would leave the Wiro task running with nobody to follow it: no triggerer
        ran until after the deadline, or the one that did can't run this provider's triggers.
        """
        failed = FailedDeferral.found_in(next_method, next_kwargs)
        if failed is None:
            result: RunSummary = super().resume_execution(next_method, next_kwargs, context)
            return result
        with self._stopping_what_nobody_follows(context):
            with airflow_failures():
                wiro_task_id, record = self._noted(context).wiro_task_id(), self._noted(context).record()
            # Airflow 3.0 resumes a retry where the try before it was resumed.
            is_of_this_try = record is None or record.try_number == context["ti"].try_number
            if wiro_task_id is None or not is_of_this_try:
                self.log.warning("The triggerer can't wait, so this worker does. %s", failed.reason)
                self.deferrable = False
                return self._run_anew(context)
            with airflow_failures(), self.hook:
                self.hook.get_conn()
                self._stopper.know(wiro_task_id, self.hook)
                if failed.is_timeout:
                    late = f"No triggerer followed Wiro task {wiro_task_id} until its deadline."
                    task = self._stopper.after_timeout(
                        WiroTaskTimeoutError(late, wiro_task_id=wiro_task_id), self.hook
                    )
                else:
                    task = self._follow_instead(self.hook.look_at_task(wiro_task_id), failed.reason, None)
                return self._finish(context, task, is_resumed=False)

    def _finish(self, context: Context, task: Task, *, is_resumed: bool) -> RunSummary:
        """Return the run summary of a task that has succeeded; raise for any other end."""
        from airflow_provider_wiro.api.run_summary import check_success, run_summary

        self._stopper.see(task)
        if task.is_cancelled:
            self._stopper.check()  # by our own stop: nobody's will but Airflow's, which decides about a retry
        if task.is_cancelled and is_resumed:
            # After a Clear, the task that an earlier try began can be stopped by that try while this one
            # follows it.
            self.log.info("Wiro task %s of an earlier try was cancelled, so it is begun anew.", task.id)
            return self._run_anew(context)
        self._stop_strays(context, task.id)
        check_success(task, min_outputs=self.min_outputs)
        task = self._with_links(task)
        self._mark_spent(context, task.id)
        self._narrator(task.id).ended(task)
        return run_summary(task, model=self.model)

    def _with_links(self, task: Task) -> Task:
        """Return a task with the links of its files, waited for here: a task after this one needs them."""
        from airflow_provider_wiro.downloads.late_links import (
            await_links,
            awaits_links,
            missing_links_warning,
        )

        if not awaits_links(task):
            return task
        task = self.hook.converse(lambda outside: await_links(task, outside))
        if awaits_links(task):
            self.log.warning("%s", missing_links_warning(task))
        return task

    def _observe(self, task: Task) -> None:
        self._stopper.see(task)
        self._narrator(task.id).observe(task)

    def _run_anew(self, context: Context, *, is_beginning: bool = False) -> RunSummary:
        give_up_at = self._clock() + timedelta(seconds=self.timeout)
        return self._run(context, give_up_at=give_up_at, refusals=0, is_beginning=is_beginning)

    def _narrator(self, wiro_task_id: str) -> TaskLogger:
        from airflow_provider_wiro.watching.task_log import TaskLogger

        if wiro_task_id not in self._narrators:
            self._narrators[wiro_task_id] = TaskLogger(wiro_task_id, self.log.info, self.log.warning)
        return self._narrators[wiro_task_id]

    def on_kill(self) -> None:
        """Stop the Wiro task. Airflow calls this in a signal handler, and execution goes on afterwards."""
        self._stopper.kill()


def __getattr__(name: str) -> Any:
    """Import what has a module of its own only when it is asked for."""
    if name == "WiroBatchRunOperator":
        from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator

        return WiroBatchRunOperator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

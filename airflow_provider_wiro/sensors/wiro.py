"""WiroTaskSensor waits for a Wiro task that something else started."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from inspect import unwrap
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_wiro.api.decoding.fields import moment
from airflow_provider_wiro.api.polling import Polling, check_defer_after, check_poll_interval, check_watch
from airflow_provider_wiro.dag_arguments.literals import check_conn_id, check_flags, check_wiro_task_id
from airflow_provider_wiro.exceptions import WiroTaskTimeoutError
from airflow_provider_wiro.failures import airflow_failures, in_brief, require_success
from airflow_provider_wiro.links.wiro import WiroTaskLink, begin_without_url, push_task_url
from airflow_provider_wiro.redaction.loggers import PlainLogs
from airflow_provider_wiro.triggers.deferral import (
    TriggerOutcome,
    defer_until_ended,
    is_stale_event,
    polls_until,
)
from airflow_provider_wiro.version_compat import first_poke_at, is_parsed

# Modules that take long to import are imported where they are used: DAG files are parsed all day long and
# need none of them.
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.polling import Watch
    from airflow_provider_wiro.api.run_summary import RunSummary
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.watching.task_log import TaskLogger


class WiroTaskSensor(PlainLogs, BaseSensorOperator):
    """
    Wait until a Wiro task has ended, and return its run summary.

    The sensor never stops the task: it belongs to whatever started it.

    It runs the base class's ``execute`` in all three ways of waiting, so that ``timeout``, ``soft_fail``,
    ``silent_fail`` and ``never_fail`` mean what they mean for Airflow's own sensors. ``soft_fail`` skips when
    the ``timeout`` has passed or a retry can't help; errors that may pass (Wiro can't be reached) are raised,
    and Airflow retries. ``never_fail`` skips what a poke raises; the ``timeout`` is raised.

    :param wiro_task_id: the task's id, or a run summary. An id that Wiro doesn't know is polled again for
        30 s, since a task that was started a moment ago may not be there yet. (templated)
    :param wiro_conn_id: the Airflow connection, of type ``wiro``. (templated)
    :param deferrable: wait in the triggerer, without a worker slot; ``mode`` doesn't matter then.
    :param defer_after: with ``deferrable``, seconds for which the worker polls before it defers, see
        :class:`~airflow_provider_wiro.operators.wiro.WiroRunOperator`. Default: 0.
    :param poll_interval: seconds between polls; None (default) is adaptive: every second at first, slower
        with the wait's age, never slower than every 30 s. In ``mode="reschedule"``, and with
        ``exponential_backoff``, the usual ``poke_interval`` counts instead.
    :param watch: how a deferred task is notified that the Wiro task has ended: ``"poll"``; ``"websocket"``,
        where Wiro reports it within a second and polling is the safety net; or ``"auto"`` (default), which is
        that for the first 1,000 tasks of a connection in a triggerer. If the connection has no
        ``websocket_url``, the WebSocket is used only where the connection leads to Wiro itself. A worker that
        waits polls.
    :return: the run summary, see :func:`~airflow_provider_wiro.api.run_summary.run_summary`.
    :raises AirflowSensorTimeout: the sensor's own ``timeout`` (seconds, Airflow's default is a week) has
        passed.
    :raises AirflowFailException: a retry can't help: the task failed, was cancelled, is unknown, or the key
        is refused.
    :raises WiroError: a retry may help: Wiro could not be reached for longer than ``[wiro] poll_patience``.
    """

    template_fields: Sequence[str] = ("wiro_task_id", "wiro_conn_id")
    operator_extra_links = (WiroTaskLink(),)
    ui_color = "#e8e4ff"

    #: The wait's start and deadline, and the trigger's event until it is read.
    _polling: Polling | None = None
    _outcome: TriggerOutcome | None = None
    #: Until when a deferrable sensor pokes here, in the worker.
    _defers_at: datetime | None = None
    _link_is_stored = False

    def __init__(
        self,
        *,
        wiro_task_id: Any,
        wiro_conn_id: str = "wiro_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        defer_after: float = 0,
        poll_interval: float | None = None,
        watch: Watch = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if is_parsed(self):
            check_wiro_task_id(wiro_task_id)
            check_conn_id(wiro_conn_id)
        check_flags(deferrable=deferrable)
        self.wiro_task_id = wiro_task_id
        self.wiro_conn_id = wiro_conn_id
        self.deferrable = deferrable
        self.defer_after = check_defer_after(defer_after)
        self.poll_interval = check_poll_interval(poll_interval)
        self.watch = check_watch(watch)

    @property
    def reschedule(self) -> bool:
        """Whether each poke that finds the task unfinished ends the process; a deferrable sensor defers."""
        # The base class asks before __init__ has set it.
        return bool(super().reschedule) and not getattr(self, "deferrable", False)

    @cached_property
    def hook(self) -> WiroHook:
        """The hook for the sensor's connection."""
        from airflow_provider_wiro.hooks.wiro import WiroHook

        return WiroHook(self.wiro_conn_id)

    @in_brief
    def execute(self, context: Context) -> Any:
        """Poke in a loop, once for each reschedule, or once and then defer."""
        begin_without_url(self)
        if isinstance(self.wiro_task_id, dict) and self.wiro_task_id.get("reused"):
            return self.wiro_task_id  # of a run that was not sent: there is nothing to wait for
        return self._poke_until_ended(context)

    @in_brief
    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral."""
        with self._own_timeout():
            return super().resume_execution(next_method, next_kwargs, context)

    @contextmanager
    def _own_timeout(self) -> Iterator[None]:
        """
        Make the sensor's own timeout end it the same way in each way of waiting.

        With ``never_fail`` Airflow's base class skips what a poke or a deferral raises, but raises its own
        timeout. Here a poke at the deadline and a deferral raise the timeout, too, and it has to be raised.
        """
        try:
            yield
        except AirflowSkipException as skipped:
            if self.never_fail and isinstance(skipped.__cause__, AirflowSensorTimeout):
                raise skipped.__cause__ from skipped.__cause__.__cause__
            raise

    @in_brief
    def execute_complete(
        self,
        context: Context,
        event: Mapping[str, Any] | None = None,
        *,
        waits_since: float | None = None,
        waits_until: float | None = None,
    ) -> Any:
        """
        Poke again after the trigger's event, and return the run summary.

        :param waits_since: when the wait started, as a Unix time. None: now, as deferrals of earlier versions
            don't say.
        :param waits_until: when it has to end, as a Unix time. None: ``timeout`` from now.
        """
        if is_stale_event(event, context):
            return self._poke_until_ended(context)
        with airflow_failures():
            self._outcome = TriggerOutcome.from_event(event)
        return self._poke_until_ended(context, moment(waits_since), moment(waits_until))

    def _poke_until_ended(
        self, context: Context, started_at: datetime | None = None, deadline: datetime | None = None
    ) -> Any:
        """Let the base class poke: its ``execute`` repeats it, and handles what a poke raises."""
        # After a deferral it defers again at once.
        defer_after = self.defer_after if started_at is None else 0.0
        if started_at is None and self.reschedule:
            started_at = first_poke_at(self, context)
        started_at = started_at or datetime.now(UTC)
        deadline = deadline or started_at + timedelta(seconds=self.timeout)
        self._polling = Polling(started_at, deadline, self.poll_interval)
        self._defers_at = polls_until(defer_after, deadline)
        with self.hook, self._own_timeout():
            # Without Airflow's guard against an ``execute`` that the task runner doesn't call: it would warn,
            # or raise with allow_nested_operators=False, since after a deferral the runner calls another
            # method.
            return unwrap(BaseSensorOperator.execute)(self, context)

    def poke(self, context: Context) -> PokeReturnValue:
        """
        Poll the Wiro task.

        :return: its run summary, once it has succeeded.
        :raises TaskDeferred: it has not ended, and the sensor is deferrable.
        """
        polling = self._polling or Polling(datetime.now(UTC))
        if not self.reschedule and not self.exponential_backoff:
            self.poke_interval = self._pause_seconds(polling, datetime.now(UTC))
        try:
            with airflow_failures():
                task = self._poll(self._shown_task_id(context), polling)
                if task.is_terminal:
                    return PokeReturnValue(is_done=True, xcom_value=self._finish(task))
                if self.deferrable and (self._defers_at is None or datetime.now(UTC) >= self._defers_at):
                    self._defer(context, polling)
                return PokeReturnValue(is_done=False)
        except WiroTaskTimeoutError as error:
            raise AirflowSensorTimeout(str(error)) from error

    def _pause_seconds(self, polling: Polling, now: datetime) -> float:
        """
        Return how long the base class sleeps before it pokes again.

        Not beyond the deadline, for a last poke there. Past it the base class ends the wait, or the clock was
        set forward, and then a pause of 0 s would make it poke without end.
        """
        pause = replace(polling, deadline=None).pause_seconds(now, random.random())
        left = polling.seconds_left(now)
        return min(pause, left) if left else pause

    def _poll(self, wiro_task_id: str, polling: Polling) -> Task:
        """
        Return the task as Wiro shows it now.

        :raises WiroTaskTimeoutError: the deadline has passed, as the trigger reports or in an outage.
        :raises WiroError: Wiro could not be polled, or the trigger has lost sight of the task.
        """
        # The event is read once: where silent_fail makes the base class poke again, that polls Wiro.
        outcome, self._outcome = self._outcome, None
        if outcome is not None:
            return outcome.read_task(self.hook)
        # For half a minute a task that was started a moment ago may be unknown. That is waited for right here
        # in each way of waiting: with a process for each poke, none would know when it has passed.
        task = self.hook.look_at_task(wiro_task_id, deadline=polling.deadline)
        if not task.is_terminal:
            self._task_log.on_task(task)
        return task

    def _defer(self, context: Context, polling: Polling) -> None:
        deadline = polling.deadline or polling.started_at + timedelta(seconds=self.timeout)
        wiro_task_id = self._shown_task_id(context)
        if datetime.now(UTC) >= deadline:
            raise WiroTaskTimeoutError(
                f"Wiro task {wiro_task_id} did not end before the sensor's timeout of {self.timeout:g} s.",
                wiro_task_id=wiro_task_id,
            )
        defer_until_ended(
            self,
            context,
            wiro_task_id=wiro_task_id,
            wiro_conn_id=self.wiro_conn_id,
            started_at=polling.started_at,
            deadline=deadline,
            poll_interval=self.poll_interval,
            watch=self.watch,
            cancel_on_kill=False,
            waits_since=polling.started_at.timestamp(),
            waits_until=deadline.timestamp(),
        )

    def _shown_task_id(self, context: Context) -> str:
        """Return the id of the task to wait for; the first call stores its link."""
        from airflow_provider_wiro.api.run_summary import task_id_of

        wiro_task_id = task_id_of(self.wiro_task_id)
        if not self._link_is_stored:
            base_url = self.hook.connection.base_url
            push_task_url(self, context, base_url=base_url, model=None, wiro_task_id=wiro_task_id)
            self._link_is_stored = True
        return wiro_task_id

    @cached_property
    def _task_log(self) -> TaskLogger:
        from airflow_provider_wiro.api.run_summary import task_id_of
        from airflow_provider_wiro.watching.task_log import TaskLogger

        return TaskLogger(task_id_of(self.wiro_task_id), self.log.info, self.log.warning)

    def _finish(self, task: Task) -> RunSummary:
        from airflow_provider_wiro.api.run_summary import label_of, model_of, run_summary
        from airflow_provider_wiro.reuse.summary import CardPlace, with_card_place

        require_success(task)
        self._task_log.on_success(task)
        summary = run_summary(task, model=model_of(self.wiro_task_id), label=label_of(self.wiro_task_id))
        return with_card_place(summary, CardPlace.in_summary(self.wiro_task_id))

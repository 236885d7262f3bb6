"""WiroTaskSensor: wait for a Wiro task that something else started."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_wiro.api.polling import check_poll_interval, check_watch
from airflow_provider_wiro.exceptions import WiroError, WiroTaskTimeoutError
from airflow_provider_wiro.failures import airflow_failures, require_success
from airflow_provider_wiro.links.wiro import WiroTaskLink, push_task_url
from airflow_provider_wiro.triggers.deferral import TriggerOutcome, defer_until_ended, is_stale_event

# What takes long to import is imported where it is used: DAG files are parsed all day long and need none of
# it.
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.narration import Narrator
    from airflow_provider_wiro.api.outcomes import RunSummary
    from airflow_provider_wiro.api.polling import Watch
    from airflow_provider_wiro.hooks.wiro import WiroHook


class WiroTaskSensor(BaseSensorOperator):
    """
    Wait until a Wiro task has ended, and return its run summary.

    The task is somebody else's: it is never stopped from here.

    :param wiro_task_id: the task's id, or a run summary. (templated)
    :param wiro_conn_id: the Airflow connection, of type ``wiro``. (templated)
    :param deferrable: wait in the triggerer, without a worker slot.
    :param poll_interval: seconds between polls; None is adaptive: every second at first, slower with the
        wait's age, never slower than every 30 s. In ``mode="reschedule"`` the usual ``poke_interval`` counts
        instead.
    :param watch: how a deferred task learns of the end: ``"poll"``; ``"websocket"``, where Wiro tells it
        within a second and polling is the safety net; or ``"auto"``, which is that for the first 1,000 tasks
        of a connection in a triggerer. Without a ``websocket_url`` of the connection's own it is used only
        where the connection leads to Wiro itself. A worker that waits polls.
    :return: the run summary, see :func:`~airflow_provider_wiro.api.outcomes.run_summary`.
    :raises AirflowSensorTimeout: the sensor's own ``timeout`` (seconds, Airflow's default is a week) has
        passed.
    :raises AirflowFailException: a retry can't help: the task was cancelled, is unknown, or the key is
        refused.
    :raises WiroError: a retry may help. As for every sensor, ``soft_fail=True`` or ``never_fail=True``
        skips instead of failing.
    """

    template_fields: Sequence[str] = ("wiro_task_id", "wiro_conn_id")
    operator_extra_links = (WiroTaskLink(),)
    ui_color = "#e8e4ff"

    def __init__(
        self,
        *,
        wiro_task_id: Any,
        wiro_conn_id: str = "wiro_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | None = None,
        watch: Watch = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wiro_task_id = wiro_task_id
        self.wiro_conn_id = wiro_conn_id
        self.deferrable = deferrable
        self.poll_interval = check_poll_interval(poll_interval)
        self.watch = check_watch(watch)

    def execute(self, context: Context) -> Any:
        """Wait here, by rescheduling, or in the triggerer."""
        if self.reschedule and not self.deferrable:
            return super().execute(context)
        return self._wait(context)

    def _wait(self, context: Context) -> RunSummary:
        with self._failures(), self._hook() as hook:
            wiro_task_id = self._begin(context, hook)
            started_at = datetime.now(UTC)
            deadline = started_at + timedelta(seconds=self.timeout)
            if self.deferrable:
                task = hook.get_task(wiro_task_id)
                if not task.is_terminal:
                    defer_until_ended(
                        self,
                        context,
                        wiro_task_id=wiro_task_id,
                        wiro_conn_id=self.wiro_conn_id,
                        started_at=started_at,
                        deadline=deadline,
                        poll_interval=self.poll_interval,
                        watch=self.watch,
                        cancel_on_kill=False,
                    )
                return self._finish(task)
            return self._finish(
                hook.wait_for_task(
                    wiro_task_id,
                    deadline=deadline,
                    poll_interval=self.poll_interval,
                    started_at=started_at,
                    observe=self._narrator(wiro_task_id).observe,
                )
            )

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once; Airflow calls this in ``mode="reschedule"``."""
        with self._failures(), self._hook() as hook:
            task = hook.get_task(self._begin(context, hook))
            if not task.is_terminal:
                self.log.info("Wiro task %s: %s", task.id, task.status[:100])
                return PokeReturnValue(is_done=False)
            return PokeReturnValue(is_done=True, xcom_value=self._finish(task))

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> RunSummary:
        """Go on after the trigger's event: read the task itself, and return its run summary."""
        if is_stale_event(event, context):
            return self._wait(context)
        with self._failures(), self._hook() as hook:
            outcome = TriggerOutcome.from_event(event)
            return self._finish(outcome.read_task(hook))

    def _hook(self) -> WiroHook:
        from airflow_provider_wiro.hooks.wiro import WiroHook

        return WiroHook(self.wiro_conn_id)

    def _begin(self, context: Context, hook: WiroHook) -> str:
        """Return the id of the task to wait for, and show its link."""
        from airflow_provider_wiro.api.outcomes import task_id_of

        wiro_task_id = task_id_of(self.wiro_task_id)
        push_task_url(context, base_url=hook.connection.base_url, model=None, wiro_task_id=wiro_task_id)
        return wiro_task_id

    def _narrator(self, wiro_task_id: str) -> Narrator:
        from airflow_provider_wiro.api.narration import Narrator

        return Narrator(wiro_task_id, self.log.info, self.log.warning)

    def _finish(self, task: Task) -> RunSummary:
        from airflow_provider_wiro.api.outcomes import run_summary

        require_success(task)
        self._narrator(task.id).ended(task)
        return run_summary(task)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Let failures leave as a sensor's: its own timeout, and skipped where the user asked for that."""
        try:
            with airflow_failures():
                yield
        except (WiroError, AirflowFailException) as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            if isinstance(error, WiroTaskTimeoutError):
                raise AirflowSensorTimeout(str(error)) from error
            raise

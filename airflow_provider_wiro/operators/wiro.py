"""WiroRunOperator: run a Wiro model as an Airflow task."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.common.compat.sdk import AirflowException, BaseOperator, conf

from airflow_provider_wiro.api.narration import Narrator
from airflow_provider_wiro.api.outcomes import RunSummary, check_success, run_summary, started_summary
from airflow_provider_wiro.api.polling import check_poll_interval
from airflow_provider_wiro.exceptions import WiroError, WiroTaskTimeoutError, WiroUsageError
from airflow_provider_wiro.failures import airflow_failures
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.links.wiro import WiroTaskLink, push_task_url
from airflow_provider_wiro.triggers.deferral import TriggerOutcome, defer_until_ended

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.api.models import Task

#: The XCom that holds the Wiro task's id from the submission on.
TASK_ID_KEY = "wiro_task_id"
#: Airflow kills a worker's process 5 s after telling it to stop; a stop is up to three requests.
_KILL_TIMEOUT_SECONDS = 1.5
_KILL_PATIENCE_SECONDS = 4.0


class WiroRunOperator(BaseOperator):
    """
    Run a Wiro model, wait for its end, and return the run summary.

    A successful run is billed. When the Airflow task is killed, times out, or is marked while deferred, the
    Wiro task is stopped as well.

    :param model: ``owner/model``, such as ``retroAIx/Retro-Cartoons``. (templated)
    :param parameters: the model's parameters; None values are left out. (templated)
    :param files: file parameter → local path, object-storage URI (``s3://aws_default@bucket/key``), http(s)
        URL, or a list of these. (templated)
    :param callback_url: Wiro POSTs the finished task there. (templated)
    :param project_id: the Wiro project to bill; default: the connection's. (templated)
    :param wiro_conn_id: the Airflow connection, of type ``wiro``. (templated)
    :param wait_for_completion: False returns as soon as Wiro has accepted the run; a
        :class:`~airflow_provider_wiro.sensors.wiro.WiroTaskSensor` can wait for it later.
    :param deferrable: wait in the triggerer, without a worker slot.
    :param poll_interval: seconds between polls; None is adaptive: every second at first, slower with the
        task's age, never slower than every 30 s.
    :param timeout: seconds from the submission to the end of the Wiro task, also across restarts.
    :param cancel_on_kill: stop the Wiro task when the Airflow task is stopped.
    :param cancel_on_timeout: stop the Wiro task when ``timeout`` has passed.
    :return: the run summary, see :func:`~airflow_provider_wiro.api.outcomes.run_summary`.
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
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | None = None,
        timeout: float = 3600,
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.parameters = parameters
        self.files = files
        self.callback_url = callback_url
        self.project_id = project_id
        self.wiro_conn_id = wiro_conn_id
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = check_poll_interval(poll_interval)
        self.timeout = _check_timeout(timeout)
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self._wiro_task_id: str | None = None
        self._last_seen: Task | None = None
        self._teller: Narrator | None = None
        self._is_killed = False

    @cached_property
    def hook(self) -> WiroHook:
        """The hook for the operator's connection."""
        hook = WiroHook(self.wiro_conn_id)
        hook.interrupted_by(self._check_killed)
        return hook

    def execute(self, context: Context) -> RunSummary:
        """Submit the run, and wait for it or defer."""
        with airflow_failures(), self.hook:
            # Reads the connection before anything can be killed: on_kill must not ask Airflow for it.
            _ = self.hook.connection
            started_at = datetime.now(UTC)
            started = self.hook.run_model(
                self.model,
                self.parameters,
                self.files,
                callback_url=self.callback_url,
                project_id=self.project_id,
            )
            self._wiro_task_id = started.wiro_task_id
            if self._is_killed:  # while the answer was on its way, so on_kill had no id yet
                self.on_kill()
            self._check_killed()
            self.log.info("Submitted %s to Wiro: task %s.", self.model, started.wiro_task_id)
            context["ti"].xcom_push(key=TASK_ID_KEY, value=started.wiro_task_id)
            push_task_url(
                context,
                base_url=self.hook.connection.base_url,
                model=self.model,
                wiro_task_id=started.wiro_task_id,
            )
            if not self.wait_for_completion:
                return started_summary(started, model=self.model)
            return self._wait(context, started.wiro_task_id, started_at)

    def _wait(self, context: Context, wiro_task_id: str, started_at: datetime) -> RunSummary:
        deadline = started_at + timedelta(seconds=self.timeout)
        if self.deferrable:
            task = self._look(wiro_task_id)
            if task is None or not task.is_terminal:
                self._check_killed()
                defer_until_ended(
                    self,
                    context,
                    wiro_task_id=wiro_task_id,
                    wiro_conn_id=self.wiro_conn_id,
                    started_at=started_at,
                    deadline=deadline,
                    poll_interval=self.poll_interval,
                    cancel_on_kill=self.cancel_on_kill,
                )
            return self._finish(task)
        try:
            task = self.hook.wait_for_task(
                wiro_task_id,
                deadline=deadline,
                poll_interval=self.poll_interval,
                started_at=started_at,
                observe=self._observe,
            )
        except WiroTaskTimeoutError as error:
            self._stop_after_timeout(error)
        return self._finish(task)

    def _look(self, wiro_task_id: str) -> Task | None:
        """
        Poll once before deferring; None if Wiro can't tell at the moment, which is the trigger's to "
        "ride out.
        """
        try:
            return self.hook.get_task(wiro_task_id)
        except WiroError as error:
            self.log.warning("Deferring without a look at Wiro task %s: %s", wiro_task_id, error)
            return None

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> RunSummary:
        """Go on after the trigger's event: read the task itself, and return its run summary."""
        with airflow_failures(), self.hook:
            outcome = TriggerOutcome.from_event(event)
            if outcome.is_stale(context):
                return self.execute(context)
            _ = self.hook.connection
            self._wiro_task_id = outcome.wiro_task_id
            try:
                task = outcome.read_task(self.hook)
            except WiroTaskTimeoutError as error:
                self._stop_after_timeout(error)
            return self._finish(task)

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> RunSummary:
        """
        Go on after a deferral, also after one that Airflow ended itself.

        When no triggerer ran until after the deadline, Airflow gives up on the deferral without any event,
        and would leave the Wiro task running.
        """
        is_overdue = (
            next_method == "__fail__" and "timeout" in str((next_kwargs or {}).get("error", "")).lower()
        )
        wiro_task_id = context["ti"].xcom_pull(key=TASK_ID_KEY, task_ids=self.task_id) if is_overdue else None
        if wiro_task_id is None:
            result: RunSummary = super().resume_execution(next_method, next_kwargs, context)
            return result
        error = WiroTaskTimeoutError(
            f"No triggerer followed Wiro task {wiro_task_id} until its deadline.", wiro_task_id=wiro_task_id
        )
        with airflow_failures(), self.hook:
            _ = self.hook.connection
            return self._stop_after_timeout(error)

    def _finish(self, task: Task) -> RunSummary:
        """Return the run summary of a task that has succeeded; raise for any other end."""
        check_success(task)
        self._narrator(task.id).ended(task)
        return run_summary(task, model=self.model)

    def _observe(self, task: Task) -> None:
        self._last_seen = task
        self._narrator(task.id).observe(task)

    def _narrator(self, wiro_task_id: str) -> Narrator:
        if self._teller is None:
            self._teller = Narrator(wiro_task_id, self.log.info, self.log.warning)
        return self._teller

    def _stop_after_timeout(self, error: WiroTaskTimeoutError) -> NoReturn:
        """Raise the timeout, after stopping the task."""
        what = "It is left running (cancel_on_timeout=False)."
        if self.cancel_on_timeout:
            self.hook.stop_task(error.wiro_task_id)
            what = "It was stopped."
        raise WiroTaskTimeoutError(f"{error} {what}", wiro_task_id=error.wiro_task_id) from error

    def on_kill(self) -> None:
        """
        Stop the Wiro task. Airflow calls this in a signal handler, and execution goes on afterwards.

        Nothing here may ask Airflow for anything, nor touch the session of the request that was interrupted.
        """
        self._is_killed = True
        if self._wiro_task_id is None:
            return  # a run on its way is stopped as soon as its id is known
        if not self.cancel_on_kill:
            self.log.info("Wiro task %s is left running (cancel_on_kill=False).", self._wiro_task_id)
            return
        self._stop_now(self._wiro_task_id)

    def _check_killed(self) -> None:
        """End the work of a task that was told to stop; the hook asks this while it waits."""
        if self._is_killed:
            raise AirflowException("The Airflow task was stopped.")

    def _stop_now(self, wiro_task_id: str) -> None:
        try:
            is_running = self._last_seen is not None and not self._last_seen.is_queued
            with self.hook.for_stopping(_KILL_TIMEOUT_SECONDS) as hook:
                hook.stop_task(wiro_task_id, is_running=is_running, patience_seconds=_KILL_PATIENCE_SECONDS)
        except Exception:
            # Airflow gives a dying task five seconds; an exception out of here would only hide the reason.
            self.log.exception("Could not stop Wiro task %s; it may still run.", wiro_task_id)
        else:
            self.log.info("Stopped Wiro task %s.", wiro_task_id)


def _check_timeout(timeout: float) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
        raise WiroUsageError(f"Expected timeout as a positive number of seconds, found {timeout!r}.")
    return float(timeout)

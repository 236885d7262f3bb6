"""Stopping a run's Wiro task: when its Airflow task is told to stop, and when its time has passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_wiro.exceptions import WiroError, WiroTaskTimeoutError

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.operators.log import Log

#: Airflow kills a worker's process 5 s after telling it to stop; the last request begins within patience.
_KILL_TIMEOUT_SECONDS = 1.5
_KILL_PATIENCE_SECONDS = 3.3


class TaskStoppedError(AirflowException):
    """The Airflow task was told to stop. Raised only where no Run is on its way."""


class RunStopper:
    """
    Knows the Wiro task that has to be stopped with an Airflow task.

    :param cancel_on_kill: stop it when the Airflow task is stopped.
    :param cancel_on_timeout: stop it when its time has passed.
    :ivar last_seen: the task as Wiro showed it last, None if it wasn't looked at.
    """

    def __init__(self, log: Log, *, cancel_on_kill: bool, cancel_on_timeout: bool) -> None:
        self.last_seen: Task | None = None
        self._log = log
        self._cancel_on_kill = cancel_on_kill
        self._cancel_on_timeout = cancel_on_timeout
        self._target: tuple[str, WiroHook] | None = None
        self._stopped_task_id: str | None = None
        self._is_killed = False

    def aim_at(self, wiro_task_id: str, hook: WiroHook) -> None:
        """Note the task that a kill has to stop, and by whom: a hook that has read its connection."""
        self._target = wiro_task_id, hook

    def know(self, wiro_task_id: str, hook: WiroHook) -> None:
        """
        Note the task that a kill has to stop; if one came before its id was known, stop it now.

        :raises TaskStoppedError: one came.
        """
        self.aim_at(wiro_task_id, hook)
        if self._is_killed:
            self.kill()
            self.check()

    def check(self) -> None:
        """
        End the work of an Airflow task that was told to stop.

        :raises TaskStoppedError: it was.
        """
        if self._is_killed:
            raise TaskStoppedError("The Airflow task was stopped.")

    def kill(self) -> None:
        """
        Stop the Wiro task. Airflow calls this in a signal handler, and execution goes on afterwards.

        Nothing here may ask Airflow for anything, nor touch the session of the request that was interrupted.
        """
        self._is_killed = True
        if self._target is None:
            self._log.warning(
                "If a Run is on its way, it is stopped as soon as its id is known. Should this process end "
                "first, a retry picks it up."
            )
            return
        wiro_task_id, hook = self._target
        if not self._cancel_on_kill:
            self._log.info("Wiro task %s is left running (cancel_on_kill=False).", wiro_task_id)
            return
        if wiro_task_id == self._stopped_task_id:
            return
        try:
            is_running = self.last_seen is not None and not self.last_seen.is_queued
            with hook.for_stopping(_KILL_TIMEOUT_SECONDS) as stopping:
                stopping.stop_task(
                    wiro_task_id, is_running=is_running, patience_seconds=_KILL_PATIENCE_SECONDS
                )
        except Exception:
            # Airflow gives a dying task five seconds; an exception out of here would only hide the reason.
            self._log.exception("Could not stop Wiro task %s; it may still run.", wiro_task_id)
        else:
            self._stopped_task_id = wiro_task_id
            self._log.info("Stopped Wiro task %s.", wiro_task_id)

    def after_timeout(self, error: WiroTaskTimeoutError, hook: WiroHook) -> Task:
        """
        Stop the task whose time has passed; return it if it has ended by itself: a success is paid.

        :raises WiroTaskTimeoutError: it has not.
        """
        from airflow_provider_wiro.api.stopping import STOP_PATIENCE_SECONDS

        what = "It is left running (cancel_on_timeout=False)."
        if self._cancel_on_timeout:
            try:
                task = hook.stop_task(error.wiro_task_id, patience_seconds=STOP_PATIENCE_SECONDS)
            except WiroError as problem:
                what = f"It could not be stopped and may still run: {problem}"
            else:
                if task is not None and task.is_terminal and not task.is_cancelled:
                    return task  # it ended by itself meanwhile
                what = "It was stopped."
        raise WiroTaskTimeoutError(f"{error} {what}", wiro_task_id=error.wiro_task_id) from error

"""WiroTaskTrigger waits for one Wiro task, WiroPauseTrigger until a moment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroError, WiroTaskTimeoutError
from airflow_provider_wiro.hooks import flow_context
from airflow_provider_wiro.triggers.base import WiroTrigger, from_unix
from airflow_provider_wiro.triggers.cancellation import TasksToStop, warn_if_abandoned
from airflow_provider_wiro.watching.task_log import TaskLogger
from airflow_provider_wiro.watching.watcher import watch_task

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.polling import Watch


class WiroTaskTrigger(WiroTrigger):
    """
    Waits until a Wiro task has ended, and fires one event.

    The event is ``{"status": "success" | "error" | "timeout" | "cancelled", "wiro_task_id", "try_number",
    "message"?}``: ids and counts only, since Airflow stores it as plain text. The worker that it resumes
    reads the task's Detail itself.

    :param wiro_task_id: the Wiro task to wait for.
    :param wiro_conn_id: the Airflow connection, of type ``wiro``.
    :param deadline: Unix time in seconds at which to give up. Absolute, so that a restart of the triggerer
        doesn't renew it; None is an hour, and is renewed.
    :param started_at: Unix time at which the task was submitted; adaptive polling counts its age from here.
    :param poll_interval: seconds between polls; None is adaptive.
    :param watch: ``"poll"``, ``"websocket"`` or ``"auto"``, see
        :class:`~airflow_provider_wiro.operators.wiro.WiroRunOperator`.
    :param cancel_on_kill: stop the Wiro task when a user marks the deferred Airflow task.
    :param try_number: see :class:`~airflow_provider_wiro.triggers.base.WiroTrigger`.
    :param is_recorded: there is a record of the run, by which a later try finds it.
    :param deferred_at: see :class:`~airflow_provider_wiro.triggers.base.WiroTrigger`.
    """

    _fields = (
        "wiro_task_id",
        "wiro_conn_id",
        "deadline",
        "started_at",
        "poll_interval",
        "watch",
        "cancel_on_kill",
        "try_number",
        "is_recorded",
    )

    def __init__(
        self,
        *,
        wiro_task_id: str,
        wiro_conn_id: str = "wiro_default",
        deadline: float | None = None,
        started_at: float | None = None,
        poll_interval: float | None = None,
        watch: Watch = "auto",
        cancel_on_kill: bool = True,
        try_number: int | None = None,
        is_recorded: bool = True,
        deferred_at: float | None = None,
    ) -> None:
        super().__init__(try_number=try_number, deferred_at=deferred_at)
        self.wiro_conn_id = wiro_conn_id
        self.wiro_task_id = wiro_task_id
        self.deadline = deadline
        self.started_at = started_at
        self.poll_interval = poll_interval
        self.watch = watch
        self.cancel_on_kill = cancel_on_kill
        self.is_recorded = is_recorded
        self._is_running: bool | None = None  # not known before the first poll
        self._has_ended = False

    async def _wait(self) -> dict[str, Any]:
        try:
            task = await self._watch()
        except WiroTaskTimeoutError as error:
            return self._event("timeout", str(error))
        except WiroError as error:
            return self._event("error", str(error))
        except Exception as error:
            # A secrets backend or the supervisor is out of order: no reason to lose sight of a paid task. The
            # worker that is resumed polls the task itself.
            self.log.exception("Could not follow Wiro task %s.", self.wiro_task_id)
            return self._event("error", f"{type(error).__name__} in the triggerer.")
        if task.has_succeeded:
            return self._event("success")
        return self._event("cancelled" if task.is_cancelled else "error")

    async def _watch(self) -> Task:
        logger = TaskLogger(self.wiro_task_id, self.log.info, self.log.warning)
        now = flow_context.SteadyClock()

        def observe(task: Task) -> None:
            self._is_running, self._has_ended = not task.is_queued, task.is_terminal
            logger.on_task(task)

        polling = flow_context.polling(
            deadline=None if self.deadline is None else from_unix(self._local_time(self.deadline)),
            started_at=from_unix(self.started_at),
            poll_interval=self.poll_interval,
        )
        return await watch_task(
            self.wiro_conn_id,
            self.wiro_task_id,
            polling,
            watch=self.watch,
            is_seen=True,  # the worker polled before it deferred
            observe=observe,
            on_message=lambda message: logger.on_message(message, now()),
        )

    def _event(self, status: str, message: str | None = None) -> dict[str, Any]:
        event = {"status": status, "wiro_task_id": self.wiro_task_id}
        return event if message is None else {**event, "message": message}

    def _tasks_to_stop(self) -> TasksToStop | None:
        if self._has_ended:
            return None  # killed between the end and the event
        if not self.cancel_on_kill:
            self.log.info("Wiro task %s is left running (cancel_on_kill=False).", self.wiro_task_id)
            return None
        is_running = {self.wiro_task_id: bool(self._is_running)}
        return TasksToStop(self.wiro_conn_id, is_running, is_recorded=self.is_recorded)


class WiroPauseTrigger(WiroTrigger):
    """
    Waits until a moment, for a run that Wiro has no free slot for, or whose response was lost.

    :param until: Unix time in seconds.
    :param try_number: see :class:`~airflow_provider_wiro.triggers.base.WiroTrigger`.
    :param lost_model: of a Run whose response was lost; None where none was sent.
    :param lost_at: Unix time at which that was sent.
    :param lost_run: :class:`~airflow_provider_wiro.recovery.lost_run_digests.LostRunDigests` of it as JSON,
        by which its task is searched for when a user marks the deferred Airflow task. None: it can't be.
    :param wiro_conn_id: the Airflow connection by which to search.
    :param deferred_at: see :class:`~airflow_provider_wiro.triggers.base.WiroTrigger`.
    """

    _fields = ("until", "try_number")
    _optional_fields = ("lost_model", "lost_at", "lost_run", "wiro_conn_id")

    def __init__(
        self,
        *,
        until: float,
        try_number: int | None = None,
        lost_model: str | None = None,
        lost_at: float | None = None,
        lost_run: dict[str, Any] | None = None,
        wiro_conn_id: str | None = None,
        deferred_at: float | None = None,
    ) -> None:
        super().__init__(try_number=try_number, deferred_at=deferred_at)
        self.wiro_conn_id = wiro_conn_id
        self.until = until
        self.lost_model = lost_model
        self.lost_at = lost_at
        self.lost_run = lost_run

    async def _wait(self) -> dict[str, Any]:
        await asyncio.sleep(max(0.0, self._local_time(self.until) - self._now()))
        return {"status": "success"}

    def _tasks_to_stop(self) -> TasksToStop | None:
        if self.lost_run is None or self.wiro_conn_id is None:
            return None
        return TasksToStop(self.wiro_conn_id, {}, unknown_runs=1, lost_runs=self.lost_run)

    async def on_kill(self) -> None:
        """Stop the task of a lost Run, if a user has ended the Airflow task; log what can't be found."""
        sent_at = from_unix(self.lost_at)
        if self._is_finished or self.task_instance is None or self.lost_model is None or sent_at is None:
            return
        if self._tasks_to_stop() is not None:
            await super().on_kill()
            return
        what = (
            f"The response to a Run of {self.lost_model}, sent at {sent_at:%Y-%m-%d %H:%M:%S} UTC, was lost: "
            "the Wiro task that it has started, or still starts,"
        )
        await warn_if_abandoned(self.task_instance, what, self.log)

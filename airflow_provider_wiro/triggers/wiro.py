"""Waiting for a Wiro task in the triggerer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.cancellation.seen_task import SeenTask
from airflow_provider_wiro.exceptions import WiroError, WiroTaskTimeoutError
from airflow_provider_wiro.hooks import flow_context
from airflow_provider_wiro.triggers.base import WiroTrigger
from airflow_provider_wiro.triggers.cancellation import stop_if_abandoned, warn_if_abandoned
from airflow_provider_wiro.triggers.class_path import class_path
from airflow_provider_wiro.watching.task_log import TaskLogger
from airflow_provider_wiro.watching.watcher import watch_task

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.polling import Watch


class WiroTaskTrigger(WiroTrigger):
    """
    Waits until a Wiro task has ended, and fires one event.

    The event is ``{"status": "success" | "error" | "timeout" | "cancelled", "wiro_task_id", "try_number",
    "message"?}``: ids and counts only, since Airflow stores it as plain text. Who is resumed by it reads the
    task's Detail itself.

    :param wiro_task_id: the Wiro task to wait for.
    :param wiro_conn_id: the Airflow connection, of type ``wiro``.
    :param deadline: Unix time in seconds at which to give up. Absolute, so that a restart of the triggerer
        doesn't renew it; None is an hour, and is renewed.
    :param started_at: Unix time at which the task was submitted; adaptive polling counts its age from here.
    :param poll_interval: seconds between polls; None is adaptive.
    :param watch: how the end is learned, see :class:`~airflow_provider_wiro.operators.wiro.WiroRunOperator`.
    :param cancel_on_kill: stop the Wiro task when a user marks the deferred Airflow task.
    :param try_number: the try of the Airflow task that waits, handed back in the event. Airflow 3.0 gives a
        retry the event of the try before.
    :param is_recorded: there is a record of the run, by which a later try finds it.
    :param deferred_at: Unix time at which the deferral began, by default now; see
        :class:`~airflow_provider_wiro.triggers.base.WiroTrigger`.
    """

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
        super().__init__(deferred_at=deferred_at)
        self.wiro_task_id = wiro_task_id
        self.wiro_conn_id = wiro_conn_id
        self.deadline = deadline
        self.started_at = started_at
        self.poll_interval = poll_interval
        self.watch = watch
        self.cancel_on_kill = cancel_on_kill
        self.try_number = try_number
        self.is_recorded = is_recorded
        self._last_seen: SeenTask | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what another triggerer needs to go on: no secret, since Airflow stores it as plain text."""
        return (
            class_path(self),
            {
                "wiro_task_id": self.wiro_task_id,
                "wiro_conn_id": self.wiro_conn_id,
                "deadline": self.deadline,
                "started_at": self.started_at,
                "poll_interval": self.poll_interval,
                "watch": self.watch,
                "cancel_on_kill": self.cancel_on_kill,
                "try_number": self.try_number,
                "is_recorded": self.is_recorded,
                "deferred_at": self.deferred_at,
            },
        )

    async def _wait(self) -> dict[str, Any]:
        narrator = TaskLogger(self.wiro_task_id, self.log.info, self.log.warning)

        def observe(task: Task) -> None:
            self._last_seen = SeenTask.of(task)
            narrator.observe(task)

        try:
            now = flow_context.SteadyClock()
            polling = flow_context.polling(
                deadline=None if self.deadline is None else _moment(self._here(self.deadline)),
                started_at=_moment(self.started_at),
                poll_interval=self.poll_interval,
            )
            task = await watch_task(
                self.wiro_conn_id,
                self.wiro_task_id,
                polling,
                watch=self.watch,
                # The worker looked before it deferred.
                is_seen=True,
                observe=observe,
                hear=lambda message: narrator.hear(message, now()),
            )
        except WiroTaskTimeoutError as error:
            return self._event("timeout", str(error))
        except WiroError as error:
            return self._event("error", str(error))
        except Exception as error:
            # A secrets backend or the supervisor is out of order: no reason to lose sight of a paid task. The
            # worker that is resumed looks for itself.
            self.log.exception("Could not follow Wiro task %s.", self.wiro_task_id)
            return self._event("error", f"{type(error).__name__} in the triggerer.")
        self._last_seen = SeenTask.of(task)
        if task.has_succeeded:
            return self._event("success")
        return self._event("cancelled" if task.is_cancelled else "error")

    def _event(self, status: str, message: str | None = None) -> dict[str, Any]:
        event = {"status": status, "wiro_task_id": self.wiro_task_id, "try_number": self.try_number}
        return event if message is None else {**event, "message": message}

    async def on_kill(self) -> None:
        """Stop the Wiro task, if a user has ended the Airflow task."""
        if self._is_finished or self.task_instance is None:
            return
        if self._last_seen is not None and self._last_seen.is_terminal:
            return  # killed between the end and the event
        if not self.cancel_on_kill:
            self.log.info("Wiro task %s is left running (cancel_on_kill=False).", self.wiro_task_id)
            return
        is_running = self._last_seen is not None and not self._last_seen.is_queued
        await stop_if_abandoned(
            self.task_instance,
            self.wiro_conn_id,
            {self.wiro_task_id: is_running},
            self.log,
            is_recorded=self.is_recorded,
        )


def _moment(unix_time: float | None) -> datetime | None:
    return None if unix_time is None else datetime.fromtimestamp(unix_time, tz=UTC)


class WiroPauseTrigger(WiroTrigger):
    """
    Waits until a moment, for a run that Wiro has no free slot for, or whose answer was lost.

    :param until: Unix time in seconds.
    :param try_number: handed back in the event, as by :class:`WiroTaskTrigger`.
    :param lost_model: of a Run whose answer was lost; None where none was sent.
    :param lost_at: Unix time at which that was sent.
    :param lost_run: :class:`~airflow_provider_wiro.recovery.lost_run_digests.LostRunDigests` of it as JSON,
        by which its task is searched for when a user marks the deferred Airflow task. None: it can't be.
    :param wiro_conn_id: the Airflow connection by which to search.
    :param deferred_at: as of :class:`WiroTaskTrigger`.
    """

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
        super().__init__(deferred_at=deferred_at)
        self.until = until
        self.try_number = try_number
        self.lost_model = lost_model
        self.lost_at = lost_at
        self.lost_run = lost_run
        self.wiro_conn_id = wiro_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what another triggerer needs to go on."""
        return (
            class_path(self),
            {
                "until": self.until,
                "try_number": self.try_number,
                "deferred_at": self.deferred_at,
                **{
                    name: value
                    for name in ("lost_model", "lost_at", "lost_run", "wiro_conn_id")
                    if (value := getattr(self, name)) is not None
                },
            },
        )

    async def _wait(self) -> dict[str, Any]:
        await asyncio.sleep(max(0.0, self._here(self.until) - self._now()))
        return {"status": "success", "try_number": self.try_number}

    async def on_kill(self) -> None:
        """Stop the task of a lost Run, if a user has ended the Airflow task; log what can't be found."""
        sent_at = _moment(self.lost_at)
        if self._is_finished or self.task_instance is None or self.lost_model is None or sent_at is None:
            return
        what = (
            f"The answer of a Run of {self.lost_model}, sent at {sent_at:%Y-%m-%d %H:%M:%S} UTC, was lost: "
            "the Wiro task that it has started, or still starts,"
        )
        if self.lost_run is None or self.wiro_conn_id is None:
            await warn_if_abandoned(self.task_instance, what, self.log)
        else:
            await stop_if_abandoned(
                self.task_instance, self.wiro_conn_id, {}, self.log, unknown_runs=1, lost_runs=self.lost_run
            )

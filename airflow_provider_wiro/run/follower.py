"""TaskFollower: polls a run's Wiro task in the worker, to its end or for a moment before a deferral."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroError, WiroTaskTimeoutError
from airflow_provider_wiro.triggers.deferral import wait_before_deferring, waits_before_deferring
from airflow_provider_wiro.watching.task_log import TaskLogger

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.cancellation.run_stopper import RunStopper
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.recovery.durable_run import ActiveRun
    from airflow_provider_wiro.redaction.loggers import Log
    from airflow_provider_wiro.run.settings import RunSettings


class TaskFollower:
    """
    Follows the Wiro task of one run. The stopper gets each task that it sees.

    :param settings: of these ``timeout``, ``cancel_on_timeout``, ``poll_interval`` and ``defer_after``.
    """

    def __init__(self, hook: WiroHook, stopper: RunStopper, settings: RunSettings, log: Log) -> None:
        self._hook = hook
        self._stopper = stopper
        self._settings = settings
        self._log = log
        self._loggers: dict[str, TaskLogger] = {}

    def follow(self, wiro_task_id: str, started_at: datetime, deadline: datetime) -> Task:
        """
        Wait for a task here, and return it once it has ended; stop it at its deadline.

        :raises WiroTaskTimeoutError: the deadline passed.
        """
        try:
            return self._hook.wait_for_task(
                wiro_task_id,
                deadline=deadline,
                poll_interval=self._settings.poll_interval,
                started_at=started_at,
                observe=self._observe,
            )
        except WiroTaskTimeoutError as error:
            return self._stopper.on_timeout(error, self._hook)

    def follow_instead(self, task: Task, reason: str, follow_until: float | None) -> Task:
        """
        Follow a task that the triggerer can't follow: here to its end, since another deferral would fail too.

        :param follow_until: the deadline, as Unix time. None: the timeout counts from the task's creation.
        """
        if task.is_terminal:
            return task
        self._log.warning(
            "The triggerer can't follow Wiro task %s, so it is followed here. %s", task.id, reason
        )
        started_at = task.created_at or datetime.now(UTC)
        deadline = started_at + timedelta(seconds=self._settings.timeout)
        if follow_until is not None:
            deadline = datetime.fromtimestamp(follow_until, tz=UTC)
        return self.follow(task.id, started_at, deadline)

    def deadline(self, run: ActiveRun) -> datetime:
        """
        Return when a run has to be over: counted from its submission, also by the tries after the first.
        """
        now, timeout = datetime.now(UTC), timedelta(seconds=self._settings.timeout)
        # A clock that was set back since would give the task more time.
        deadline = min(run.started_at, now) + timeout
        if run.is_resumed and not self._settings.cancel_on_timeout and deadline < now:
            return now + timeout  # it was left running on purpose, to be waited for again
        return deadline

    def poll_before_deferring(self, run: ActiveRun, deadline: datetime) -> Task | None:
        """
        Poll once before deferring, or for ``defer_after`` seconds.

        :return: None if Wiro can't be asked at the moment: the trigger has more patience.
        """
        task = run.task
        try:
            if not (task is not None and task.is_terminal) and waits_before_deferring(
                self._settings.defer_after, deadline
            ):
                return wait_before_deferring(
                    self._hook,
                    run.wiro_task_id,
                    task,
                    defer_after=self._settings.defer_after,
                    deadline=deadline,
                    started_at=run.accepted_at,
                    poll_interval=self._settings.poll_interval,
                    observe=self._observe,
                    log=self._log,
                )
        except WiroTaskTimeoutError as error:
            return self._stopper.on_timeout(error, self._hook)
        return task or poll_once(self._hook, run.wiro_task_id, self._log)

    def log_end(self, task: Task) -> None:
        """Log how a task has ended."""
        self._logger(task.id).on_success(task)

    def _observe(self, task: Task) -> None:
        self._stopper.on_task(task)
        self._logger(task.id).on_task(task)

    def _logger(self, wiro_task_id: str) -> TaskLogger:
        if wiro_task_id not in self._loggers:
            self._loggers[wiro_task_id] = TaskLogger(wiro_task_id, self._log.info, self._log.warning)
        return self._loggers[wiro_task_id]


def poll_once(hook: WiroHook, wiro_task_id: str, log: Log) -> Task | None:
    """Return a task as Wiro shows it now, None if Wiro can't be asked."""
    try:
        return hook.get_task(wiro_task_id)
    except WiroError as error:
        log.warning("Deferring without having polled Wiro task %s: %s", wiro_task_id, error)
        return None

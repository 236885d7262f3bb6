"""Log lines about a task: one for each change of its status, for its progress, and for its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.models import KNOWN_STATUSES, TaskStatus, state_of
from airflow_provider_wiro.api.run_summary import success_warnings
from airflow_provider_wiro.redaction.plain_text import plain

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.watching.websocket.messages import Progress, PushMessage

#: Takes a line, such as ``log.info``.
Log = Callable[[str], None]

#: Progress is logged when it is this much further, or when none was logged for this long.
PERCENTAGE_STEP = 25.0
PROGRESS_SECONDS = 60.0


class ErrorStatusWarning:
    """
    Warns once that a task is in ``task_error``, and once more with the reason if that came later.

    :param task: how the lines name the task.
    """

    def __init__(self, task: str, warn: Log) -> None:
        self._task = task
        self._warn = warn
        self._has_warned = False
        self._has_reason = False

    def on_task(self, task: Task) -> bool:
        """Take in what a poll shows, and return whether there was something to warn of."""
        if not task.has_error_status or self._has_reason:
            return False
        self._has_reason = task.status_with_reason != task.status
        if not self._has_warned:
            self._has_warned = True
            self._warn(
                f"{self._task} failed before the model ran, and waits for Wiro to queue it again "
                f"({task.status_with_reason}). It has not ended: it may still run and be billed."
            )
        elif self._has_reason:
            self._warn(
                f"{self._task} failed before the model ran for this reason: {task.status_with_reason}."
            )
        else:
            return False
        return True


class TaskLogger:
    """
    Logs the life of one task.

    :param info: takes lines about what is normal.
    :param warn: takes lines that a reader should notice.
    """

    def __init__(self, wiro_task_id: str, info: Log, warn: Log) -> None:
        self._task = f"Wiro task {wiro_task_id}"
        self._info = info
        self._warn = warn
        self._last_status: str | None = None
        self._unknown: set[str] = set()
        self._error_status = ErrorStatusWarning(self._task, warn)
        self._logged_percentage = 0.0
        self._progress_logged_at: datetime | None = None

    def on_task(self, task: Task) -> None:
        """
        Log what a poll shows: a status that is not the one logged last.

        ``task_error`` is logged as a warning once, with its reason, and so is each status that is unknown.
        """
        if self._error_status.on_task(task):
            self._last_status = task.status
        elif task.is_known_status:
            self._log_status(task.status)
        elif task.status != self._last_status and task.status not in self._unknown:
            self._unknown.add(task.status)
            self._last_status = task.status
            self._warn(
                f"{self._task} has status '{plain(task.status, 100)}', which this version doesn't know; "
                "it counts as still running."
            )

    def on_message(self, message: PushMessage, now: datetime) -> None:
        """Log what a message over the WebSocket reports: a status, or how far the model is."""
        # Over the WebSocket task_error is a line on stderr, and says nothing about the task's state.
        if message.status in KNOWN_STATUSES and message.status != TaskStatus.ERROR:
            self._log_status(message.status)
        progress = message.progress
        if progress is not None:
            self.on_progress(progress, now)

    def _log_status(self, status: str) -> None:
        if status != self._last_status:
            self._last_status = status
            self._info(f"{self._task}: {status} ({state_of(status)})")

    def on_progress(self, progress: Progress, now: datetime) -> None:
        """
        Log how far the model is, at most a few times a run and once a minute.

        A percentage that falls back, as of a model's second pass, is logged once it is higher than ever or a
        minute has passed: alternating ones can't fill the log.
        """
        if self._progress_logged_at is None:
            self._progress_logged_at = now
        percentage = progress.percentage or 0.0
        is_much_further = percentage - self._logged_percentage >= PERCENTAGE_STEP
        if not is_much_further and (now - self._progress_logged_at).total_seconds() < PROGRESS_SECONDS:
            return
        self._logged_percentage = max(self._logged_percentage, percentage)
        self._progress_logged_at = now
        facts = _facts(progress)
        if facts:
            self._info(f"{self._task}: {', '.join(facts)}")

    def on_success(self, task: Task) -> None:
        """Log what a task that has succeeded produced, how long it took, and its cost."""
        facts = [f"{len(task.outputs)} output{'' if len(task.outputs) == 1 else 's'}"]
        sizes = [output.size for output in task.outputs if output.size is not None]
        if sizes:
            facts[0] += f" ({sum(sizes):,} bytes)"
        if task.queue_seconds is not None:
            facts.append(f"queued {task.queue_seconds:.0f} s")
        if task.elapsed_seconds is not None:
            facts.append(f"ran {task.elapsed_seconds:.0f} s")
        facts.append(f"cost {task.cost_usd} USD" if task.cost_usd else "cost not known yet")
        self._info(f"{self._task} succeeded: {', '.join(facts)}.")
        for warning in success_warnings(task):
            self._warn(warning)


def _facts(progress: Progress) -> list[str]:
    facts: list[str] = []
    if progress.percentage is not None:
        facts.append(f"{progress.percentage:.0f} %")
    if progress.step is not None and progress.steps is not None:
        facts.append(f"step {progress.step} of {progress.steps}")
    if progress.speed is not None:
        facts.append(f"{progress.speed:g} {progress.speed_unit or ''}".strip())
    if progress.remaining_seconds is not None:
        facts.append(f"{progress.remaining_seconds:.0f} s left")
    return facts

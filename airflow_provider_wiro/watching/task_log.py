"""What the log says about a task: a line for each thing that changed, and none for what didn't."""

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
Say = Callable[[str], None]

#: Progress is told when it has come so much further, or when nothing of it was told for so long.
PERCENTAGE_STEP = 25.0
PROGRESS_SECONDS = 60.0


class ErrorStatusWarning:
    """
    Warns once that a task is in ``task_error``; once more with the reason, if that came later.

    :param task: what to call the task.
    """

    def __init__(self, task: str, warn: Say) -> None:
        self._task = task
        self._warn = warn
        self._has_warned = False
        self._has_reason = False

    def observe(self, task: Task) -> bool:
        """Return whether there was something to warn of."""
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
    Tells the life of one task.

    :param say: for what is normal.
    :param warn: for what a reader should notice.
    """

    def __init__(self, wiro_task_id: str, say: Say, warn: Say) -> None:
        self._task = f"Wiro task {wiro_task_id}"
        self._say = say
        self._warn = warn
        self._last_status: str | None = None
        self._unknown: set[str] = set()
        self._error_status = ErrorStatusWarning(self._task, warn)
        self._told_percentage = 0.0
        self._progress_told_at: datetime | None = None

    def observe(self, task: Task) -> None:
        """
        Log a status that is not the one logged last.

        ``task_error`` is logged as a warning once, with its reason, and so is each status that is unknown.
        """
        if self._error_status.observe(task):
            self._last_status = task.status
        elif task.is_known_status:
            self._status(task.status)
        elif task.status != self._last_status and task.status not in self._unknown:
            self._unknown.add(task.status)
            self._last_status = task.status
            self._warn(
                f"{self._task} has status '{plain(task.status, 100)}', which this version doesn't know; "
                "it is taken for still running."
            )

    def hear(self, message: PushMessage, now: datetime) -> None:
        """Tell what was heard over the WebSocket: a status, or how far the model is."""
        # Over the WebSocket task_error is a line on stderr, and says nothing about the task's state.
        if message.status in KNOWN_STATUSES and message.status != TaskStatus.ERROR:
            self._status(message.status)
        if message.progress is not None:
            self.progress(message.progress, now)

    def _status(self, status: str) -> None:
        if status != self._last_status:
            self._last_status = status
            self._say(f"{self._task}: {status} ({state_of(status)})")

    def progress(self, progress: Progress, now: datetime) -> None:
        """
        Tell how far the model is, at most a few times a run and once a minute.

        A percentage that falls back, as of a model's second pass, is told once it is higher than ever or a
        minute has passed: alternating ones can't fill the log.
        """
        if self._progress_told_at is None:
            self._progress_told_at = now
        percentage = progress.percentage or 0.0
        is_much_further = percentage - self._told_percentage >= PERCENTAGE_STEP
        if not is_much_further and (now - self._progress_told_at).total_seconds() < PROGRESS_SECONDS:
            return
        self._told_percentage = max(self._told_percentage, percentage)
        self._progress_told_at = now
        facts = _facts(progress)
        if facts:
            self._say(f"{self._task}: {', '.join(facts)}")

    def ended(self, task: Task) -> None:
        """Tell what a task that has succeeded took and brought."""
        facts = [f"{len(task.outputs)} output{'' if len(task.outputs) == 1 else 's'}"]
        sizes = [output.size for output in task.outputs if output.size is not None]
        if sizes:
            facts[0] += f" ({sum(sizes):,} bytes)"
        if task.queue_seconds is not None:
            facts.append(f"queued {task.queue_seconds:.0f} s")
        if task.elapsed_seconds is not None:
            facts.append(f"ran {task.elapsed_seconds:.0f} s")
        facts.append(f"cost {task.cost_usd} USD" if task.cost_usd else "cost not known yet")
        self._say(f"{self._task} succeeded: {', '.join(facts)}.")
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

"""Waits for links: Wiro can end a task some seconds before it shows the links of its files. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_wiro.api import endpoints, retry
from airflow_provider_wiro.api.flow import Flow, FlowContext, Pause, call
from airflow_provider_wiro.downloads import ranges
from airflow_provider_wiro.exceptions import WiroError

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task

_LONGEST_PAUSE_SECONDS = 10.0


def await_links(task: Task, context: FlowContext, *, patience_seconds: float | None = None) -> Flow[Task]:
    """
    Return a finished task as Detail shows it once each of its files has a link, or once patience is over.

    A poll that shows fewer outputs than an earlier one, or fails, changes nothing: the run is paid for and
    has succeeded.

    :param task: that has succeeded.
    :param patience_seconds: default: a minute.
    """
    patience = ranges.PATIENCE_SECONDS if patience_seconds is None else patience_seconds
    until = context.now() + timedelta(seconds=patience)
    attempt = 0
    while awaits_links(task):
        attempt += 1
        pause = retry.backoff_seconds(attempt, context.random(), longest=_LONGEST_PAUSE_SECONDS)
        if context.now() + timedelta(seconds=pause) > until:
            break
        yield Pause(pause)
        try:
            fresh = yield from call(endpoints.get_task(task.id), context, patience_seconds=0)
        except WiroError:  # polled again after a pause, like a poll that shows no link
            continue
        if fresh.has_succeeded and len(fresh.outputs) >= len(task.outputs):
            task = fresh
    return task


def awaits_links(task: Task) -> bool:
    """Whether a file of a task has no link yet."""
    return any(output.awaits_link for output in task.outputs)


def missing_links_warning(task: Task) -> str:
    """Return what to log of a task whose links have not come."""
    missing = ", ".join(output.label for output in task.outputs if output.awaits_link)
    return (
        f"Wiro still shows no link for {missing} of Wiro task {task.id}: its `url` is null in the run "
        "summary. The run is paid for; a transfer asks Wiro for the link again."
    )

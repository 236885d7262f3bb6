"""Reads the finished task that a transfer starts with, and builds the result that it returns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api import endpoints, flow
from airflow_provider_wiro.api.run_summary import answer_warnings, task_id_of
from airflow_provider_wiro.downloads import ranges
from airflow_provider_wiro.downloads.late_links import await_links
from airflow_provider_wiro.exceptions import WiroError, WiroUsageError
from airflow_provider_wiro.failures import require_success
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.redaction.secret_values import secret_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.landing.transfer import ReadsTasks

log = plain_logger(__name__)

#: How long the cost is waited for.
_COST_PATIENCE_SECONDS = 10.0


def finished_task(hook: WiroHook, given: Any) -> Task:
    """
    Return a task that has succeeded, with the links of its files if they appear within half a minute.

    :param given: its id, or a run summary.
    :raises WiroUsageError: it is neither, or the task has not ended.
    :raises AirflowFailException: the task failed or was cancelled.
    """
    wiro_task_id = task_id_of(given)
    task = hook.get_task(wiro_task_id)
    if not task.is_terminal:
        raise WiroUsageError(
            f"Wiro task {wiro_task_id} has not ended yet ({task.status_with_reason}). Put a WiroTaskSensor "
            "before this task, or let the run wait for completion."
        )
    require_success(task)
    # Before the keys are made from the names, which can be different until the links are there.
    patience = ranges.PATIENCE_SECONDS / 2
    task = hook.run_flow(lambda context: await_links(task, context, patience_seconds=patience))
    for warning in answer_warnings(task):
        log.warning("%s", warning)
    return task


def with_cost(hook: WiroHook, task: Task) -> Task:
    """
    Return a task with its cost, read once more if it was not known before.

    The charge of a run can be recorded some time after its end. A missing cost is no reason to fail.
    """
    if task.cost_usd is not None:
        return task
    try:
        fresh = hook.run_flow(
            lambda context: flow.call(
                endpoints.get_task(task.id), context, patience_seconds=_COST_PATIENCE_SECONDS
            )
        )
    except WiroError as error:
        log.warning("What Wiro task %s has cost could not be read: %s", task.id, error)
        return task
    return replace(task, cost_usd=fresh.cost_usd)


def secrets_of(hook: ReadsTasks, task: Task) -> list[str]:
    """Return the texts that no manifest may contain: the connection's secrets and the tokens of tasks."""
    tokens = [*([task.token] if task.token else []), *secret_values(task.parameters)]
    return [*hook.connection.secrets, *tokens]


def landed(task: Task, files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """
    Return what a transfer returns.

    :param files: each ``{"uri", "name", "size" (bytes), "sha256", "content_type", "etag", "skipped"}``.
    """
    return {
        "wiro_task_id": task.id,
        "files": list(files),
        "total_bytes": sum(file["size"] for file in files),
        "cost_usd": task.cost_usd,
    }

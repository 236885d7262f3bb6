"""The result of one item, as the manifest has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.run_summary import RunSummary

#: The status of an item whose result was made before.
REUSED = "reused"
#: A line of the manifest, except the item's number.
Result = dict[str, Any]


def item_result(
    status: str,
    attempts: int,
    task: Task | None,
    *,
    wiro_task_id: str | None = None,
    error: str | None = None,
    files: list[dict[str, Any]] | None = None,
    include_links: bool = False,
) -> Result:
    """
    Return an item's result.

    :param attempts: how many Runs were sent.
    :param wiro_task_id: used if the task was not read.
    :param files: the landed files; None if none should land.
    :param include_links: keep the URLs of the outputs.
    """
    from airflow_provider_wiro.api.run_summary import run_summary

    shown = {} if task is None else run_summary(task)
    result = {
        "status": status,
        "wiro_task_id": wiro_task_id if task is None else task.id,
        "attempts": attempts,
        "cost_usd": shown.get("cost_usd"),
        "elapsed_seconds": shown.get("elapsed_seconds"),
        "outputs": shown.get("outputs", []),
        "text": shown.get("text"),
        "finish_reason": shown.get("finish_reason"),
        "usage": shown.get("usage"),
    }
    if error is not None:
        result["error"] = error
    if files is not None:
        result["files"] = files
    return result if include_links else without_links(result)


def reused_result(summary: RunSummary, files: list[dict[str, Any]] | None) -> Result:
    """
    Return the result of an item that was made before.

    :param summary: as a run that was not sent returns it.
    :param files: where its outputs are; None if none should land.
    """
    made = summary["reuse"]
    result = {
        "status": REUSED,
        "wiro_task_id": summary["wiro_task_id"],
        "attempts": 0,
        **{
            name: summary[name]
            for name in ("cost_usd", "elapsed_seconds", "outputs", "text", "finish_reason", "usage")
        },
        "reused": True,
        "reuse": {name: made[name] for name in ("made_at", "cost_usd")},
    }
    return result if files is None else {**result, "files": files}


def without_links(result: Result) -> Result:
    """Return a result without the URLs of its outputs, with which anyone can fetch the files."""
    return {**result, "outputs": [{**output, "url": None} for output in result["outputs"]]}

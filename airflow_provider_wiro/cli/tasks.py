"""The commands about Wiro tasks: ``task`` and ``stop``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.api.run_summary import run_summary
from airflow_provider_wiro.cli.report import Report, Table

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.hooks.wiro import WiroHook


def show_task(hook: WiroHook, options: Namespace) -> Report:
    """Show a task as a run summary."""
    return _shown(hook.get_task(options.wiro_task_id))


def stop_task(hook: WiroHook, options: Namespace) -> Report:
    """Stop a task; one that has ended is left as it is."""
    before = hook.get_task(options.wiro_task_id)
    if before.is_terminal:
        return _shown(before, f"Wiro task {before.id} had ended before.")
    after = hook.stop_task(before.id) or hook.get_task(before.id)
    said = "was stopped" if after.is_cancelled else "has ended" if after.is_terminal else "still runs"
    return _shown(after, f"Wiro task {after.id} {said}.")


def _shown(task: Task, *lines: str) -> Report:
    summary = run_summary(task)
    cost = summary["cost_usd"]
    facts = [
        ("model", summary["model"]),
        ("status", f"{summary['status']} ({summary['state']})"),
        ("seconds", summary["elapsed_seconds"]),
        ("cost in USD", "not known" if cost is None else cost),
        ("finish reason", summary["finish_reason"]),
        ("text", summary["text"]),
        ("last error line", task.last_error_lines.strip().rpartition("\n")[2] or None),
    ]
    known = [(name, value) for name, value in facts if value not in (None, "")]
    tables = [Table(f"Wiro task {task.id}", ("", ""), known)]
    if summary["outputs"]:
        rows = [
            (one["index"], one["name"], one["content_type"], one["size"], one["url"])
            for one in summary["outputs"]
        ]
        tables.append(Table("Outputs", ("", "name", "type", "bytes", "URL"), rows))
    return Report(summary, lines, tables)

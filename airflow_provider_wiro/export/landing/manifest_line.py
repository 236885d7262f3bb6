"""One task's line of an export's manifest: no URL of Wiro's, and nobody's prompt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.redaction.masking import masked
from airflow_provider_wiro.redaction.plain_text import plain, plain_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_wiro.api.models import Task

_LONGEST_STATUS = 100
LONGEST_ERROR = 1000
#: A longer answer is only in its object: the lines of many tasks are in memory at once.
LONGEST_TEXT = 100_000


def manifest_line(
    task: Task,
    model: str | None,
    files: Sequence[Mapping[str, Any]],
    scrub: Callable[[str], str],
    error: str | None = None,
) -> dict[str, Any]:
    """
    Return a task's line.

    :param files: those that have landed, as WiroToS3Operator returns them.
    :param scrub: removes known secrets from a text.
    :param error: why not all have landed; None if they have.
    """
    line: dict[str, Any] = {
        "wiro_task_id": task.id,
        "model": plain_values(masked(model, scrub)),
        "status": plain(task.status, _LONGEST_STATUS),
        "state": task.state.value,
        "created": _moment(task.created_at),
        "ended": _moment(task.ended_at),
        "elapsed_seconds": masked(task.elapsed_seconds),
        "cost_usd": task.cost_usd,
        "files": list(files),
    }
    answer = task.answer
    if answer is not None:
        line["text"] = scrub(answer) if len(answer) <= LONGEST_TEXT else None
        line["finish_reason"] = plain_values(masked(task.finish_reason, scrub))
    if error is not None:
        line["error"] = plain(scrub(error), LONGEST_ERROR)
    return line


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()

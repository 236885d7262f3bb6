"""The result of a task as users see it: the run summary, or an error."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from airflow_provider_wiro.api.decoding.llm_answers import CUT_SHORT, is_cut_short
from airflow_provider_wiro.api.endpoints import check_task_id
from airflow_provider_wiro.api.models import Task, TaskStatus
from airflow_provider_wiro.exceptions import (
    WiroTaskCancelledError,
    WiroTaskFailedError,
    WiroTooFewOutputsError,
    WiroUsageError,
)
from airflow_provider_wiro.redaction.plain_text import plain, plain_values

#: The run summary: what XCom holds and operators hand on. JSON-safe, never with a token.
RunSummary = dict[str, Any]

#: Characters kept of a name that a server chose.
_LONGEST_NAME = 1000


def run_summary(task: Task, *, model: str | None = None, label: str | None = None) -> RunSummary:
    """
    Return a task's run summary.

    :param model: the model as the user named it; default: as Wiro names it.
    :param label: the user's name for the run.
    :return: ``{"wiro_task_id", "model", "status", "state", "outputs": [{"index", "name", "content_type",
        "size" (bytes), "url"}], "text", "finish_reason", "usage", "elapsed_seconds", "cost_usd", "label",
        "reused"}``; what is not known is None. ``status`` is Wiro's word, ``state`` one of
        :class:`~airflow_provider_wiro.api.models.TaskState`, ``text`` an LLM's answer, ``finish_reason`` why
        it stopped, ``usage`` its ``{"input_tokens", "output_tokens", "total_tokens"}``, and ``cost_usd`` text
        for ``decimal.Decimal``: a float would lose digits. Names from a server are plain text in one line;
        ``text`` is data, exactly as the model wrote it.
    """
    return {
        "wiro_task_id": task.id,
        "model": plain_values(model or task.model),
        "status": plain(task.status, _LONGEST_NAME),
        "state": task.state.value,
        "outputs": [
            {
                "index": output.index,
                "name": plain(output.name, _LONGEST_NAME),
                "content_type": plain(output.content_type, _LONGEST_NAME) or None,
                "size": output.size,
                "url": plain_values(output.url),
            }
            for output in task.outputs
        ],
        "text": task.answer,
        "finish_reason": plain_values(task.finish_reason),
        "usage": task.usage,
        "elapsed_seconds": task.elapsed_seconds,
        "cost_usd": task.cost_usd,
        "label": plain(label or "", _LONGEST_NAME) or None,
        "reused": False,
    }


def accepted_summary(wiro_task_id: str, model: str, *, label: str | None = None) -> RunSummary:
    """Return the run summary of a task that was just accepted, and not polled since."""
    return run_summary(Task(id=wiro_task_id, status=TaskStatus.QUEUE.value), model=model, label=label)


def check_success(task: Task, *, min_outputs: int | None = None) -> Task:
    """
    Return a task that has succeeded.

    :param min_outputs: how many outputs it must have; None: any number, even 0.
    :raises WiroTaskCancelledError: it was cancelled or killed.
    :raises WiroTaskFailedError: it failed; the message ends with the model's last error lines.
    :raises WiroTooFewOutputsError: it has fewer outputs; the message ends with the model's last lines.
    """
    if task.has_succeeded:
        if has_enough_outputs(task, min_outputs):
            return task
        raise WiroTooFewOutputsError(
            f"Wiro task {task.id} succeeded, and is billed, with {_outputs(task)}; min_outputs asks for "
            f"{min_outputs} or more.{last_lines(task)}",
            wiro_task_id=task.id,
        )
    if task.is_cancelled:
        raise WiroTaskCancelledError(f"Wiro task {task.id} was cancelled.", wiro_task_id=task.id)
    raise WiroTaskFailedError(
        f"Wiro task {task.id} failed ({_how(task)}). Failed tasks are not billed.{last_lines(task)}",
        wiro_task_id=task.id,
    )


def has_enough_outputs(task: Task, min_outputs: int | None) -> bool:
    """Whether a task has at least ``min_outputs`` outputs. An LLM's answer is one."""
    return min_outputs is None or len(task.outputs) >= min_outputs


def success_warnings(task: Task) -> list[str]:
    """
    Return warnings about a task that succeeded: it has no outputs, or its answer is empty or incomplete.
    """
    if not task.outputs:
        return [f"Wiro task {task.id} succeeded without outputs.{last_lines(task)}"]
    return answer_warnings(task)


def answer_warnings(task: Task) -> list[str]:
    """Return warnings about an LLM's answer that is empty or incomplete."""
    if task.has_empty_answer:
        return [f"The answer of Wiro task {task.id} is empty. The run is billed anyway."]
    reason = task.finish_reason
    if reason is None or not is_cut_short(reason):
        return []
    why = f"finish_reason {reason!r}: {CUT_SHORT[reason.lower()]}"
    return [f"The answer of Wiro task {task.id} is incomplete ({why}). The run is billed anyway."]


def _outputs(task: Task) -> str:
    count = len(task.outputs)
    return "no outputs" if not count else f"{count} output{'' if count == 1 else 's'}"


def last_lines(task: Task) -> str:
    """Return a sentence that quotes the model's last lines, joined into one line."""
    lines = " | ".join(plain(line) for line in map(str.strip, task.last_error_lines.splitlines()) if line)
    return f" The model's last lines: {lines}" if lines else " The model left no error message."


def _how(task: Task) -> str:
    return (
        f"exit code {task.exit_code[:20]}"
        if task.exit_code
        else "it ended without outputs and without an exit code"
    )


def task_id_of(value: object) -> str:
    """
    Return the task's id from an id or a run summary.

    :raises WiroUsageError: it is neither.
    """
    if not isinstance(value, Mapping):
        return check_task_id(value)
    if "wiro_task_id" not in value:
        raise WiroUsageError(
            "Expected the id of a Wiro task, such as '2221', or a run summary, which has it as "
            f"`wiro_task_id`, found {_names_in(value)}."
        )
    return check_task_id(value["wiro_task_id"])


def model_of(value: object) -> str | None:
    """Return the model that a run summary names, None for anything else."""
    model = value.get("model") if isinstance(value, Mapping) else None
    return model if isinstance(model, str) else None


def label_of(value: object) -> str | None:
    """Return the label that a run summary has, None for anything else."""
    label = value.get("label") if isinstance(value, Mapping) else None
    return label if isinstance(label, str) and label.strip() else None


def _names_in(value: Mapping[Any, Any]) -> str:
    """Describe a dict by its first keys."""
    names = [repr(name)[:40] for name in islice(value, 5)]
    more = f" and {len(value) - len(names)} more" if len(value) > len(names) else ""
    return f"a dict of {', '.join(names)}{more}" if names else "an empty dict"

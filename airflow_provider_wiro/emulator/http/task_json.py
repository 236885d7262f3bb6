"""A task as JSON, as Wiro's responses show it: numbers are text, and unknown times are "0"."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.media.prose import answer_content
from airflow_provider_wiro.emulator.state.lifecycle import Status

if TYPE_CHECKING:
    from decimal import Decimal

    from airflow_provider_wiro.emulator.state.files import FileStore, StoredFile
    from airflow_provider_wiro.emulator.state.task import Task

OWN_PROJECT_ID = "1"
TEAMMATES_PROJECT_ID = "2"
_TIMES = {
    "accepttime": Status.ACCEPT,
    "preprocessstarttime": Status.PREPROCESS_START,
    "preprocessendtime": Status.PREPROCESS_END,
    "assigntime": Status.ASSIGN,
    "starttime": Status.START,
    "postprocessstarttime": Status.POSTPROCESS_START,
    "postprocessendtime": Status.POSTPROCESS_END,
}
_BRIEF = frozenset({"id", "taskid", "status"})
_NUMERIC = (
    "id",
    "elapsedseconds",
    "totalcost",
    "cps",
    "size",
    "pexit",
    "createtime",
    "canceltime",
    "endtime",
    *_TIMES,
)


def task_json(task: Task, store: FileStore, cdn_url: str, now: float) -> dict[str, Any]:
    """Return one item of `tasklist`, as `Task/Detail` shows it at `now`."""
    outputs = outputs_json(task, store, cdn_url, now)
    fields = _record(task, cdn_url, now)
    fields |= {
        "debugoutput": _debug_output(task, now),
        "debugerror": _debug_error(task, now),
        "outputs": outputs,
        "size": str(sum(int(output.get("size", 0)) for output in outputs)),
    }
    return _deviated(fields, task, now)


def abridged_task_json(task: Task, cdn_url: str, now: float) -> dict[str, Any]:
    """
    Return one item of `Task/List`, which lacks the outputs, their size and the logs.

    The list is known from the official client only, which accepts a shorter form: so this is what it gets.
    """
    fields = _deviated(_record(task, cdn_url, now), task, now)
    if task.deviation.is_listed_in_brief:
        return {name: value for name, value in fields.items() if name in _BRIEF}
    return fields


def outputs_json(task: Task, store: FileStore, cdn_url: str, now: float) -> list[dict[str, Any]]:
    """Return the outputs of a task: files with URLs, or a language model's structured answer."""
    if not task.has_succeeded(now) or task.files_deleted or not task.deviation.makes_outputs:
        return []
    if task.rendering.answer is not None:
        deviation = task.deviation
        content = answer_content(task.rendering.answer, deviation.answer_shape, deviation.finish_reason)
        return [{"contenttype": "raw", "content": content}]
    return [_output(file, task, cdn_url, now) for file in task.outputs(store, now)]


def _record(task: Task, cdn_url: str, now: float) -> dict[str, Any]:
    model, parameters = task.inputs.model, _parameters(task, cdn_url)
    history = task.lifecycle.history(now)
    # Reversed, so that the first step counts of a status that the task passes twice.
    started_at = {step.status: step.moment for step in reversed(history)}
    return {
        "id": task.id,
        "uuid": task.uuid,
        "socketaccesstoken": task.token,
        "parameters": json.dumps(parameters) if task.deviation.parameters_as_text else parameters,
        "status": task.status(now),
        "pexit": _exit_code(task, now),
        "elapsedseconds": f"{task.elapsed_seconds(now):.4f}",
        "totalcost": _amount(task.cost(now)) if task.cost_is_recorded(now) else "0",
        "cps": model.cps,
        "createtime": _moment(task.lifecycle.created),
        "canceltime": _moment(started_at.get(Status.CANCEL)),
        "endtime": _moment(task.ended(now)),
        **{name: _moment(started_at.get(status)) for name, status in _TIMES.items()},
        "projectid": TEAMMATES_PROJECT_ID if task.is_teammates else task.project_id or OWN_PROJECT_ID,
        "outputfolderid": "0" if task.files_deleted else task.folder_id,
        "modelid": model.id,
        "modelslugowner": model.clean_owner,
        "modelslugproject": model.clean_project,
        "modeldescription": model.description,
        "categories": json.dumps(list(model.categories)),
        "runtype": "model",
        "callbackurl": task.callback_url,
    }


def _output(file: StoredFile, task: Task, cdn_url: str, now: float) -> dict[str, Any]:
    deviation, entry = task.deviation, file.to_json(cdn_url) | {"uuid": task.uuid}
    if deviation.output_url is not None:
        entry["url"] = deviation.output_url
    if deviation.hides_late_links and now < file.appears:
        entry["url"] = ""
    if deviation.output_size is not None:
        entry["size"] = deviation.output_size
    if deviation.without_output_size:
        del entry["size"]
    return entry


def _parameters(task: Task, cdn_url: str) -> dict[str, Any]:
    uploads = {
        name: urls[0] if len(urls) == 1 else urls
        for name, files in task.input_files.items()
        if (urls := [file.url(cdn_url) for file in files])
    }
    return task.parameters | uploads


def _exit_code(task: Task, now: float) -> str | None:
    return task.deviation.exit_code if task.status(now) == Status.POSTPROCESS_END else None


def _debug_error(task: Task, now: float) -> str:
    # From the failure on, also after a requeue: a log keeps its lines.
    failed = task.lifecycle.moment_of(Status.ERROR, now) is not None
    return task.deviation.debug_error if failed or task.ended(now) is not None else ""


def _debug_output(task: Task, now: float) -> str:
    if task.lifecycle.moment_of(Status.END, now) is None:
        return ""
    if task.deviation.debug_output is not None:
        return task.deviation.debug_output
    if task.deviation.succeeds and task.rendering.answer is not None:
        return task.rendering.answer.merged
    return ""


def _deviated(fields: dict[str, Any], task: Task, now: float) -> dict[str, Any]:
    """Return the fields of a task with what its deviation removes, spells or names differently."""
    deviation = task.deviation
    if deviation.exit_code is None:
        del fields["pexit"]
    if deviation.cost_is_missing and not task.cost_is_recorded(now):
        del fields["totalcost"]
    for name in deviation.missing_fields:
        fields.pop(name, None)
    if deviation.numbers_as_numbers:
        _convert(fields, _NUMERIC)
        for output in fields.get("outputs", ()):
            _convert(output, ("size", "addedtime"))
    if deviation.kit_fields:
        for documented, kits in (("id", "taskid"), ("outputs", "output")):
            if documented in fields:
                fields[kits] = fields.pop(documented)
    return fields


def _convert(fields: dict[str, Any], names: tuple[str, ...]) -> None:
    """Turn the named texts that are set into numbers."""
    for name in names:
        if text := fields.get(name):
            fields[name] = int(text) if text.lstrip("-").isdigit() else float(text)


def _moment(moment: float | None) -> str:
    return "0" if moment is None else str(int(moment))


def _amount(amount: Decimal) -> str:
    return f"{amount:f}" if amount else "0"

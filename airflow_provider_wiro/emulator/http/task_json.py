"""A task as Wiro's answers show it: numbers as text, times of "0" for "not yet"."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.media.prose import shaped
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
_NUMERIC = (
    "id",
    "elapsedseconds",
    "totalcost",
    "cps",
    "size",
    "createtime",
    "canceltime",
    "endtime",
    *_TIMES,
)


def task_to_wire(task: Task, store: FileStore, cdn_url: str, now: float) -> dict[str, Any]:
    """Return one item of `tasklist`, as Detail shows it at `now`."""
    outputs = outputs_to_wire(task, store, cdn_url, now)
    fields = _record(task, cdn_url, now)
    fields |= {
        "debugoutput": _debug_output(task, now),
        "debugerror": _debug_error(task, now),
        "outputs": outputs,
        "size": str(sum(int(output.get("size", 0)) for output in outputs)),
    }
    return _twisted(fields, task, now)


def task_to_wire_abridged(task: Task, cdn_url: str, now: float) -> dict[str, Any]:
    """
    Return one item of `Task/List`, which lacks the outputs, their size and the logs.

    The list is known from the official client only, which copes with a shorter form: that is what it gets.
    """
    return _twisted(_record(task, cdn_url, now), task, now)


def _record(task: Task, cdn_url: str, now: float) -> dict[str, Any]:
    model, parameters = task.inputs.model, _parameters(task, cdn_url)
    history = task.life.history(now)
    ended = task.ended(now)
    # The first of its kind, should a detour lead to the same status twice.
    began = {step.status: step.moment for step in reversed(history)}
    return {
        "id": task.id,
        "uuid": task.uuid,
        "socketaccesstoken": task.token,
        "parameters": json.dumps(parameters) if task.twist.parameters_as_text else parameters,
        "status": history[-1].status if history else task.status(now),
        "pexit": _exit_code(task, now),
        "elapsedseconds": f"{task.elapsed_seconds(now):.4f}",
        "totalcost": _amount(task.cost(now)) if task.cost_is_recorded(now) else "0",
        "cps": model.cps,
        "createtime": str(int(task.life.steps[0].moment)),
        "canceltime": _moment(began.get(Status.CANCEL)),
        "endtime": _moment(ended),
        **{name: _moment(began.get(status)) for name, status in _TIMES.items()},
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


def outputs_to_wire(task: Task, store: FileStore, cdn_url: str, now: float) -> list[dict[str, Any]]:
    """Return what a finished task made: files with URLs, or a language model's structured answer."""
    if not task.has_succeeded(now) or task.files_deleted or not task.twist.makes_outputs:
        return []
    if task.rendering.answer is not None:
        content = shaped(task.rendering.answer, task.twist.answer_shape, task.twist.finish_reason)
        return [{"contenttype": "raw", "content": content}]
    return [_output(file, task, cdn_url, now) for file in task.outputs(store, now)]


def _output(file: StoredFile, task: Task, cdn_url: str, now: float) -> dict[str, Any]:
    twist, entry = task.twist, file.to_wire(cdn_url) | {"uuid": task.uuid}
    if twist.output_url is not None:
        entry["url"] = twist.output_url
    if twist.hides_late_links and now < file.appears:
        entry["url"] = ""
    if twist.output_size is not None:
        entry["size"] = twist.output_size
    if twist.without_output_size:
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
    if task.twist.exit_code is not None and task.status(now) == Status.POSTPROCESS_END:
        return task.twist.exit_code
    return None


def _debug_error(task: Task, now: float) -> str:
    # From the failure on, also after a requeue: a log isn't taken back.
    failed = task.life.moment_of(Status.ERROR, now) is not None
    return task.twist.debug_error if failed or task.ended(now) is not None else ""


def _debug_output(task: Task, now: float) -> str:
    if task.life.moment_of(Status.END, now) is None:
        return ""
    if task.twist.debug_output is not None:
        return task.twist.debug_output
    if task.twist.succeeds and task.rendering.answer is not None:
        return task.rendering.answer.merged
    return ""


def _twisted(fields: dict[str, Any], task: Task, now: float) -> dict[str, Any]:
    if task.twist.exit_code is None:
        del fields["pexit"]
    if task.twist.cost_is_missing and not task.cost_is_recorded(now):
        del fields["totalcost"]
    for name in task.twist.missing_fields:
        fields.pop(name, None)
    if task.twist.numbers_as_numbers:
        for name in _NUMERIC:
            if fields.get(name):
                fields[name] = _as_number(fields[name])
        if fields.get("pexit"):
            fields["pexit"] = _as_number(fields["pexit"])
        for output in fields.get("outputs", ()):
            output.update({key: _as_number(output[key]) for key in ("size", "addedtime") if key in output})
    if task.twist.kit_fields:
        for documented, kits in (("id", "taskid"), ("outputs", "output")):
            if documented in fields:
                fields[kits] = fields.pop(documented)
    return fields


def _as_number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _moment(moment: float | None) -> str:
    return "0" if moment is None else str(int(moment))


def _amount(amount: Decimal) -> str:
    return f"{amount:f}" if amount else "0"

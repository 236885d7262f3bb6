"""
Wiro's endpoints: for each call, what to send and how to read the response.

Only this module, ``responses`` and ``models`` know the words of Wiro's JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow_provider_wiro.api.catalog import Model, ModelParameter
from airflow_provider_wiro.api.decoding.fields import text
from airflow_provider_wiro.api.models import StartedRun, Task, UploadedFile
from airflow_provider_wiro.api.oversized import task_from_beginning, task_from_list
from airflow_provider_wiro.api.parameters import (
    Body,
    FileContent,
    FileValue,
    check_web_url,
    described,
    run_body,
    slug_path,
    split_slug,
)
from airflow_provider_wiro.api.responses import LARGE_BODY_BYTES, MAX_BODY_BYTES
from airflow_provider_wiro.exceptions import WiroNotFoundError, WiroResponseError, WiroUsageError
from airflow_provider_wiro.redaction.secret_values import secret_values

if TYPE_CHECKING:
    from airflow_provider_wiro.api.responses import Envelope

T = TypeVar("T")

#: The most Task/List and Tool/List return at once.
MAX_PAGE = 100
#: An id longer than this is not one of Wiro's.
MAX_ID_LENGTH = 200


@dataclass(frozen=True)
class ApiCall(Generic[T]):
    """
    One call of Wiro's API. Every call is a POST.

    :ivar path: below the base URL, percent-encoded, without a leading slash.
    :ivar read: turns the envelope of a success into the value; raises WiroResponseError if it can't.
    :ivar is_repeatable: False only for Run, which starts (and bills) a second task when repeated.
    :ivar only_names_tasks: the call has no model's parameters, so an error that doesn't say what is wrong
        with the request is the server's own, and temporary.
    :ivar max_body_bytes: the largest response that is read.
    :ivar read_beginning: turns the start of a larger response into the value; None where it can't be.
    :ivar instead: returns the call to make if that start isn't enough.
    :ivar wiro_task_id: the call's task, which the error for an unknown task names.
    :ivar secrets: words of the body that no error message may repeat if the response echoes them.
    """

    path: str
    body: Body
    read: Callable[[Envelope], T]
    is_repeatable: bool = True
    only_names_tasks: bool = False
    max_body_bytes: int = MAX_BODY_BYTES
    read_beginning: Callable[[bytes], T] | None = None
    instead: Callable[[], ApiCall[T]] | None = None
    wiro_task_id: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


def run_model(
    model: str,
    parameters: Mapping[str, Any],
    files: Mapping[str, Sequence[FileValue]],
    known: Sequence[ModelParameter] = (),
    *,
    callback_url: str | None = None,
    project_id: str | None = None,
) -> ApiCall[StartedRun]:
    """Run/{owner}/{model}: start, and pay for, a task."""
    if callback_url:
        check_web_url(callback_url, "`callback_url`")
    extra = {"callbackUrl": callback_url, "projectid": project_id}
    given = {**parameters, **{name: value for name, value in extra.items() if value}}
    return ApiCall(
        f"Run/{slug_path(model)}",
        run_body(given, files, known),
        _started_run,
        is_repeatable=False,
        secrets=secret_values(given),
    )


def get_task(wiro_task_id: str) -> ApiCall[Task]:
    """Task/Detail of one task."""
    checked = check_task_id(wiro_task_id)

    def read(envelope: Envelope) -> Task:
        task = _only_task(envelope)
        if task is None:
            raise WiroResponseError(f"Asked for Wiro task {checked}, the response held no task.")
        if task.id not in {"", checked}:
            raise WiroResponseError(f"Asked for Wiro task {checked}, the response was about another one.")
        return replace(task, id=checked)

    def listed() -> ApiCall[Task]:
        """Request the task list, which usually omits what makes a Detail large."""
        fields = _newest_tasks(0, MAX_PAGE)
        return _large_call("Task/List", fields, lambda found: task_from_list(checked, _tasks(found)))

    return ApiCall(
        "Task/Detail",
        Body(json=json.dumps({"taskid": checked})),
        read,
        only_names_tasks=True,
        max_body_bytes=LARGE_BODY_BYTES,
        read_beginning=lambda body: task_from_beginning(checked, body),
        instead=listed,
        wiro_task_id=checked,
    )


def list_tasks(
    *, start: int = 0, limit: int = 20, model_name: str | None = None
) -> ApiCall[tuple[Task, ...]]:
    """Task/List: the project's latest tasks, newest first. Items may be abridged."""
    fields = _newest_tasks(start, limit)
    if model_name:
        fields["modelName"] = model_name
    call = _large_call("Task/List", fields, lambda envelope: tuple(_tasks(envelope)))
    return replace(call, only_names_tasks=True)


def cancel_task(wiro_task_id: str) -> ApiCall[Task | None]:
    """Task/Cancel: works only while the task is queued."""
    return _stop_call("Task/Cancel", wiro_task_id)


def kill_task(wiro_task_id: str) -> ApiCall[Task | None]:
    """Task/Kill: works only once a worker is assigned."""
    return _stop_call("Task/Kill", wiro_task_id)


def delete_task_files(token: str) -> ApiCall[None]:
    """
    Task/InputOutputDelete: remove a finished task's inputs and outputs from Wiro. Takes the task's token.
    """
    call = _json_call("Task/InputOutputDelete", {"tasktoken": token}, lambda _: None)
    return replace(call, secrets=(token,))


def upload_file(file: FileContent, *, folder_id: str | None = None) -> ApiCall[UploadedFile]:
    """File/Upload: put a file into the project's storage."""
    folder = (("folderid", folder_id),) if folder_id else ()
    return ApiCall("File/Upload", Body(form=(*folder, ("file", file))), _uploaded_file)


def get_model(model: str) -> ApiCall[Model]:
    """Tool/Detail: a model with its parameters and prices."""
    owner, name = split_slug(model)

    def read(envelope: Envelope) -> Model:
        found = _items(envelope, "tool")
        if not found:
            raise WiroNotFoundError(f"Wiro has no model {owner}/{name}.")
        return Model.from_wire(found[0])

    # The request only names a model: an error without a reason is the server's own, and temporary.
    call = _large_call("Tool/Detail", {"slugowner": owner, "slugproject": name}, read)
    return replace(call, only_names_tasks=True)


def list_models(
    *,
    search: str | None = None,
    owner: str | None = None,
    categories: Sequence[str] = (),
    start: int = 0,
    limit: int = 20,
) -> ApiCall[tuple[Model, ...]]:
    """Tool/List: a page of the catalogue, without parameters."""
    fields: dict[str, Any] = {**_page(start, limit), "hideworkflows": True, "summary": True}
    if search:
        fields |= {"search": search, "sort": "relevance"}
    if owner:
        fields["slugowner"] = owner
    if categories:
        fields["categories"] = list(categories)
    return _large_call(
        "Tool/List",
        fields,
        lambda envelope: tuple(Model.from_wire(item) for item in _items(envelope, "tool")),
    )


def check_task_id(wiro_task_id: object) -> str:
    """
    Return a Wiro task's id as stripped text.

    :raises WiroUsageError: it is empty, too long, or neither printable text nor a number.
    """
    found = text(wiro_task_id).strip()
    is_text = bool(found) and found.isprintable() and " " not in found and not found.startswith("-")
    if not is_text or len(found) > MAX_ID_LENGTH or found in {"None", "0"}:
        raise WiroUsageError(
            f"Expected the id of a Wiro task, such as '2221', found {described(wiro_task_id)}. "
            f"{_task_id_hint(wiro_task_id, found)}"
        )
    return found


def _task_id_hint(given: object, found: str) -> str:
    """Say what to write instead."""
    if given is None or found == "None":
        return (
            "Its task has returned nothing (as `wiro_task_id`), or isn't upstream: give `run.output`, "
            "which also makes it upstream."
        )
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return "For the runs of several tasks, map it: `.partial(…).expand(wiro_task_id=run.output)`."
    return "Give the output of the task that starts the run (`run.output`), or its `wiro_task_id`."


def _json_call(path: str, fields: Mapping[str, Any], read: Callable[[Envelope], T]) -> ApiCall[T]:
    return ApiCall(path, Body(json=json.dumps(fields)), read)


def _stop_call(path: str, wiro_task_id: str) -> ApiCall[Task | None]:
    checked = check_task_id(wiro_task_id)
    call = _json_call(path, {"taskid": checked}, _only_task)
    return replace(call, only_names_tasks=True, wiro_task_id=checked)


def _large_call(path: str, fields: Mapping[str, Any], read: Callable[[Envelope], T]) -> ApiCall[T]:
    return ApiCall(path, Body(json=json.dumps(fields)), read, max_body_bytes=LARGE_BODY_BYTES)


def _newest_tasks(start: int, limit: int) -> dict[str, str]:
    return {"type": "model", "sort": "id", "order": "DESC", **_page(start, limit)}


def _page(start: int, limit: int) -> dict[str, str]:
    if not 1 <= limit <= MAX_PAGE or start < 0:
        raise WiroUsageError(
            f"Expected start >= 0 and limit from 1 to {MAX_PAGE}, found {start} and {limit}."
        )
    return {"start": str(start), "limit": str(limit)}


def _started_run(envelope: Envelope) -> StartedRun:
    try:
        wiro_task_id = check_task_id(envelope.get("taskid"))
    except WiroUsageError as error:
        raise WiroResponseError("Wiro accepted the run, but its response has no usable task id.") from error
    return StartedRun(wiro_task_id, text(envelope.get("socketaccesstoken")) or None)


def _uploaded_file(envelope: Envelope) -> UploadedFile:
    files = [UploadedFile.from_wire(item) for item in _items(envelope, "list")]
    if not files or not files[0].url:
        raise WiroResponseError("Wiro accepted the file, but its response has no URL for it.")
    return files[0]


def _only_task(envelope: Envelope) -> Task | None:
    return next(iter(_tasks(envelope)), None)


def _tasks(envelope: Envelope) -> list[Task]:
    return [Task.from_wire(item) for item in _items(envelope, "tasklist")]


def _items(envelope: Envelope, name: str) -> list[Mapping[str, Any]]:
    items = envelope.get(name)
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []

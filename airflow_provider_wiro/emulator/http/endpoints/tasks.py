"""Looking at tasks: `Task/Detail` and `Task/List`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.catalog import MODELS
from airflow_provider_wiro.emulator.envelope import VALIDATION, ApiError, no_such_task, no_such_token, success
from airflow_provider_wiro.emulator.http.endpoints.paging import page_of
from airflow_provider_wiro.emulator.http.task_json import task_to_wire, task_to_wire_abridged

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.catalog.model import Model
    from airflow_provider_wiro.emulator.http.request_body import Body
    from airflow_provider_wiro.emulator.state.task import Task
    from airflow_provider_wiro.emulator.state.world import World


def detail(world: World, body: Body) -> dict[str, Any]:
    """Answer one task, named by its id or its token."""
    task = named_task(world, body, by="tasktoken")
    return success(total="1", tasklist=[task_to_wire(task, world.files, world.cdn_url, world.now())])


def list_tasks(world: World, body: Body) -> dict[str, Any]:
    """Answer the project's tasks, by default the newest first, in the abridged form."""
    tasks = list(world.tasks)
    if wanted := body.text("modelName").lower():
        models = {model.id for model in MODELS if _matches(model, wanted)}
        tasks = [task for task in tasks if task.inputs.model.id in models]
    if body.text("order").upper() != "ASC":
        tasks.reverse()
    shown = page_of(tasks, body, default_limit=20)
    now = world.now()
    items = [task_to_wire_abridged(task, world.cdn_url, now) for task in shown]
    return success(total=str(len(tasks)), tasklist=items)


def named_task(world: World, body: Body, *, by: str | None = None) -> Task:
    """Return the task that a body names by its id or, where `by` names a field for it, by its token."""
    task_id, token = body.text("taskid"), body.text(by) if by else ""
    if not task_id and not token:
        fields = "taskid" if by is None else "taskid or socketaccesstoken"
        raise ApiError(VALIDATION, f"{fields} is required")
    task = world.tasks.by_id(task_id) if task_id else world.tasks.by_token(token)
    if task is None:
        raise no_such_task() if task_id else no_such_token()
    return task


def _matches(model: Model, wanted: str) -> bool:
    # "Optional model slug or partial model name", says the official client.
    names = (model.slug, f"{model.clean_owner}/{model.clean_project}", model.title)
    return any(wanted in name.lower() for name in names)

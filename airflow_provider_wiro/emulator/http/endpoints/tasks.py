"""
Tasks: `Task/Detail`, `Task/List`, `Task/Cancel`, `Task/Kill` and `Task/InputOutputDelete`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.catalog import MODELS
from airflow_provider_wiro.emulator.envelope import NOT_FOUND, VALIDATION, ApiError, success
from airflow_provider_wiro.emulator.http.endpoints.paging import page_of
from airflow_provider_wiro.emulator.http.task_json import abridged_task_json, task_json
from airflow_provider_wiro.emulator.state.lifecycle import WITHOUT_A_WORKER, Status

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.catalog.model import Model
    from airflow_provider_wiro.emulator.generation.inputs import RequestBody
    from airflow_provider_wiro.emulator.state.task import Task
    from airflow_provider_wiro.emulator.state.world import World


def detail(world: World, body: RequestBody) -> dict[str, Any]:
    """Return one task, named by its id or its token."""
    task = _named_task(world, body, by="tasktoken")
    return success(total="1", tasklist=[_json(world, task)])


def list_tasks(world: World, body: RequestBody) -> dict[str, Any]:
    """Return the project's tasks in the abridged form, by default the newest first."""
    tasks = [task for task in world.tasks if not task.is_forgotten]
    if wanted := body.text("modelName").lower():
        models = {model.id for model in MODELS if _matches(model, wanted)}
        tasks = [task for task in tasks if task.inputs.model.id in models]
    if body.text("order").upper() != "ASC":
        tasks.reverse()
    shown = page_of(tasks, body)
    now = world.now()
    items = [abridged_task_json(task, world.cdn_url, now) for task in shown]
    return success(total=str(len(tasks)), tasklist=items)


def cancel(world: World, body: RequestBody) -> dict[str, Any]:
    """
    Stop a task that still waits in the queue.

    Accepts the id only: sources contradict each other about tokens, and the official client looks up the id
    first.
    """
    task = _named_task(world, body)
    if task.status(world.now()) != Status.QUEUE:
        raise ApiError(NOT_FOUND, "Task is not in a cancellable state.")
    world.stop(task)
    return success(tasklist=[_json(world, task)])


def kill(world: World, body: RequestBody) -> dict[str, Any]:
    """
    Stop a task that has a worker.

    Neither `cancel` nor `kill` can stop a task that has left the queue and has no worker yet.
    """
    task = _named_task(world, body, by="socketaccesstoken")
    now = world.now()
    if task.status(now) == Status.QUEUE:
        raise ApiError(NOT_FOUND, "Task could not be killed: it is still in the queue.")
    if task.is_terminal(now):
        raise ApiError(NOT_FOUND, "Task could not be killed: it is not running.")
    if world.settings.kill_from == "assign" and task.status(now) in WITHOUT_A_WORKER:
        raise ApiError(NOT_FOUND, "Task could not be killed: it is not assigned to a worker yet.")
    world.stop(task)
    return success(tasklist=[_json(world, task)])


def delete_files(world: World, body: RequestBody) -> dict[str, Any]:
    """Remove the inputs and outputs of a task that has ended; a repetition is no error."""
    task = world.tasks.by_token(body.text("tasktoken"))
    if task is None:
        raise ApiError(NOT_FOUND, "task-not-exist")
    if not task.is_terminal(world.now()):
        raise ApiError(VALIDATION, "Task must be completed or cancelled before deleting files")
    task.delete_files(world.files, world.cdn_url)
    return success()


def _named_task(world: World, body: RequestBody, *, by: str | None = None) -> Task:
    """Return the task that a body names by its id or, in the field `by`, by its token."""
    task_id, token = body.text("taskid"), body.text(by) if by else ""
    if not task_id and not token:
        fields = "taskid" if by is None else "taskid or socketaccesstoken"
        raise ApiError(VALIDATION, f"{fields} is required")
    task = world.tasks.by_id(task_id) if task_id else world.tasks.by_token(token)
    if task is None:
        raise ApiError(NOT_FOUND, "There is no task yet." if task_id else "task-not-founded")
    return task


def _json(world: World, task: Task) -> dict[str, Any]:
    return task_json(task, world.files, world.cdn_url, world.now())


def _matches(model: Model, wanted: str) -> bool:
    # "Optional model slug or partial model name", says the official client.
    names = (model.slug, f"{model.clean_owner}/{model.clean_project}", model.title)
    return any(wanted in name.lower() for name in names)

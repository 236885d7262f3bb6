"""Stopping tasks and removing their files: `Task/Cancel`, `Task/Kill`, `Task/InputOutputDelete`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.envelope import NOT_FOUND, VALIDATION, ApiError, success
from airflow_provider_wiro.emulator.http.endpoints.tasks import named_task
from airflow_provider_wiro.emulator.http.task_json import task_to_wire
from airflow_provider_wiro.emulator.state.lifecycle import BEFORE_A_WORKER

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.http.request_body import Body
    from airflow_provider_wiro.emulator.state.task import Task
    from airflow_provider_wiro.emulator.state.world import World


def cancel(world: World, body: Body) -> dict[str, Any]:
    """
    Stop a task that still waits in the queue.

    Takes the id alone: sources contradict each other about tokens, and the official client looks the id up
    first.
    """
    task = named_task(world, body)
    if world.queue_is_left(task):
        raise ApiError(NOT_FOUND, "Task is not in a cancellable state.")
    return _stopped(world, task)


def kill(world: World, body: Body) -> dict[str, Any]:
    """
    Stop a task that a worker has. One that was taken out of the queue and has no worker yet can be stopped
    by neither call.
    """
    task = named_task(world, body, by="socketaccesstoken")
    if not world.queue_is_left(task):
        raise ApiError(NOT_FOUND, "Task could not be killed: it is still in the queue.")
    if task.is_terminal(world.now()):
        raise ApiError(NOT_FOUND, "Task could not be killed: it is not running.")
    if world.settings.kill_from == "assign" and task.status(world.now()) in BEFORE_A_WORKER:
        raise ApiError(NOT_FOUND, "Task could not be killed: it is not assigned to a worker yet.")
    return _stopped(world, task)


def delete_files(world: World, body: Body) -> dict[str, Any]:
    """Remove the inputs and outputs of a task that is over; doing so again is no error."""
    task = world.tasks.by_token(body.text("tasktoken"))
    if task is None:
        raise ApiError(NOT_FOUND, "task-not-exist")
    if not task.is_terminal(world.now()):
        raise ApiError(VALIDATION, "Task must be completed or cancelled before deleting files")
    task.delete_files(world.files, world.cdn_url)
    return success()


def _stopped(world: World, task: Task) -> dict[str, Any]:
    world.stop(task)
    return success(tasklist=[task_to_wire(task, world.files, world.cdn_url, world.now())])

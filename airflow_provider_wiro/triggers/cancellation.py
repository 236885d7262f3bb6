"""Stopping the Wiro tasks of a killed trigger, but not those of one that moves to another triggerer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.cancellation.mass_stop import MassStop
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook
from airflow_provider_wiro.recovery.lost_run_digests import LostRunDigests, find_to_stop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

#: A stop in the background must not be garbage collected before it is done.
_STOPPING: set[asyncio.Task[None]] = set()
#: The last request of a stop is sent within this; and how much longer it may take.
_STOP_PATIENCE_SECONDS = 25.0
_GRACE_SECONDS = 60.0
#: States in which no try follows a Wiro task any more: what a user's click, or a last try, leaves behind.
_OVER = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


@dataclass(frozen=True)
class TasksToStop:
    """
    The Wiro tasks that a trigger waits for.

    :ivar wiro_conn_id: the Airflow connection by which to stop them.
    :ivar is_running: id → whether the task was seen after it left the queue.
    :ivar is_recorded: a later try finds the tasks.
    :ivar unknown_runs: how many Runs may have started tasks that are not known.
    :ivar lost_runs: stored digests of these Runs, by which their tasks are searched for. None: they can't be.
    """

    wiro_conn_id: str
    is_running: Mapping[str, bool]
    is_recorded: bool = True
    unknown_runs: int = 0
    lost_runs: Mapping[str, Any] | None = None


async def on_cancelled(on_kill: Callable[[], Awaitable[None]]) -> None:
    """
    Do what ``on_kill`` does, where Airflow doesn't call it.

    Before Airflow 3.3 there is no on_kill; a cancelled trigger was killed by a user, or just moved.
    """
    if not hasattr(BaseTrigger, "on_kill"):
        await on_kill()


def is_abandoned(state: str | None, *, is_recorded: bool) -> bool:
    """
    Whether nobody follows the Wiro tasks of a task instance whose trigger was cancelled.

    A triggerer cancels a trigger in the same way when a user has ended the task instance, and when it finds
    that another triggerer has taken the trigger over, since it was idle for too long. By then the task
    instance may have been resumed: it is scheduled, queued or running between two deferrals, or waits for a
    retry. So only a final state says that a user has ended it. After a Clear the next try picks up what runs,
    if there is a record of it; without one, everything but "deferred" says that nobody follows.

    :param state: of the task instance, None once it was cleared.
    :param is_recorded: a later try finds the Wiro tasks.
    """
    return state in _OVER or (not is_recorded and state != "deferred")


async def stop_if_abandoned(
    task_instance: Any, tasks: TasksToStop, log: Any, after: Callable[[], Awaitable[None]]
) -> None:
    """
    Stop Wiro tasks, all at once, if a user has ended their Airflow task.

    Airflow 3.3 cancels ``on_kill`` a second time after one second, so the work is done in a task of its own.

    :param after: called once they are stopped.
    """
    await _shielded(_stop_if_abandoned(task_instance, tasks, log, after))


async def warn_if_abandoned(task_instance: Any, what: str, log: Any) -> None:
    """
    Log, if a user has ended an Airflow task, what its trigger can't stop. A later try would follow it.

    :param what: it is, as a sentence begins.
    """
    await _shielded(_warn_if_abandoned(task_instance, what, log))


async def _shielded(work: Coroutine[Any, Any, None]) -> None:
    """Do work to its end, also if the caller is cancelled."""
    stopping = asyncio.ensure_future(work)
    _STOPPING.add(stopping)
    stopping.add_done_callback(_STOPPING.discard)
    await asyncio.shield(stopping)


async def _warn_if_abandoned(task_instance: Any, what: str, log: Any) -> None:
    try:
        state = await version_compat.task_instance_state(task_instance)
    except Exception as error:
        log.warning("Airflow doesn't say why this trigger is cancelled: %s", error)
        state = "failed"  # a warning too many costs nothing
    if is_abandoned(state, is_recorded=True):
        log.warning("%s can't be stopped from here. Look in the dashboard at wiro.ai.", what)


async def _stop_if_abandoned(
    task_instance: Any, tasks: TasksToStop, log: Any, after: Callable[[], Awaitable[None]]
) -> None:
    what = _name(tasks.is_running)
    try:
        state = await version_compat.task_instance_state(task_instance)
        if not is_abandoned(state, is_recorded=tasks.is_recorded):
            log.info(
                "This trigger moves to another triggerer; %s %s left running (the Airflow task is %s).",
                what,
                "is" if len(tasks.is_running) == 1 else "are",
                state or "cleared",
            )
            return
        if tasks.unknown_runs and tasks.lost_runs is None:
            log.warning(
                "The responses to %d Runs were lost. A trigger doesn't know what the Runs were, so the Wiro "
                "tasks they may have started were not looked for: they may run, and be billed. Look in the "
                "dashboard at wiro.ai.",
                tasks.unknown_runs,
            )
        if not tasks.is_running and tasks.lost_runs is None:
            return
        async with WiroAsyncHook(tasks.wiro_conn_id) as hook:
            await hook.get_wiro_connection()  # here: Airflow gives connections to tasks that it knows
            is_running = {**dict.fromkeys(await _find_lost(hook, tasks, log), False), **tasks.is_running}
            if not is_running:
                return
            what = _name(is_running)
            stops = MassStop(hook, patience_seconds=_STOP_PATIENCE_SECONDS)
            for wiro_task_id, running in is_running.items():
                stops.add(wiro_task_id, is_running=running)
            await stops.wait(_STOP_PATIENCE_SECONDS + _GRACE_SECONDS)
            await stops.leave()
        stops.report(log.warning)
        if not stops.problems:
            log.info("Stopped %s, as its Airflow task was stopped.", what)
        await after()
    except Exception:
        # Nobody awaits this to the end, so what goes wrong must be logged here.
        log.exception("Could not stop %s; it may still run.", what)


async def _find_lost(hook: WiroAsyncHook, tasks: TasksToStop, log: Any) -> list[str]:
    """Return the tasks that certainly are the lost Runs'; none if that can't be found out."""
    if tasks.lost_runs is None:
        return []
    found: list[str] = []
    try:
        lost = LostRunDigests.from_json(tasks.lost_runs)
        async with asyncio.timeout(_STOP_PATIENCE_SECONDS):
            found = await hook.run_flow(
                lambda context: find_to_stop(
                    context,
                    lost.runs,
                    lost.known_ids,
                    patience_seconds=lost.patience_seconds,
                    call_patience_seconds=_STOP_PATIENCE_SECONDS,
                )
            )
    except (WiroError, TimeoutError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("Wiro's task list can't be searched for the tasks of lost Runs: %r", error)
    if len(found) < tasks.unknown_runs:
        log.warning(
            "The responses to %d Runs were lost, and the Wiro tasks of %d of them are not, or not yet, found "
            "in Wiro's list: they may run, and be billed. Look in the dashboard at wiro.ai.",
            tasks.unknown_runs,
            tasks.unknown_runs - len(found),
        )
    return found


def _name(ids: Mapping[str, bool]) -> str:
    if not ids:
        return "the Wiro tasks of lost Runs"
    return f"Wiro task {next(iter(ids))}" if len(ids) == 1 else f"{len(ids)} Wiro tasks"

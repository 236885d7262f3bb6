"""What a killed trigger does about its Wiro tasks, and what a trigger that merely moves must not do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

#: A stop in the background must not be garbage collected before it is done.
_STOPPING: set[asyncio.Task[None]] = set()
#: How long a stop may take in all.
_STOP_PATIENCE_SECONDS = 25.0


async def on_cancelled(on_kill: Callable[[], Awaitable[None]]) -> None:
    """
    Do what ``on_kill`` does, where Airflow doesn't call it.

    Before Airflow 3.3 there is no on_kill; a cancelled trigger was killed by a user, or just moved.
    """
    if not hasattr(BaseTrigger, "on_kill"):
        await on_kill()


async def stop_unless_moved(
    task_instance: Any, wiro_conn_id: str, is_running: Mapping[str, bool], log: Any
) -> None:
    """
    Stop Wiro tasks, all at once, if a user has ended their Airflow task.

    Airflow 3.3 cancels ``on_kill`` a second time after one second, and calls it also when a trigger is merely
    moved to another triggerer. So the work is done in a task of its own, and only if the Airflow task is
    deferred no more.

    :param is_running: id → whether the task was seen after it left the queue.
    """
    stopping = asyncio.ensure_future(_stop_if_killed(task_instance, wiro_conn_id, is_running, log))
    _STOPPING.add(stopping)
    stopping.add_done_callback(_STOPPING.discard)
    await asyncio.shield(stopping)


async def _stop_if_killed(
    task_instance: Any, wiro_conn_id: str, is_running: Mapping[str, bool], log: Any
) -> None:
    what = _named(is_running)
    try:
        if await version_compat.is_deferred(task_instance):
            log.info("This trigger moves on; %s left running.", f"{what} {_is_or_are(is_running)}")
            return
        async with WiroAsyncHook(wiro_conn_id) as hook:
            await hook.get_wiro_connection()  # here: Airflow tells connections to those it knows
            stops = [_stop(hook, id_, log, is_running=running) for id_, running in is_running.items()]
            is_stopped = await asyncio.gather(*stops)
        if all(is_stopped):
            log.info("Stopped %s, as its Airflow task was stopped.", what)
    except Exception:
        # Nobody awaits this to the end, so what goes wrong must be told here.
        log.exception("Could not stop %s; it may still run.", what)


async def _stop(hook: WiroAsyncHook, wiro_task_id: str, log: Any, *, is_running: bool) -> bool:
    try:
        await hook.stop_task(wiro_task_id, is_running=is_running, patience_seconds=_STOP_PATIENCE_SECONDS)
    except WiroError:
        log.exception("Could not stop Wiro task %s; it may still run.", wiro_task_id)
        return False
    return True


def _named(ids: Mapping[str, bool]) -> str:
    return f"Wiro task {next(iter(ids))}" if len(ids) == 1 else f"{len(ids)} Wiro tasks"


def _is_or_are(ids: Mapping[str, bool]) -> str:
    return "is" if len(ids) == 1 else "are"

"""Following many Wiro tasks at once: all that wait on one connection in one event loop share one watcher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from airflow_provider_wiro.hooks.shell import ignore
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.polling import Polling

#: How the end of a task is learned: see README, "Ten thousand tasks in flight".
Watch = Literal["auto", "poll", "websocket"]


async def watch_task(
    wiro_conn_id: str,
    wiro_task_id: str,
    polling: Polling,
    *,
    watch: Watch = "auto",
    is_seen: bool = False,
    observe: Callable[[Task], None] = ignore,
) -> Task:
    """
    Follow a task until it changes no more, and return it, whether it succeeded or not.

    Cancelling it disturbs no other.

    :param observe: called with what is seen of the task, where this is awaited.
    :param is_seen: the task was looked at a moment ago, so begin with a pause.
    :raises WiroTaskTimeoutError: the deadline passed; the task is left as it is.
    :raises WiroConnectionError: patience is over; the task may still run.
    :raises WiroError: watching can't go on.
    """
    async with WiroAsyncHook(wiro_conn_id) as hook:
        return await hook.wait_for_task(
            wiro_task_id,
            deadline=polling.deadline,
            started_at=polling.started_at,
            poll_interval=polling.interval_seconds,
            observe=observe,
            is_seen=is_seen,
        )

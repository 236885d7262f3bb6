"""
`callbackUrl`: the finished task is POSTed there.

The payload is not documented; the emulator sends the task as Detail shows it. It calls loopback addresses
only: no other machine needs to know of made-up tasks.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from airflow_provider_wiro.emulator.http.same_origin import is_loopback_address
from airflow_provider_wiro.emulator.http.task_json import task_json
from airflow_provider_wiro.emulator.state.clock import wait_for

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.state.task import Task
    from airflow_provider_wiro.emulator.state.world import World

log = logging.getLogger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=5)


class Callbacks:
    """Waits for tasks to end and calls their `callbackUrl`."""

    def __init__(self, world: World) -> None:
        """Wait on the clock of `world`."""
        self._world = world
        self._waiting: set[asyncio.Task[None]] = set()

    def watch(self, task: Task) -> None:
        """Call `task.callback_url` once the task has ended."""
        if not is_on_loopback(task.callback_url):
            log.warning("Task %s: not calling %s, which is no loopback address", task.id, task.callback_url)
            self._world.activity.callbacks_failed += 1
            return
        waiting = asyncio.create_task(self._call_at_end(task))
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)

    async def close(self) -> None:
        """Stop waiting."""
        for waiting in self._waiting:
            waiting.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def _call_at_end(self, task: Task) -> None:
        world = self._world
        while True:
            change, now = world.changes.subscribe(task.id), world.now()
            if task.is_terminal(now):
                break
            # A stuck task has no next moment: only a change can move it.
            await wait_for(change, world.clock, task.lifecycle.next_moment(now))
        payload = task_json(task, world.files, world.cdn_url, world.now())
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.post(task.callback_url, json=payload) as response,
            ):
                response.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            world.activity.callbacks_failed += 1
            log.warning("Task %s: the callback to %s failed: %s", task.id, task.callback_url, error)
        else:
            world.activity.callbacks_sent += 1


def is_on_loopback(url: str) -> bool:
    """Return whether an HTTP URL leads to this machine only."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme in {"http", "https"} and (host == "localhost" or is_loopback_address(host))

"""
`callbackUrl`: the finished task is POSTed there.

The payload's shape is not documented; the emulator sends the task as Detail shows it. It calls loopback
addresses only: an emulator has nothing to tell anybody else.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from airflow_provider_wiro.emulator.http.task_json import task_to_wire
from airflow_provider_wiro.emulator.state.clock import wait_for

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.state.task import Task
    from airflow_provider_wiro.emulator.state.world import World

log = logging.getLogger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=5)


class Callbacks:
    """Waits for tasks to finish and tells whoever asked."""

    def __init__(self, world: World) -> None:
        """Wait on the clock of `world`."""
        self._world = world
        self._waiting: set[asyncio.Task[None]] = set()

    def watch(self, task: Task) -> None:
        """Call `task.callback_url` once the task is over."""
        if not is_loopback(task.callback_url):
            log.warning("Task %s: not calling %s, which is no loopback address", task.id, task.callback_url)
            self._world.ledger.callbacks_failed += 1
            return
        waiting = asyncio.create_task(self._call_when_over(task))
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)

    async def close(self) -> None:
        """Give up on the tasks that are not over yet."""
        for waiting in self._waiting:
            waiting.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def _call_when_over(self, task: Task) -> None:
        world = self._world
        while True:
            change, now = world.pulse.listen(task.id), world.now()
            if task.is_terminal(now):
                break
            # A stuck task has no next moment: only a change can move it.
            await wait_for(change, world.clock, task.life.next_moment(now))
        payload = task_to_wire(task, world.files, world.cdn_url, world.now())
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.post(task.callback_url, json=payload) as response,
            ):
                response.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            world.ledger.callbacks_failed += 1
            log.warning("Task %s: the callback to %s failed: %s", task.id, task.callback_url, error)
        else:
            world.ledger.callbacks_sent += 1


def is_loopback(url: str) -> bool:
    """Tell whether an http address leads to this machine only."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return False
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False

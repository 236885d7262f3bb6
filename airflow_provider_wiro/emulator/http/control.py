"""
The emulator's own endpoints, which Wiro doesn't have: reading the state, arming faults, moving the clock.

They need no credentials: the emulator listens on loopback, and any program there may use it. Web pages may
not: `same_origin` refuses their requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from airflow_provider_wiro.emulator.envelope import ApiError
from airflow_provider_wiro.emulator.state.clock import ManualClock
from airflow_provider_wiro.emulator.state.faults import Fault
from airflow_provider_wiro.emulator.state.runs import start_tasks
from airflow_provider_wiro.emulator.state.snapshots import snapshot_of

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.state.world import World


class Control:
    """Serves everything below `/__emulator__`."""

    def __init__(self, world: World) -> None:
        """Read and change `world`."""
        self._world = world

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the endpoints to a server."""
        router.add_get("/__emulator__/state", self.state)
        router.add_get("/__emulator__/counts", self.counts)
        router.add_post("/__emulator__/tasks", self.start_tasks)
        router.add_delete("/__emulator__/tasks/{task_id}", self.forget_task)
        router.add_get("/__emulator__/faults", self.list_faults)
        router.add_post("/__emulator__/faults", self.arm_faults)
        router.add_delete("/__emulator__/faults", self.clear_faults)
        router.add_get("/__emulator__/clock", self.read_clock)
        router.add_post("/__emulator__/clock", self.move_clock)

    async def state(self, request: web.Request) -> web.Response:
        """`GET`: the counters, the armed faults, and every task with its history."""
        world = self._world
        return web.json_response(
            {
                "emulator": True,
                "now": world.now(),
                "counts": world.counts().to_json(),
                "faults": [fault.to_json() for fault in world.faults],
                "tasks": [snapshot_of(task, world).to_json() for task in world.tasks],
            }
        )

    async def counts(self, request: web.Request) -> web.Response:
        """`GET`: the counters alone, for clients that poll them while there are thousands of tasks."""
        return web.json_response({"now": self._world.now(), "counts": self._world.counts().to_json()})

    async def start_tasks(self, request: web.Request) -> web.Response:
        """
        `POST {"model": "owner/model", "parameters": {…}, "seconds": [60, 61.5, …], "teammate": false}`: start
        a task for each number, which is its duration on the emulator's clock; responds with their ids in
        order. With `"teammate": true` another member of the team starts them.

        A benchmark needs no ten thousand calls of Run then. There is no limit of concurrency or balance.
        """
        try:
            given = await request.json()
            tasks = start_tasks(
                self._world,
                given["model"],
                given["parameters"],
                seconds=given["seconds"],
                teammate=given.get("teammate", False) is True,
            )
        except (ValueError, TypeError, KeyError, AttributeError, ApiError) as error:
            return _refusal(
                f'expected {{"model": "owner/model", "parameters": {{}}, "seconds": [8]}}: {error!r}'
            )
        return web.json_response({"task_ids": [task.id for task in tasks]})

    async def forget_task(self, request: web.Request) -> web.Response:
        """`DELETE`: let a task vanish. Detail and List don't know it any more; the counters do."""
        task_id = request.match_info["task_id"]
        try:
            self._world.forget(task_id)
        except ValueError as error:
            return _refusal(str(error))
        return web.json_response({"forgotten": task_id})

    async def list_faults(self, request: web.Request) -> web.Response:
        """`GET`: the faults that can still fire."""
        return web.json_response([fault.to_json() for fault in self._world.faults])

    async def arm_faults(self, request: web.Request) -> web.Response:
        """`POST` one fault, or a list. An unknown kind or field is a 400 that names the known ones."""
        try:
            given = await request.json()
            faults = [Fault.from_json(item) for item in (given if isinstance(given, list) else [given])]
            for fault in faults:
                self._world.arm(fault)
        except (ValueError, TypeError) as error:
            return _refusal(str(error))
        return await self.list_faults(request)

    async def clear_faults(self, request: web.Request) -> web.Response:
        """`DELETE`: disarm all faults."""
        self._world.faults.clear()
        return await self.list_faults(request)

    async def read_clock(self, request: web.Request) -> web.Response:
        """`GET`: the present moment in Unix seconds, and whether the clock is moved by hand."""
        clock = self._world.clock
        return web.json_response({"now": clock.now(), "manual": isinstance(clock, ManualClock)})

    async def move_clock(self, request: web.Request) -> web.Response:
        """`POST {"advance_seconds": 60}`: move a manual clock forward."""
        clock = self._world.clock
        if not isinstance(clock, ManualClock):
            return _refusal(
                "this emulator runs on the real clock; start it with --manual-clock to move it by hand"
            )
        try:
            clock.advance(float((await request.json())["advance_seconds"]))
        except (ValueError, TypeError, KeyError) as error:
            return _refusal(f'expected {{"advance_seconds": <number>}}: {error!r}')
        return await self.read_clock(request)


def _refusal(reason: str) -> web.Response:
    return web.json_response({"error": reason}, status=400)

"""
The WebSocket (§8): register a token, hear of its task.

It tells what happens from the registration on. What happened before is not told again, and a task that is
over already is silent: neither is documented, so a client must read Detail once after connecting, and here it
notices if it doesn't.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from airflow_provider_wiro.emulator.clock import wait_for
from airflow_provider_wiro.emulator.fault_answers import drop, faulty_response
from airflow_provider_wiro.emulator.messages import events_of, message_of
from airflow_provider_wiro.emulator.recording import ReceivedRequest

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.faults import Fault
    from airflow_provider_wiro.emulator.tasks import Task
    from airflow_provider_wiro.emulator.world import World

_GOING_AWAY = 1001


class Socket:
    """Serves the WebSocket address."""

    def __init__(self, world: World) -> None:
        """Tell of the tasks of `world`."""
        self._world = world
        self._open: set[web.WebSocketResponse] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until its client leaves."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        record = self._world.ledger.record(
            ReceivedRequest("socket", request.raw_path, request.method, headers, self._world.now())
        )
        fault = self._world.faults.take_for_request("socket")
        if fault is not None:
            record.fault = fault.kind
            self._world.ledger.faults_fired[fault.kind] += 1
            if fault.kind == "drop_before":
                return drop(request)
            if fault.kind == "slow":
                await asyncio.sleep(fault.delay_seconds)
            elif fault.kind not in {"drop_after", "truncated"}:
                return faulty_response(fault)
        socket = web.WebSocketResponse(heartbeat=30)
        await socket.prepare(request)
        self._open.add(socket)
        self._world.ledger.open_sockets += 1
        try:
            await self._converse(request, socket, fault)
        finally:
            self._world.ledger.open_sockets -= 1
            self._open.discard(socket)
        return socket

    async def close(self) -> None:
        """Say goodbye to every client."""
        for socket in tuple(self._open):
            await socket.close(code=_GOING_AWAY, message=b"the emulator stops")

    async def _converse(
        self, request: web.Request, socket: web.WebSocketResponse, fault: Fault | None
    ) -> None:
        followers: set[asyncio.Task[None]] = set()
        try:
            async for frame in socket:
                if frame.type != WSMsgType.TEXT:
                    continue
                task = self._registered(frame.data)
                if task is None:
                    await socket.send_json({"type": "error", "result": False, "message": "task-not-exist"})
                    continue
                follower = asyncio.create_task(self._follow(request, socket, task, fault))
                followers.add(follower)
        finally:
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)

    def _registered(self, text: str) -> Task | None:
        try:
            message: Any = json.loads(text)
        except ValueError:
            return None
        if not isinstance(message, dict) or message.get("type") != "task_info":
            return None
        return self._world.tasks.by_token(str(message.get("tasktoken", "")))

    async def _follow(
        self, request: web.Request, socket: web.WebSocketResponse, task: Task, fault: Fault | None
    ) -> None:
        world = self._world
        told = {event for event in events_of(task) if event.moment <= world.now()}
        while not socket.closed:
            change, now = world.pulse.listen(), world.now()
            for event in events_of(task):
                if event.moment > now or event in told:
                    continue
                told.add(event)
                await socket.send_json(message_of(event, task, world))
                if fault is not None and fault.kind in {"drop_after", "truncated"}:
                    drop(request)
                    return
            if task.is_terminal(now):
                return
            upcoming = (event.moment for event in events_of(task) if event.moment > now)
            await wait_for(change, world.clock, min(upcoming, default=None))

"""
The WebSocket: register a token, hear of its task.

It tells what happens from the registration on. What happened before is not told again, and a task that is
over already is silent: neither is documented, so a client must read Detail once after connecting, and here it
notices if it doesn't. How many tasks one connection may be registered for is not documented either: that is a
setting.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from airflow_provider_wiro.emulator.http.fault_responses import drop, faulty_response, proxy_page
from airflow_provider_wiro.emulator.http.websocket_messages import events_of, message_of
from airflow_provider_wiro.emulator.state.auth import names_itself
from airflow_provider_wiro.emulator.state.clock import wait_for
from airflow_provider_wiro.emulator.state.faults import SOCKET_KINDS
from airflow_provider_wiro.emulator.state.lifecycle import TERMINAL, Status
from airflow_provider_wiro.emulator.state.recording import ReceivedRequest

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.http.websocket_messages import Event
    from airflow_provider_wiro.emulator.state.faults import Fault
    from airflow_provider_wiro.emulator.state.task import Task
    from airflow_provider_wiro.emulator.state.world import World

_GOING_AWAY = 1001
_TURN_COST = {"turnCost": "0.0001", "cumulativeCost": "0.0002", "usage": {"total_tokens": 12}}


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
        if self._world.settings.require_user_agent and not names_itself(request.headers):
            return proxy_page(403)
        fault = self._world.faults.take_for_request("socket")
        if fault is not None:
            record.fault = fault.kind
            self._world.ledger.faults_fired[fault.kind] += 1
            if fault.kind == "drop_before":
                return drop(request)
            if fault.kind == "slow":
                await asyncio.sleep(fault.delay_seconds)
                if request.transport is None:
                    return web.Response()  # the client has left
            elif fault.kind not in {"drop_after", "truncated", *SOCKET_KINDS}:
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
        conversation = _Conversation(self._world, request, socket, fault)
        try:
            async for frame in socket:
                if frame.type != WSMsgType.TEXT:
                    continue
                task = self._registered(frame.data)
                if task is None:
                    await socket.send_json({"type": "error", "result": False, "message": "task-not-exist"})
                    continue
                self._world.ledger.socket_registrations += 1
                conversation.register(task)
        finally:
            await conversation.end()

    def _registered(self, text: str) -> Task | None:
        try:
            message: Any = json.loads(text)
        except ValueError:
            return None
        if not isinstance(message, dict) or message.get("type") != "task_info":
            return None
        return self._world.tasks.by_token(str(message.get("tasktoken", "")))


class _Conversation:
    """One connection, and who follows which task for it."""

    def __init__(
        self, world: World, request: web.Request, socket: web.WebSocketResponse, fault: Fault | None
    ) -> None:
        self._world = world
        self._request = request
        self._socket = socket
        self._kind = "" if fault is None else fault.kind
        self._is_silent = self._kind == "silent_socket"
        self._tells_ends = self._kind != "missing_end"
        self._message_bytes = 0 if fault is None else fault.message_bytes
        self._messages_left: int | None = None
        if fault is not None and fault.kind in {"drop_after", "truncated"}:
            self._messages_left = fault.after_messages
        self._followers: dict[str, asyncio.Task[None]] = {}

    def register(self, task: Task) -> None:
        """Follow a task, as far as the settings let a connection have several."""
        carried = self._world.settings.socket_registrations
        if self._is_silent or task.id in self._followers or (carried == "first" and self._followers):
            return
        if carried == "one":
            for follower in self._followers.values():
                follower.cancel()
        self._followers[task.id] = asyncio.create_task(self._follow(task))

    async def end(self) -> None:
        """Follow nothing any more."""
        for follower in self._followers.values():
            follower.cancel()
        await asyncio.gather(*self._followers.values(), return_exceptions=True)

    async def _follow(self, task: Task) -> None:
        world = self._world
        life, coming = task.life, events_of(task)
        now = world.now()
        told = {event for event in coming if event.moment <= now}
        coming = [event for event in coming if event not in told]
        while not self._socket.closed:
            change, now = world.pulse.listen(task.id), world.now()
            if task.life is not life:  # laid out anew, or stopped
                life, coming = task.life, [event for event in events_of(task) if event not in told]
            while coming and coming[0].moment <= now:
                event = coming.pop(0)
                told.add(event)
                if not await self._tell(event, task):
                    return
            if not coming and task.is_terminal(now):
                return
            await wait_for(change, world.clock, coming[0].moment if coming else None)

    async def _tell(self, event: Event, task: Task) -> bool:
        """Send a message; returns whether the connection is still there."""
        if event.type in TERMINAL and not self._tells_ends:
            return True
        message = message_of(event, task, self._world)
        if event.type == Status.OUTPUT and self._kind == "realtime":
            await self._socket.send_bytes(b"\0sound" * 100)
            await self._socket.send_json(message | {"type": "task_cost", "message": _TURN_COST})
        if event.type == Status.OUTPUT and self._kind == "long_snapshots":
            message["message"] |= {"raw": "x" * self._message_bytes}
        await self._socket.send_json(message)
        if self._messages_left is not None:
            self._messages_left -= 1
            if self._messages_left <= 0:
                drop(self._request)
                return False
        return True

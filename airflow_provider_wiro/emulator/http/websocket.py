"""
The WebSocket: a client registers tasks' tokens, and is sent messages of what happens to them.

Messages start with the registration. Earlier ones are not sent again, and a task that has ended already sends
none: neither is documented, so a client must read Detail once after connecting, and one that doesn't fails
here. How many tasks a connection may register is not documented either: that is a setting.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from airflow_provider_wiro.emulator.http.fault_responses import drop, proxy_page, replacement_response
from airflow_provider_wiro.emulator.http.websocket_messages import events_of, message_of
from airflow_provider_wiro.emulator.state.auth import has_own_user_agent
from airflow_provider_wiro.emulator.state.clock import wait_for
from airflow_provider_wiro.emulator.state.faults import SOCKET_KINDS
from airflow_provider_wiro.emulator.state.lifecycle import TERMINAL, Status

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.http.websocket_messages import Event
    from airflow_provider_wiro.emulator.state.faults import Fault
    from airflow_provider_wiro.emulator.state.task import Task
    from airflow_provider_wiro.emulator.state.world import World

_GOING_AWAY = 1001
_TURN_COST = {"turnCost": "0.0001", "cumulativeCost": "0.0002", "usage": {"total_tokens": 12}}


class WebSocketHandler:
    """Serves the WebSocket's address."""

    def __init__(self, world: World) -> None:
        """Send messages of the tasks of `world`."""
        self._world = world
        self._open: set[web.WebSocketResponse] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until its client leaves."""
        record = self._world.receive(
            "socket", path=request.raw_path, method=request.method, headers=request.headers
        )
        if self._world.settings.require_user_agent and not has_own_user_agent(request.headers):
            return proxy_page(403)
        fault = self._world.fire_fault(record)
        if fault is not None:
            if fault.kind == "drop_before":
                return drop(request)
            if fault.kind == "slow":
                await asyncio.sleep(fault.delay_seconds)
                if request.transport is None:
                    return web.Response()  # the client has left
            elif fault.kind not in {"drop_after", "truncated", *SOCKET_KINDS}:
                return replacement_response(fault)
        socket = web.WebSocketResponse(heartbeat=30)
        await socket.prepare(request)
        self._open.add(socket)
        self._world.activity.open_sockets += 1
        connection = _Connection(self._world, request, socket, fault)
        try:
            await self._register_tasks(socket, connection)
        finally:
            await connection.end()
            self._world.activity.open_sockets -= 1
            self._open.discard(socket)
        return socket

    async def close(self) -> None:
        """Close every connection."""
        for socket in tuple(self._open):
            await socket.close(code=_GOING_AWAY, message=b"the emulator stops")

    async def _register_tasks(self, socket: web.WebSocketResponse, connection: _Connection) -> None:
        async for frame in socket:
            if frame.type != WSMsgType.TEXT:
                continue
            task = self._named_task(frame.data)
            if task is None:
                await socket.send_json({"type": "error", "result": False, "message": "task-not-exist"})
                continue
            self._world.activity.socket_registrations += 1
            connection.register(task)

    def _named_task(self, text: str) -> Task | None:
        try:
            message: Any = json.loads(text)
        except ValueError:
            return None
        if not isinstance(message, dict) or message.get("type") != "task_info":
            return None
        return self._world.tasks.by_token(str(message.get("tasktoken", "")))


class _Connection:
    """One connection and the tasks it follows, each in an asyncio task of its own."""

    def __init__(
        self, world: World, request: web.Request, socket: web.WebSocketResponse, fault: Fault | None
    ) -> None:
        self._world = world
        self._request = request
        self._socket = socket
        self._fault_kind = "" if fault is None else fault.kind
        self._message_bytes = 0 if fault is None else fault.message_bytes
        self._messages_left: int | None = None
        if fault is not None and fault.kind in {"drop_after", "truncated"}:
            self._messages_left = fault.after_messages
        self._followers: dict[str, asyncio.Task[None]] = {}

    def register(self, task: Task) -> None:
        """Follow a task, unless a fault or the settings forbid it."""
        carried = self._world.settings.socket_registrations
        if self._fault_kind == "silent_socket" or task.id in self._followers:
            return
        if carried == "first" and self._followers:
            return
        if carried == "one":
            for follower in self._followers.values():
                follower.cancel()
        self._followers[task.id] = asyncio.create_task(self._follow(task))

    async def end(self) -> None:
        """Stop following all tasks."""
        for follower in self._followers.values():
            follower.cancel()
        await asyncio.gather(*self._followers.values(), return_exceptions=True)

    async def _follow(self, task: Task) -> None:
        world = self._world
        lifecycle, coming = task.lifecycle, events_of(task)
        now = world.now()
        past = {event for event in coming if event.moment <= now}
        coming = [event for event in coming if event not in past]
        while not self._socket.closed:
            change, now = world.changes.subscribe(task.id), world.now()
            if task.lifecycle is not lifecycle:  # stopped, or changed by a fault
                lifecycle = task.lifecycle
                coming = [event for event in events_of(task) if event not in past]
            while coming and coming[0].moment <= now:
                event = coming.pop(0)
                past.add(event)
                if not await self._send(event, task):
                    return
            if not coming and task.is_terminal(now):
                return
            await wait_for(change, world.clock, coming[0].moment if coming else None)

    async def _send(self, event: Event, task: Task) -> bool:
        """Send a message; returns whether the connection is still open."""
        if event.type in TERMINAL and self._fault_kind == "missing_end":
            return True
        message = message_of(event, task, self._world)
        if event.type == Status.OUTPUT and self._fault_kind == "realtime":
            await self._socket.send_bytes(b"\0sound" * 100)
            await self._socket.send_json(message | {"type": "task_cost", "message": _TURN_COST})
        if event.type == Status.OUTPUT and self._fault_kind == "long_snapshots":
            message["message"] |= {"raw": "x" * self._message_bytes}
        await self._socket.send_json(message)
        if self._messages_left is not None:
            self._messages_left -= 1
            if self._messages_left <= 0:
                drop(self._request)
                return False
        return True

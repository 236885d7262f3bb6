"""One WebSocket to Wiro: opening it, registering tasks on it, and reading what it delivers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.transport.asynchronous import open_session, proxy_for
from airflow_provider_wiro.watching.websocket.messages import MAX_FRAME_BYTES, registration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_wiro.transport.connection import WiroConnection
    from airflow_provider_wiro.watching.websocket.health import PushedTask

#: A connection without traffic is checked this often by a ping.
HEARTBEAT_SECONDS = 30.0
#: After the registrations were sent, so that Wiro has them when the tasks are polled.
SETTLING_SECONDS = 0.2
_SEND_SECONDS = 30.0
#: The wait for the last task ends after this at the latest.
_CLOSING_SECONDS = 0.5
#: Frames and registrations that are handled without letting the event loop do anything else.
_BURST = 50


def open_push_session(connection: WiroConnection) -> aiohttp.ClientSession:
    """Return a session for handshakes: one that refuses to be redirected, since tokens follow."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_redirect)
    return open_session(connection, trace_configs=[trace])


async def open_websocket(
    session: aiohttp.ClientSession, connection: WiroConnection
) -> aiohttp.ClientWebSocketResponse:
    """
    Connect to the connection's ``push_url``.

    :raises WiroUsageError: it has none.
    """
    if connection.push_url is None:
        raise WiroUsageError(
            "The Wiro connection has a `host` of its own and no `websocket_url`: no task is registered "
            "for push, since its token would go to another server."
        )
    url = "http" + connection.push_url[2:]  # as the proxy rules of the environment know it
    # To connect, and as long for the handshake.
    async with asyncio.timeout(2 * connection.connect_timeout):
        return await session.ws_connect(
            url,
            proxy=proxy_for(connection, url),
            heartbeat=HEARTBEAT_SECONDS,
            max_msg_size=MAX_FRAME_BYTES,
            timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSING_SECONDS),
        )


async def _refuse_redirect(*_: object) -> None:
    raise aiohttp.ClientError("The handshake was answered with a redirect.")


class WebSocketConnection:
    """
    Registers tasks on an open WebSocket and passes on what it delivers.

    :param on_frame: called with each text frame.
    :param on_registered: called with the ids of the tasks that were registered a moment ago.
    """

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        *,
        on_frame: Callable[[str], None],
        on_registered: Callable[[Sequence[str]], None],
    ) -> None:
        self._socket = socket
        self._on_frame = on_frame
        self._on_registered = on_registered
        self._unsent: dict[str, PushedTask] = {}
        self._has_unsent = asyncio.Event()

    def register(self, wiro_task_id: str, task: PushedTask) -> None:
        """Send a task's registration soon."""
        self._unsent[wiro_task_id] = task
        self._has_unsent.set()

    def withdraw(self, wiro_task_id: str) -> None:
        """Don't send a registration. One that was sent can't be taken back."""
        self._unsent.pop(wiro_task_id, None)

    async def run(self) -> None:
        """Send and read until the socket closes."""
        try:
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._send())
                await self._read()
                sending.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # sending failed, or reading did: the other is cancelled

    async def _read(self) -> None:
        frames = 0
        async for frame in self._socket:
            if frame.type is aiohttp.WSMsgType.TEXT:  # binary belongs to realtime models
                self._on_frame(frame.data)
            frames += 1
            if not frames % _BURST:
                await asyncio.sleep(0)  # what has arrived already is read without a pause, however much it is

    async def _send(self) -> None:
        while True:
            await self._has_unsent.wait()
            self._has_unsent.clear()
            sent: list[str] = []
            while self._unsent:
                wiro_task_id = next(iter(self._unsent))
                task = self._unsent.pop(wiro_task_id)
                task.registered_at = asyncio.get_running_loop().time()
                async with asyncio.timeout(_SEND_SECONDS):
                    await self._socket.send_str(registration(task.token))
                sent.append(wiro_task_id)
                if not len(sent) % _BURST:
                    await asyncio.sleep(0)  # thousands of them must not hold up the loop
            await asyncio.sleep(SETTLING_SECONDS)
            self._on_registered(sent)

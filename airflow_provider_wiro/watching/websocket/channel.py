"""
Push: Wiro tells of many tasks over its WebSocket, so that polling needn't be frequent.

It only says when to look. Polling stays the truth, and carries on alone wherever push doesn't work.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from typing import TYPE_CHECKING

import aiohttp

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.transport.asynchronous import open_session, proxy_for
from airflow_provider_wiro.watching.websocket.connection import WebSocketConnection
from airflow_provider_wiro.watching.websocket.health import ReconnectBackoff, ServerHealth, TasksPerSocket
from airflow_provider_wiro.watching.websocket.messages import MAX_FRAME_BYTES

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence

    from airflow_provider_wiro.hooks.wiro_async import WiroAsyncHook
    from airflow_provider_wiro.watching.websocket.messages import PushMessage

#: So many connections at most, should Wiro turn out to take one task on each.
MAX_SOCKETS = 32
#: A connection is kept so long without a task, for the next one.
LINGER_SECONDS = 5.0
#: A connection without traffic is asked so often whether it lives.
HEARTBEAT_SECONDS = 30.0
#: Who waited for the last task gets its answer after this at the latest.
_CLOSING_SECONDS = 0.5


class PushChannel:
    """
    Hears of the tasks it is given, over one connection for all while the server allows that.

    Belongs to one event loop. Whatever goes wrong, here or in what it calls, is logged and tried again, ever
    less often.

    :param hook: says where to connect. Only to be used where its connection has a ``push_url``.
    :param heard: called with each message about a task that was added and not discarded.
    :param registered: called with the ids of tasks that were registered a moment ago, the first time or after
        a reconnect. What happened before is not told, so they should be looked at once.
    :param log: gets what concerns the channel; never a token.
    """

    def __init__(
        self,
        hook: WiroAsyncHook,
        *,
        heard: Callable[[PushMessage], None],
        registered: Callable[[Sequence[str]], None],
        log: logging.Logger,
    ) -> None:
        self.reconnects = ReconnectBackoff()
        self.trust = ServerHealth()
        self._hook = hook
        self._heard = heard
        self._registered = registered
        self._log = log
        self._name = f"Wiro's push (connection {hook.wiro_conn_id!r})"
        self._tokens: dict[str, str] = {}
        self._lines: dict[str, WebSocketConnection] = {}
        self._waiting: dict[str, None] = {}
        self._open: set[WebSocketConnection] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._lingering: asyncio.TimerHandle | None = None
        self._session: aiohttp.ClientSession | None = None
        self._is_split = False
        self._is_closed = False

    def add(self, wiro_task_id: str, token: str) -> None:
        """Begin to hear of a task. The first one connects."""
        if self._is_closed or self._tokens.get(wiro_task_id) == token:
            return
        self.discard(wiro_task_id)
        self._tokens[wiro_task_id] = token
        self._give_line(wiro_task_id)

    def discard(self, wiro_task_id: str) -> None:
        """Hear no more of a task; one that isn't there is no error."""
        self._tokens.pop(wiro_task_id, None)
        self._waiting.pop(wiro_task_id, None)
        line = self._lines.pop(wiro_task_id, None)
        if line is None:
            return
        line.discard(wiro_task_id)
        if line.tokens:
            return
        if self.trust.sharing is TasksPerSocket.ONE:
            self._stop_if_idle(line)
            if self._waiting and len(self._open) < MAX_SOCKETS:
                self._give_line(next(iter(self._waiting)))
        else:
            if self._lingering is not None:
                self._lingering.cancel()
            self._lingering = asyncio.get_running_loop().call_later(
                LINGER_SECONDS, self._stop_if_idle, line, context=contextvars.Context()
            )

    def is_working(self, wiro_task_id: str) -> bool:
        """
        Whether the end of this task can be expected to be told: it is registered on a standing connection,
        something was told already, and nothing was missed of it since it was last heard of.
        """
        line = self._lines.get(wiro_task_id)
        return line is not None and line.is_working(wiro_task_id)

    def missed(self, wiro_task_id: str, since: float, *, is_end: bool) -> None:
        """
        Be told that a poll showed a task with another status than the poll before, and that it wasn't heard
        of in between.

        It is judged a little later, since the message may be on its way; so call it before ``discard``. From
        several misses follows that the server takes one task on each connection, or tells nothing at all.

        :param since: when the poll before was answered, in the event loop's time.
        :param is_end: the task has ended; before a connection has told anything, only that counts.
        """
        line = self._lines.get(wiro_task_id)
        if line is not None:
            line.missed(wiro_task_id, since, is_end=is_end)

    async def aclose(self) -> None:
        """Close every connection; nothing is heard afterwards, and nothing can be added."""
        self._is_closed = True
        if self._lingering is not None:
            self._lingering.cancel()
        self._stop_lines()
        self._tokens.clear()
        try:
            await asyncio.gather(*self._running, return_exceptions=True)
        finally:
            if self._session is not None:
                session, self._session = self._session, None
                await session.close()

    # What the lines call: see push_line.Exchange.

    async def connect(self) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket."""
        connection = await self._hook.get_wiro_connection()
        if connection.push_url is None:
            raise WiroUsageError(
                "The Wiro connection has a `host` of its own and no `websocket_url`: no task is registered "
                "for push, since its token would go to another server."
            )
        if self._session is None:
            # Its own session, whose every request is a handshake: one that refuses to be sent elsewhere.
            trace = aiohttp.TraceConfig()
            trace.on_request_redirect.append(_refuse_redirect)
            self._session = open_session(connection, trace_configs=[trace])
        url = "http" + connection.push_url[2:]  # as the proxy rules of the environment know it
        async with asyncio.timeout(
            2 * connection.connect_timeout
        ):  # to connect, and as long for the handshake
            socket = await self._session.ws_connect(
                url,
                proxy=proxy_for(connection, url),
                heartbeat=HEARTBEAT_SECONDS,
                max_msg_size=MAX_FRAME_BYTES,
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSING_SECONDS),
            )
        if self.reconnects.failures:
            self._log.info("%s: connected again.", self._name)
        return socket

    def tell(self, message: PushMessage) -> None:
        """Pass a message on."""
        try:
            self._heard(message)
        except Exception:
            self._log.exception(
                "%s: a message of type %.50r could not be handled.", self._name, message.status
            )

    def tell_registered(self, wiro_task_ids: Sequence[str]) -> None:
        """Say that these tasks were registered a moment ago."""
        if not wiro_task_ids:
            return
        try:
            self._registered(wiro_task_ids)
        except Exception:
            self._log.exception("%s: %d registrations could not be handled.", self._name, len(wiro_task_ids))

    def crashed(self) -> None:
        """Log the error that is being handled."""
        self._log.exception("%s: an unforeseen error; it is tried again.", self._name)

    def failed(self, why: str) -> None:
        """Log why there is no connection, once in an outage and once it lasts."""
        now = asyncio.get_running_loop().time()
        if self.reconnects.is_out_of_order(now):
            self._log.warning(
                "%s doesn't work (%d failures in a row, the last: %s). The tasks are polled instead; it is "
                "tried again in %.0f minutes.",
                self._name,
                self.reconnects.failures,
                why,
                self.reconnects.wait_seconds(now) / 60,
            )
        elif self.reconnects.failures == 1:
            self._log.info(
                "%s: no connection (%s); the tasks are polled until there is one.", self._name, why
            )

    def judged(self, *, told_something: bool) -> None:
        """Draw the conclusion from what was missed so far, if there is one."""
        if self.trust.sharing is TasksPerSocket.ONE and not self._is_split:
            self._is_split = True
            self.reconnects.failures = 0  # those that showed it are explained
            self._log.info(
                "%s: the server tells of one task on each connection. From now on up to %d tasks have one of "
                "their own; the others are polled.",
                self._name,
                MAX_SOCKETS,
            )
            self._start_over()
        elif self.trust.take_silence():
            now = asyncio.get_running_loop().time()
            if told_something:
                self.reconnects.failed(now, random.random())
            else:
                self.reconnects.give_up(now, random.random())
            self.failed("the server tells nothing of what happens")
            self._start_over()

    def _give_line(self, wiro_task_id: str) -> None:
        """Put a task on a line, a new one if need be; without a free one it waits."""
        self._waiting.pop(wiro_task_id, None)
        if self.trust.sharing is not TasksPerSocket.ONE and self._open:
            line = next(iter(self._open))
        elif len(self._open) < MAX_SOCKETS:
            line = WebSocketConnection(self)
            self._open.add(line)
            self._running.add(line.running)
            line.running.add_done_callback(self._running.discard)
        else:
            self._waiting[wiro_task_id] = None
            return
        self._lines[wiro_task_id] = line
        line.add(wiro_task_id, self._tokens[wiro_task_id])

    def _start_over(self) -> None:
        self._stop_lines()
        for wiro_task_id in self._tokens:
            self._give_line(wiro_task_id)

    def _stop_lines(self) -> None:
        self._lines.clear()
        for line in tuple(self._open):
            self._stop(line)

    def _stop_if_idle(self, line: WebSocketConnection) -> None:
        if not line.tokens and line in self._open:
            self._stop(line)

    def _stop(self, line: WebSocketConnection) -> None:
        self._open.discard(line)
        line.stop()


async def _refuse_redirect(*_: object) -> None:
    raise aiohttp.ClientError("The handshake was answered with a redirect.")

"""
The push channel: one WebSocket for all tasks of a connection, kept open while there are any.

It only says when to poll. Polling stays the source of truth, and takes over wherever push doesn't work.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from typing import TYPE_CHECKING

import aiohttp

from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.transport.asynchronous import FAILURES
from airflow_provider_wiro.watching.websocket.connection import (
    WebSocketConnection,
    open_push_session,
    open_websocket,
)
from airflow_provider_wiro.watching.websocket.health import (
    GRACE_SECONDS,
    ConnectionHealth,
    PushedTask,
    ReconnectBackoff,
)
from airflow_provider_wiro.watching.websocket.messages import read_message

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence

    from airflow_provider_wiro.hooks.wiro_async import WiroAsyncHook
    from airflow_provider_wiro.watching.websocket.messages import PushMessage

#: A connection is kept this long without a task, for the next one.
LINGER_SECONDS = 5.0


class PushChannel:
    """
    Receives messages about the tasks it is given.

    Belongs to one event loop. Whatever goes wrong, here or in what it calls, is logged and tried again, less
    and less often.

    A task can be relied on (:meth:`is_working`) from its first message on, until a poll shows a change that
    no message reported. So it doesn't matter why messages don't arrive: a proxy that swallows them, a server
    that closes on a second registration, or one that reports only the first or the last task of a socket.

    :param hook: knows where to connect. Only to be used where its connection has a ``push_url``.
    :param on_message: called with each message about a task that was added and not discarded.
    :param on_registered: called with the ids of tasks that were registered a moment ago, the first time or
        after a reconnect. What happened before isn't reported, so they should be polled once.
    :param log: gets what concerns the channel; never a token.
    """

    def __init__(
        self,
        hook: WiroAsyncHook,
        *,
        on_message: Callable[[PushMessage], None],
        on_registered: Callable[[Sequence[str]], None],
        log: logging.Logger,
    ) -> None:
        self.backoff = ReconnectBackoff()
        self._hook = hook
        self._on_message = on_message
        self._on_registered = on_registered
        self._log = log
        self._name = f"Wiro's push (connection {hook.wiro_conn_id!r})"
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[str, PushedTask] = {}
        self._ids_by_token: dict[str, str] = {}
        self._session: aiohttp.ClientSession | None = None
        self._connection: WebSocketConnection | None = None
        self._health = ConnectionHealth()
        self._running: asyncio.Task[None] | None = None
        self._stopped: set[asyncio.Task[None]] = set()
        self._lingering: asyncio.TimerHandle | None = None
        self._is_closed = False

    def add(self, wiro_task_id: str, token: str) -> None:
        """Receive messages about a task from now on. The first one connects."""
        known = self._tasks.get(wiro_task_id)
        if self._is_closed or (known is not None and known.token == token):
            return
        self.discard(wiro_task_id)
        task = self._tasks[wiro_task_id] = PushedTask(token)
        self._ids_by_token[token] = wiro_task_id
        if self._running is None:
            self._start()
        elif self._connection is not None:
            self._connection.register(wiro_task_id, task)

    def discard(self, wiro_task_id: str) -> None:
        """Receive no more messages about a task; one that isn't there is no error."""
        task = self._tasks.pop(wiro_task_id, None)
        if task is None:
            return
        self._ids_by_token.pop(task.token, None)
        if self._connection is not None:
            self._connection.withdraw(wiro_task_id)
        if not self._tasks:
            if self._lingering is not None:
                self._lingering.cancel()
            self._lingering = self._loop.call_later(
                LINGER_SECONDS, self._stop_if_unused, context=contextvars.Context()
            )

    def is_working(self, wiro_task_id: str) -> bool:
        """Whether a message about the end of this task can be expected."""
        task = self._tasks.get(wiro_task_id)
        if task is None or self._connection is None:
            return False
        return task.is_reliable and task.registered_at is not None

    def on_change(self, wiro_task_id: str, since: float, *, is_end: bool) -> None:
        """
        Take in that a poll showed a changed status, which a message should have reported.

        It is judged a little later, since the message may be in flight; so call it before :meth:`discard`.

        :param since: when the poll before was answered, in the event loop's time.
        :param is_end: the task has ended; until a connection has delivered something, only that counts.
        """
        task = self._tasks.get(wiro_task_id)
        if task is None or self._connection is None or task.message_at > since:
            return
        if is_end or self._health.has_delivered:  # not each step need be reported
            self._loop.call_later(
                GRACE_SECONDS, self._judge, task, since, self._health, context=contextvars.Context()
            )

    async def aclose(self) -> None:
        """Close the connection; nothing is received afterwards, and nothing can be added."""
        self._is_closed = True
        if self._lingering is not None:
            self._lingering.cancel()
        self._stop()
        self._tasks.clear()
        try:
            await asyncio.gather(*self._stopped, return_exceptions=True)
        finally:
            if self._session is not None:
                session, self._session = self._session, None
                await session.close()

    def _judge(self, task: PushedTask, since: float, health: ConnectionHealth) -> None:
        if health is not self._health or self._connection is None or not task.has_missed(since):
            return
        if health.is_dead(since):
            now = self._loop.time()
            if health.has_delivered:
                self.backoff.on_failure(now, random.random())
            else:
                self.backoff.suspend(now, random.random())
            self._log_failure("the server sends no messages")
            self._stop()
            self._start()

    def _start(self) -> None:
        # A context of its own: in the triggerer it says into whose log a line goes, and this is nobody's.
        self._running = self._loop.create_task(self._keep_connected(), context=contextvars.Context())

    def _stop_if_unused(self) -> None:
        if not self._tasks:
            self._stop()

    def _stop(self) -> None:
        self._connection = None
        if self._running is not None:
            running, self._running = self._running, None
            self._stopped.add(running)
            running.add_done_callback(self._stopped.discard)
            running.cancel()

    async def _keep_connected(self) -> None:
        # Not for ever: a failure in the moment of the stop can swallow the cancellation.
        while asyncio.current_task() is self._running:
            if waiting := self.backoff.wait_seconds(self._loop.time()):
                await asyncio.sleep(waiting)
                continue
            health = self._health = ConnectionHealth()
            opened_at = None
            try:
                socket = await self._open()
                opened_at = self._loop.time()
                async with socket:
                    await self._use(socket)
                why = f"closed with code {socket.close_code}"
            except aiohttp.WSServerHandshakeError as error:  # its text quotes the address
                why = f"the handshake was answered with HTTP {error.status}"
            except WiroError as error:
                why = str(error)
            except FAILURES as error:
                why = type(error).__name__
            except Exception as error:
                why = type(error).__name__
                self._log.exception("%s: an unforeseen error; it is tried again.", self._name)
            if asyncio.current_task() is not self._running:
                return
            self._connection = None
            now = self._loop.time()
            if opened_at is None:
                self.backoff.on_failure(now, random.random())
            else:
                self.backoff.on_break(
                    now, random.random(), lasted_seconds=now - opened_at, has_delivered=health.has_delivered
                )
            self._log_failure(why)

    async def _open(self) -> aiohttp.ClientWebSocketResponse:
        connection = await self._hook.get_wiro_connection()
        if self._session is None:
            self._session = open_push_session(connection)
        socket = await open_websocket(self._session, connection)
        if self.backoff.failures:
            self._log.info("%s: connected again.", self._name)
        return socket

    async def _use(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        connection = self._connection = WebSocketConnection(
            socket, on_frame=self._on_frame, on_registered=self._pass_on_registered
        )
        for wiro_task_id, task in self._tasks.items():
            task.registered_at = None
            connection.register(wiro_task_id, task)
        await connection.run()

    def _on_frame(self, frame: str) -> None:
        now = self._loop.time()
        self._health.on_frame(now)
        message = read_message(frame, self._ids_by_token, self._tasks)
        if message is None:
            return
        self._tasks[message.wiro_task_id].on_message(now)
        try:
            self._on_message(message)
        except Exception:
            self._log.exception(
                "%s: a message of type %.50r could not be handled.", self._name, message.status
            )

    def _pass_on_registered(self, wiro_task_ids: Sequence[str]) -> None:
        registered = [wiro_task_id for wiro_task_id in wiro_task_ids if wiro_task_id in self._tasks]
        if not registered:
            return
        try:
            self._on_registered(registered)
        except Exception:
            self._log.exception("%s: %d registrations could not be handled.", self._name, len(registered))

    def _log_failure(self, why: str) -> None:
        """Log once when the connection is lost, and again when push is suspended."""
        now = self._loop.time()
        if self.backoff.is_suspended(now):
            self._log.warning(
                "%s doesn't work (%d failures in a row, the last: %s). The tasks are polled instead; it is "
                "tried again in %.0f minutes.",
                self._name,
                self.backoff.failures,
                why,
                self.backoff.wait_seconds(now) / 60,
            )
        elif self.backoff.failures == 1:
            self._log.info(
                "%s: no connection (%s); the tasks are polled until there is one.", self._name, why
            )

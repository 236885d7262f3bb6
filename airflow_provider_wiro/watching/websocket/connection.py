"""One connection to Wiro's WebSocket: opened again whenever it breaks, its tasks registered each time."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections import Counter
from typing import TYPE_CHECKING, Protocol

import aiohttp

from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.transport.asynchronous import FAILURES
from airflow_provider_wiro.watching.websocket.health import (
    GRACE_SECONDS,
    ConnectionHealth,
    ReconnectBackoff,
    ServerHealth,
)
from airflow_provider_wiro.watching.websocket.messages import (
    MAX_MESSAGE_CHARACTERS,
    read_message,
    registration,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_wiro.watching.websocket.messages import PushMessage

#: After the registrations were sent, so that Wiro has them when the tasks are looked at.
SETTLING_SECONDS = 0.2
_SEND_SECONDS = 30.0
#: How many graces a connection is to stand with one task, where that is in question.
_PROBATION = 1.5
_AT_A_STRETCH = 50


class ConnectionEvents(Protocol):
    """What a line needs of the channel it belongs to."""

    reconnects: ReconnectBackoff
    trust: ServerHealth

    async def connect(self) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket."""

    def tell(self, message: PushMessage) -> None:
        """Pass a message on."""

    def tell_registered(self, wiro_task_ids: Sequence[str]) -> None:
        """Say that these tasks were registered a moment ago."""

    def failed(self, why: str) -> None:
        """Say that a connection could not be made, or broke, and that this was counted."""

    def crashed(self) -> None:
        """Say that something unforeseen was raised, which is being handled."""

    def judged(self, *, told_something: bool) -> None:
        """Say that the server was found to have missed something, or to take one task on each connection."""


class WebSocketConnection:
    """
    Keeps a connection for its tasks until it is stopped.

    :ivar tokens: the tasks that are to be registered, each with its token.
    """

    def __init__(self, exchange: ConnectionEvents) -> None:
        self.tokens: dict[str, str] = {}
        self._exchange = exchange
        self._ids_by_token: dict[str, str] = {}
        self._unsent: dict[str, str] = {}
        self._something_to_send = asyncio.Event()
        self._is_stopped = False
        self._hearing: ConnectionHealth | None = None
        self._in_judgement: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        # A context of its own: in the triggerer it says whose log is written to, and a line is nobody's.
        self.running = self._loop.create_task(self._keep(), context=contextvars.Context())

    def add(self, wiro_task_id: str, token: str) -> None:
        """Register a task, now or once there is a connection."""
        self.tokens[wiro_task_id] = token
        self._ids_by_token[token] = wiro_task_id
        self._unsent[wiro_task_id] = token
        self._something_to_send.set()

    def discard(self, wiro_task_id: str) -> None:
        """Tell nothing of a task any more. Wiro may: there is no way to take a registration back."""
        self._unsent.pop(wiro_task_id, None)
        token = self.tokens.pop(wiro_task_id, None)
        if token is not None and not self._in_judgement[wiro_task_id]:
            self._forget(wiro_task_id, token)

    def is_working(self, wiro_task_id: str) -> bool:
        """Whether a task is registered on a standing connection that can be relied on."""
        hearing, trust = self._hearing, self._exchange.trust
        if hearing is None or not hearing.is_reliable(wiro_task_id):
            return False
        return hearing.told_something or (trust.has_told and not trust.is_suspect)

    def missed(self, wiro_task_id: str, since: float, *, is_end: bool) -> None:
        """See :meth:`~airflow_provider_wiro.watching.websocket.channel.PushChannel.missed`."""
        hearing, token = self._hearing, self.tokens.get(wiro_task_id)
        if hearing is None or token is None:
            return
        if not (is_end or hearing.told_something):
            return  # nothing was expected yet, and not each step need be told
        self._in_judgement[wiro_task_id] += 1
        self._loop.call_later(
            GRACE_SECONDS, self._judge, wiro_task_id, token, since, hearing, context=contextvars.Context()
        )

    def stop(self) -> None:
        """Close the connection and tell nothing more; ``running`` ends a moment later."""
        self._is_stopped = True
        self._hearing = None
        self.tokens.clear()
        self.running.cancel()

    def _judge(self, wiro_task_id: str, token: str, since: float, hearing: ConnectionHealth) -> None:
        self._in_judgement[wiro_task_id] -= 1
        has_missed = hearing is self._hearing and hearing.has_missed(wiro_task_id, since)
        if has_missed and not hearing.may_have_dropped(since):  # else it says nothing of the server
            self._exchange.trust.miss(others_were_heard=hearing.heard_of_any(since))
            self._exchange.judged(told_something=hearing.told_something)
        if not self._in_judgement[wiro_task_id]:
            del self._in_judgement[wiro_task_id]
            if wiro_task_id not in self.tokens:
                self._forget(wiro_task_id, token)

    def _forget(self, wiro_task_id: str, token: str) -> None:
        self._ids_by_token.pop(token, None)
        if self._hearing is not None:
            self._hearing.forget(wiro_task_id)

    async def _keep(self) -> None:
        reconnects = self._exchange.reconnects
        # Not for ever: a failure in the moment of the stop can swallow the cancellation.
        while not self._is_stopped:
            if waiting := reconnects.wait_seconds(self._loop.time()):
                await asyncio.sleep(waiting)
                continue
            hearing = ConnectionHealth()
            began = self._loop.time()
            stood = False
            try:
                socket = await self._exchange.connect()
                stood = True
                async with socket:
                    await self._converse(socket, hearing)
                why = f"closed with code {socket.close_code}"
            except aiohttp.WSServerHandshakeError as error:  # its text quotes the address
                why = f"the handshake was answered with HTTP {error.status}"
            except WiroError as error:
                why = str(error)
            except FAILURES as error:
                why = type(error).__name__
            except Exception as error:
                why = type(error).__name__
                self._exchange.crashed()
            finally:
                self._hearing = None
            now = self._loop.time()
            takes_one = stood and not self._is_stopped and self._exchange.trust.broke(hearing, now)
            if stood:
                counted = reconnects.broke(
                    now,
                    random.random(),
                    lasted_seconds=now - began,
                    told_something=hearing.told_something,
                )
            else:
                counted = reconnects.failed(now, random.random())
            if counted:
                self._exchange.failed(why)
            if takes_one:
                self._exchange.judged(told_something=hearing.told_something)

    async def _converse(self, socket: aiohttp.ClientWebSocketResponse, hearing: ConnectionHealth) -> None:
        self._hearing = hearing
        self._unsent = dict(self.tokens)
        self._something_to_send.set()
        try:
            async with asyncio.TaskGroup() as together:
                sending = together.create_task(self._send_registrations(socket, hearing))
                await self._listen(socket, hearing)
                sending.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None  # sending failed: there is one other than the listening

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse, hearing: ConnectionHealth) -> None:
        frames = 0
        async for frame in socket:
            if frame.type is aiohttp.WSMsgType.TEXT:  # binary belongs to realtime models
                self._hear(frame.data, hearing)
            frames += 1
            if not frames % _AT_A_STRETCH:
                await asyncio.sleep(0)  # what has arrived already is read without a pause, however much it is

    def _hear(self, frame: str, hearing: ConnectionHealth) -> None:
        message = read_message(frame, self._ids_by_token, hearing)
        if message is None:
            if len(frame) > MAX_MESSAGE_CHARACTERS:
                hearing.drop(self._loop.time())
            return
        hearing.hear(message.wiro_task_id, self._loop.time())
        self._exchange.trust.hear(proves_many=hearing.proves_many)
        if message.wiro_task_id in self.tokens:
            self._exchange.tell(message)

    async def _send_registrations(
        self, socket: aiohttp.ClientWebSocketResponse, hearing: ConnectionHealth
    ) -> None:
        while True:
            await self._something_to_send.wait()
            self._something_to_send.clear()
            sent: list[str] = []
            while self._unsent:
                if self._exchange.trust.is_cautious and hearing.is_for_one:
                    await asyncio.sleep(_PROBATION * GRACE_SECONDS)
                    if not self._unsent:
                        break
                wiro_task_id = next(iter(self._unsent))
                token = self._unsent.pop(wiro_task_id)
                hearing.register(wiro_task_id, self._loop.time())
                async with asyncio.timeout(_SEND_SECONDS):
                    await socket.send_str(registration(token))
                sent.append(wiro_task_id)
                if not len(sent) % _AT_A_STRETCH:
                    await asyncio.sleep(0)  # thousands of them must not hold up the loop
            await asyncio.sleep(SETTLING_SECONDS)
            self._exchange.tell_registered(
                [wiro_task_id for wiro_task_id in sent if wiro_task_id in self.tokens]
            )

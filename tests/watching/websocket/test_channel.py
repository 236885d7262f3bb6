"""The channel reports what the server reports, and never gets in the way of anything else."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import logging
import time
import warnings
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from airflow_provider_wiro import __version__
from airflow_provider_wiro.emulator import Fault, ManualClock, WiroEmulator
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook
from airflow_provider_wiro.watching.websocket import channel as channels
from airflow_provider_wiro.watching.websocket import connection as connections
from airflow_provider_wiro.watching.websocket import health
from airflow_provider_wiro.watching.websocket.channel import PushChannel
from tests.contract.scripts import head, never_respond, raw
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from airflow_provider_wiro.watching.websocket.messages import PushMessage
    from tests.contract.fixtures import Connect
    from tests.contract.hostile import HostileServer

MODEL = "retroAIx/Retro-Cartoons"
SMALL = {"prompt": "a robot", "samples": 1, "width": 64, "height": 64}
GRACE = 0.05
END = "task_postprocess_end"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(health, "GRACE_SECONDS", GRACE)
    monkeypatch.setattr(channels, "GRACE_SECONDS", GRACE)
    monkeypatch.setattr(connections, "SETTLING_SECONDS", 0.01)
    monkeypatch.setattr(channels, "LINGER_SECONDS", 0.05)


class Following:
    """A channel, and what came over it."""

    def __init__(self, log: logging.Logger) -> None:
        self.hook = WiroAsyncHook()
        self.messages: list[PushMessage] = []
        self.registered: list[str] = []
        self.channel = PushChannel(
            self.hook, on_message=self.messages.append, on_registered=self._note_registered, log=log
        )

    def _note_registered(self, wiro_task_ids: Sequence[str]) -> None:
        self.registered += wiro_task_ids

    def add(self, *ids: str) -> None:
        for wiro_task_id in ids:
            self.channel.add(wiro_task_id, f"token-{wiro_task_id}")

    def ids_in_messages(self, status: str = END) -> list[str]:
        return [message.wiro_task_id for message in self.messages if message.status == status]

    async def are_registered(self, *ids: str, times: int = 1) -> None:
        await until(lambda: all(self.registered.count(wiro_task_id) >= times for wiro_task_id in ids))

    async def miss(self, wiro_task_id: str, *, is_end: bool = True) -> None:
        """Be a poll that saw a change, two graces after the one before."""
        since = asyncio.get_running_loop().time()
        await asyncio.sleep(2 * GRACE)
        self.channel.on_change(wiro_task_id, since, is_end=is_end)
        await asyncio.sleep(2 * GRACE)


@asynccontextmanager
async def following() -> AsyncIterator[Following]:
    one = Following(logging.getLogger("tests.push"))
    try:
        yield one
    finally:
        await one.channel.aclose()
        await one.hook.close()


class FakeSocket:
    """A WebSocket server that records the registrations and answers each as the test says."""

    url = ""

    def __init__(self) -> None:
        self.registrations: list[list[str]] = []
        self.open: list[web.WebSocketResponse] = []
        self.transports: list[Any] = []
        self.answer: Callable[[web.WebSocketResponse, int, str], Awaitable[None]] = self.nothing
        self.autoping = True

    async def nothing(self, socket: web.WebSocketResponse, connection: int, token: str) -> None:
        """Answer nothing."""

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=self.autoping)
        await socket.prepare(request)
        self.open.append(socket)
        self.transports.append(request.transport)
        connection = len(self.registrations)
        self.registrations.append([])
        async for frame in socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                token = json.loads(frame.data)["tasktoken"]
                self.registrations[connection].append(token)
                await self.answer(socket, connection, token)
        self.open.remove(socket)
        return socket

    async def tell(self, wiro_task_id: str, status: str = "task_start", connection: int = -1) -> None:
        await self.open[connection].send_json({"type": status, "id": wiro_task_id})


@pytest.fixture
async def fake(connect: Connect) -> AsyncIterator[FakeSocket]:
    one = FakeSocket()
    application = web.Application()
    application.router.add_get("/socket", one.serve)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/socket"
    connect(websocket_url=one.url)
    yield one
    for socket in tuple(one.open):
        await socket.close()
    await runner.cleanup()


@asynccontextmanager
async def emulator(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[WiroEmulator]:
    async with WiroEmulator(clock=ManualClock(), **settings) as wiro:
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", wiro.connection)
        yield wiro


async def start(one: Following, count: int) -> dict[str, str]:
    runs = await asyncio.gather(*(one.hook.run_model(MODEL, SMALL) for _ in range(count)))
    tokens = {run.wiro_task_id: run.token or "" for run in runs}
    for wiro_task_id, token in tokens.items():
        one.channel.add(wiro_task_id, token)
    return tokens


class TestOneConnectionForAll:
    @pytest.mark.parametrize("dialect", ["new", "old"])
    async def test_the_end_of_every_task_is_reported_over_one_connection(
        self, monkeypatch: pytest.MonkeyPatch, dialect: str
    ) -> None:
        async with emulator(monkeypatch, socket_dialect=dialect) as wiro, following() as one:
            ids = sorted(await start(one, 20))
            await one.are_registered(*ids)
            await until(lambda: wiro.counts.socket_registrations == 20)
            wiro.advance(60)
            await until(lambda: len(one.ids_in_messages()) == 20)
            assert all(one.channel.is_working(wiro_task_id) for wiro_task_id in ids)
            assert sorted(one.ids_in_messages()) == ids
            assert wiro.counts.requests["socket"] == 1
            assert Counter(one.registered) == dict.fromkeys(ids, 1)
            assert max(message.progress.percentage for message in one.messages if message.progress) == 100

    async def test_a_task_that_is_requeued_after_a_failure_is_followed_to_its_end(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with emulator(monkeypatch) as wiro, following() as one:
            wiro.inject(Fault("fatal_error"))
            [wiro_task_id] = await start(one, 1)
            await one.are_registered(wiro_task_id)
            wiro.advance(60)
            await until(lambda: one.ids_in_messages() == [wiro_task_id])
        ends = [message.status for message in one.messages if message.is_end]
        assert (ends, one.ids_in_messages("task_error")) == ([END], [wiro_task_id])

    async def test_what_only_realtime_sessions_have_is_passed_over(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with emulator(monkeypatch) as wiro, following() as one:
            wiro.inject(Fault("realtime"))
            [wiro_task_id] = await start(one, 1)
            await one.are_registered(wiro_task_id)
            wiro.advance(60)
            await until(lambda: one.ids_in_messages() == [wiro_task_id])
        assert one.ids_in_messages("task_cost") == []
        assert len(one.ids_in_messages("task_output")) == 10

    async def test_the_handshake_says_who_connects(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with emulator(monkeypatch, require_user_agent=True) as wiro, following() as one:
            await one.are_registered(*await start(one, 1))
            agents = {request.headers["user-agent"] for request in wiro.received}
        assert agents == {f"airflow-provider-wiro/{__version__}"}

    async def test_a_task_is_relied_on_from_its_first_message_also_after_a_reconnect(
        self, fake: FakeSocket
    ) -> None:
        async with following() as one:
            one.add("1", "2")
            await one.are_registered("1", "2")
            assert not any(map(one.channel.is_working, "12"))
            await fake.tell("1")
            await until(lambda: one.channel.is_working("1"))
            assert not one.channel.is_working("2")
            await fake.tell("2")
            await until(lambda: all(map(one.channel.is_working, "12")))
            await fake.open[0].close()
            await one.are_registered("1", "2", times=2)
            assert all(map(one.channel.is_working, "12"))

    async def test_before_a_connection_has_delivered_something_only_ends_can_be_missed(
        self, fake: FakeSocket
    ) -> None:
        async with following() as one:
            one.add("1")
            await one.are_registered("1")
            for _ in range(5):
                await one.miss("1", is_end=False)
            await fake.tell("1")
            await until(lambda: one.channel.is_working("1"))
        assert len(fake.registrations) == 1

    async def test_it_connects_with_the_first_task_and_not_before(self, fake: FakeSocket) -> None:
        async with following() as one:
            await asyncio.sleep(0.05)
            assert fake.registrations == []
            one.add("1")
            await one.are_registered("1")
            one.add("2")
            await one.are_registered("2")
        assert fake.registrations == [["token-1", "token-2"]]

    async def test_it_lingers_for_the_next_task_and_then_closes(
        self, fake: FakeSocket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(channels, "LINGER_SECONDS", 0.3)
        async with following() as one:
            for wiro_task_id in ("1", "2", "3"):
                one.add(wiro_task_id)
                await one.are_registered(wiro_task_id)
                one.channel.discard(wiro_task_id)
                assert not one.channel.is_working(wiro_task_id)
            assert len(fake.registrations) == 1
            assert fake.open
            await until(lambda: not fake.open)
            one.add("4")
            await one.are_registered("4")
            assert len(fake.registrations) == 2

    async def test_no_message_about_a_discarded_task_is_passed_on(self, fake: FakeSocket) -> None:
        async with following() as one:
            one.add("1", "2")
            await one.are_registered("1", "2")
            one.channel.discard("1")
            one.channel.discard("nobody")
            await fake.tell("1")
            await fake.tell("2")
            await until(lambda: bool(one.messages))
            assert [message.wiro_task_id for message in one.messages] == ["2"]

    async def test_a_task_added_twice_is_registered_once_and_again_with_another_token(
        self, fake: FakeSocket
    ) -> None:
        async with following() as one:
            one.add("1", "1", "2")
            await one.are_registered("1", "2")
            one.channel.add("1", "token-new")
            await one.are_registered("1", times=2)
        assert fake.registrations == [["token-1", "token-2", "token-new"]]

    async def test_an_idle_connection_outlives_the_read_timeout(
        self, fake: FakeSocket, connect: Connect
    ) -> None:
        connect(websocket_url=fake.url, read_timeout=0.05)
        async with following() as one:
            one.add("1")
            await one.are_registered("1")
            await fake.tell("1")
            await asyncio.sleep(0.3)
            assert one.channel.is_working("1")
        assert len(fake.registrations) == 1

    async def test_messages_are_handled_in_no_triggers_context(self, fake: FakeSocket) -> None:
        # In the triggerer a context variable says into whose log a line goes.
        whose = contextvars.ContextVar("whose", default="nobody's")
        seen: list[str] = []
        hook = WiroAsyncHook()
        channel = PushChannel(
            hook,
            on_message=lambda _: seen.append(whose.get()),
            on_registered=lambda _: seen.append(whose.get()),
            log=logging.getLogger("tests.push"),
        )
        whose.set("the first trigger's")
        channel.add("1", "token-1")
        await until(lambda: len(seen) == 1)
        await fake.tell("1")
        await until(lambda: len(seen) == 2)
        await channel.aclose()
        assert seen == ["nobody's", "nobody's"]


class TestWhatGoesWrong:
    async def test_after_a_break_every_task_is_registered_again_and_reported_as_such(
        self, fake: FakeSocket
    ) -> None:
        async with following() as one:
            one.add("1", "2")
            await one.are_registered("1", "2")
            await fake.open[0].close()
            await one.are_registered("1", "2", times=2)
            await fake.tell("2", END)
            await until(lambda: one.ids_in_messages() == ["2"])
        assert fake.registrations == [["token-1", "token-2"]] * 2

    async def test_ends_are_received_from_a_server_that_keeps_breaking(self, fake: FakeSocket) -> None:
        async def answer(socket: web.WebSocketResponse, connection: int, token: str) -> None:
            await socket.send_json({"type": "task_start", "tasktoken": token})
            if connection < 5:
                fake.transports[connection].abort()
            else:
                await socket.send_json({"type": END, "tasktoken": token})

        fake.answer = answer
        async with following() as one:
            one.add("1", "2", "3")
            await until(lambda: sorted(one.ids_in_messages()) == ["1", "2", "3"])
        assert len(fake.registrations) == 6

    @pytest.mark.parametrize(
        "fault",
        [
            Fault("server_error", endpoint="socket", times=None, status=403),
            Fault("html", endpoint="socket", times=None),
            Fault("empty", endpoint="socket", times=None, status=404),
            Fault("drop_before", endpoint="socket", times=None),
        ],
        ids=lambda fault: fault.kind,
    )
    async def test_a_refused_handshake_is_tried_ever_less_often_and_then_left_alone(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Fault
    ) -> None:
        monkeypatch.setattr(health, "MOST_FAILURES", 4)
        caplog.set_level(logging.DEBUG)
        async with emulator(monkeypatch) as wiro, following() as one:
            wiro.inject(fault)
            tokens = await start(one, 3)
            await until(lambda: one.channel.backoff.failures == 4)
            requests = wiro.counts.requests["socket"]
            await asyncio.sleep(0.1)
            assert wiro.counts.requests["socket"] == requests
            assert not any(map(one.channel.is_working, tokens))
        lines = [record.getMessage() for record in caplog.records if record.name == "tests.push"]
        assert len(lines) == 2
        assert "no connection (" in lines[0]
        assert "doesn't work (4 failures in a row" in lines[1]
        assert not any(token in caplog.text for token in tokens.values())

    async def test_a_handshake_that_hangs_is_given_up(self, server: HostileServer, connect: Connect) -> None:
        server.on("/socket", never_respond)
        connect(websocket_url=f"ws://127.0.0.1:{server.port}/socket", connect_timeout=0.1)
        async with following() as one:
            one.add("1")
            await until(lambda: len(server.to("/socket")) >= 2)
            assert not one.channel.is_working("1")

    async def test_a_redirect_leads_no_token_anywhere(
        self, server: HostileServer, cdn: HostileServer, connect: Connect
    ) -> None:
        server.on(
            "/socket", raw(head(302, location=f"{cdn.origin}/socket", content_length=0), then_close=False)
        )
        connect(websocket_url=f"ws://127.0.0.1:{server.port}/socket")
        async with following() as one:
            one.add("1")
            await until(lambda: len(server.to("/socket")) >= 2)
        assert cdn.requests == []

    async def test_a_connection_without_a_pong_is_given_up(
        self, fake: FakeSocket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "HEARTBEAT_SECONDS", 0.1)
        fake.autoping = False
        async with following() as one:
            one.add("1")
            await one.are_registered("1", times=2)

    async def test_a_server_that_sends_nothing_is_found_out_by_what_polls_show(
        self, fake: FakeSocket, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with following() as one:
            one.add("1", "2", "3")
            await one.are_registered("1", "2", "3")
            await one.miss("1")
            assert not any(map(one.channel.is_working, "123"))
            await one.miss("2")
            assert fake.open
            await one.miss("2")
            await until(lambda: not fake.open)
            await asyncio.sleep(0.1)
            assert len(fake.registrations) == 1
            assert not any(map(one.channel.is_working, "123"))
        assert "the server sends no messages" in caplog.text

    async def test_a_server_that_stops_sending_is_connected_to_again(self, fake: FakeSocket) -> None:
        async with following() as one:
            one.add("1")
            await one.are_registered("1")
            await fake.tell("1")
            await until(lambda: bool(one.messages))
            await asyncio.sleep(2 * GRACE)
            for _ in range(3):
                await one.miss("1")
            await one.are_registered("1", times=2)
            assert not one.channel.is_working("1")
            await fake.tell("1")
            await until(lambda: one.channel.is_working("1"))

    async def test_a_late_message_is_no_missed_one(self, fake: FakeSocket) -> None:
        async with following() as one:
            one.add("1", "2")
            await one.are_registered("1", "2")
            since = asyncio.get_running_loop().time()
            for _ in range(5):
                one.channel.on_change("1", since, is_end=True)
                one.channel.on_change("2", since, is_end=True)
            one.channel.discard("1")  # as for a task whose end a poll saw: its message still counts
            await fake.tell("1", END)
            await fake.tell("2")
            await asyncio.sleep(2 * GRACE)
            assert one.channel.is_working("2")
            assert [message.wiro_task_id for message in one.messages] == ["2"]
        assert len(fake.registrations) == 1

    async def test_what_a_poll_finds_changed_since_before_the_registration_was_not_missed(
        self, fake: FakeSocket
    ) -> None:
        async with following() as one:
            before = asyncio.get_running_loop().time()
            one.add("1")
            await one.are_registered("1")
            for _ in range(5):
                one.channel.on_change("1", before, is_end=True)
            await asyncio.sleep(2 * GRACE)
            await fake.tell("1")
            await until(lambda: one.channel.is_working("1"))
        assert len(fake.registrations) == 1

    async def test_hostile_messages_are_passed_over(self, fake: FakeSocket) -> None:
        async def answer(socket: web.WebSocketResponse, connection: int, token: str) -> None:
            for text in ("", "no json", "[" * 100_000, "null", '{"type": "task_end", "id": "77"}', "{}"):
                await socket.send_str(text)
            await socket.send_bytes(b"\0\xff" * 1000)
            await socket.send_json({"type": END, "tasktoken": token})

        fake.answer = answer
        async with following() as one:
            one.add("1")
            await until(lambda: one.ids_in_messages() == ["1"])
            assert len(one.messages) == 1

    async def test_a_long_message_does_not_end_the_connection(self, fake: FakeSocket) -> None:
        """The snapshots of long texts have more than a megabyte."""

        async def answer(socket: web.WebSocketResponse, connection: int, token: str) -> None:
            snapshot = {"type": "task_output", "id": token[-1], "message": {"raw": "字" * 2**21}}
            for _ in range(3):
                await socket.send_json(snapshot)
            await socket.send_json({"message": "x" * 2**21, "type": "task_output", "id": token[-1]})

        fake.answer = answer
        async with following() as one:
            one.add("1", "2")
            await until(lambda: len(one.messages) == 6)
            await fake.tell("2", END)
            await until(lambda: one.ids_in_messages() == ["2"])
            await fake.open[0].send_json({"type": END, "id": "1", "message": ["x" * 2**21]})
            await until(lambda: one.ids_in_messages() == ["2", "1"])
        assert len(fake.registrations) == 1

    async def test_messages_too_long_to_be_read_say_nothing_against_the_server(
        self, fake: FakeSocket
    ) -> None:
        async with following() as one:
            one.add("1", "2")
            await one.are_registered("1", "2")
            for _ in range(5):
                await fake.tell("2")
                await fake.open[0].send_json({"message": "x" * 2**21, "type": END, "id": "1"})
                await one.miss("1")
            assert not one.channel.is_working("1")
            assert one.channel.is_working("2")
        assert len(fake.registrations) == 1

    async def test_a_message_without_measure_ends_its_connection_only(self, fake: FakeSocket) -> None:
        async def answer(socket: web.WebSocketResponse, connection: int, token: str) -> None:
            if connection == 0:
                await socket.send_json({"type": "task_output", "tasktoken": token, "message": "x" * 2**24})
            else:
                await socket.send_json({"type": END, "tasktoken": token})

        fake.answer = answer
        async with following() as one:
            one.add("1")
            await until(lambda: one.ids_in_messages() == ["1"])

    async def test_a_bug_in_what_is_called_ends_nothing(
        self, fake: FakeSocket, caplog: pytest.LogCaptureFixture
    ) -> None:
        calls: list[str] = []

        def broken(what: object) -> None:
            calls.append(repr(what))
            raise ZeroDivisionError

        hook = WiroAsyncHook()
        channel = PushChannel(
            hook, on_message=broken, on_registered=broken, log=logging.getLogger("tests.push")
        )
        channel.add("1", "token-1")
        await until(lambda: len(calls) == 1)
        for _ in range(2):
            await fake.tell("1")
        await until(lambda: len(calls) == 3)
        assert channel.is_working("1")
        await channel.aclose()
        assert len(fake.registrations) == 1
        assert [record.exc_info is not None for record in caplog.records if record.name == "tests.push"] == [
            True
        ] * 3
        assert "token-1" not in caplog.text

    async def test_a_bug_in_the_channel_is_logged_and_tried_again(
        self, fake: FakeSocket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        broken = [True, True]

        def read(*arguments: Any) -> PushMessage | None:
            if broken:
                raise ZeroDivisionError(broken.pop())
            return original(*arguments)

        original = channels.read_message
        monkeypatch.setattr(channels, "read_message", read)

        async def answer(socket: web.WebSocketResponse, connection: int, token: str) -> None:
            await socket.send_json({"type": END, "tasktoken": token})

        fake.answer = answer
        async with following() as one:
            one.add("1")
            await until(lambda: one.ids_in_messages() == ["1"])
        assert caplog.text.count("an unforeseen error") == 2

    async def test_without_an_address_of_its_own_another_host_gets_no_token(
        self, server: HostileServer, connect: Connect, caplog: pytest.LogCaptureFixture
    ) -> None:
        connect()
        caplog.set_level(logging.DEBUG)
        async with following() as one:
            one.add("1")
            await until(lambda: "`websocket_url`" in caplog.text)
            assert not one.channel.is_working("1")
        assert server.connections == 0

    async def test_the_connections_proxy_is_used(self, server: HostileServer, connect: Connect) -> None:
        address = "http://socket.test/v1"
        connect(websocket_url="ws://socket.test/v1", proxy=server.origin)
        server.on(address, raw(head(403, content_length=0)))
        async with following() as one:
            one.add("1")
            await until(lambda: bool(server.to(address)))
        assert server.to(address)[0].headers["upgrade"] == "websocket"
        assert "x-api-key" not in server.to(address)[0].headers


class TestServersThatDontCarryAllTasks:
    """The tasks that a server doesn't report are polled; the channel needs not know why."""

    @pytest.mark.parametrize("carried", ["one", "first"])
    async def test_of_a_server_that_reports_one_task_of_a_socket_only_that_one_is_relied_on(
        self, monkeypatch: pytest.MonkeyPatch, carried: str
    ) -> None:
        async with emulator(monkeypatch, socket_registrations=carried) as wiro, following() as one:
            ids = list(await start(one, 4))
            await until(lambda: wiro.counts.socket_registrations == 4)
            since = asyncio.get_running_loop().time() + 2 * GRACE
            await asyncio.sleep(2 * GRACE)
            wiro.advance(3.5)
            await until(lambda: bool(one.messages))
            reported = {"one": ids[-1], "first": ids[0]}[carried]
            for wiro_task_id in ids:
                if wiro_task_id != reported:
                    one.channel.on_change(wiro_task_id, since, is_end=False)
            await asyncio.sleep(2 * GRACE)
            assert [name for name in ids if one.channel.is_working(name)] == [reported]
            wiro.advance(60)
            await until(lambda: one.ids_in_messages() == [reported])
            assert wiro.counts.requests["socket"] == 1

    async def test_a_server_that_closes_on_a_second_registration_is_connected_to_ever_less_often(
        self, fake: FakeSocket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(health, "MOST_FAILURES", 4)

        async def answer(socket: web.WebSocketResponse, connection: int, token: str) -> None:
            await socket.send_json({"type": "task_start", "tasktoken": token})
            if len(fake.registrations[connection]) == 2:
                await socket.close()

        fake.answer = answer
        async with following() as one:
            one.add("1", "2", "3")
            await until(lambda: one.channel.backoff.failures == 4)
            await asyncio.sleep(0.1)
            assert len(fake.registrations) == 4
            assert not any(map(one.channel.is_working, "123"))


class TestClosing:
    async def test_nothing_is_left_after_it(self, fake: FakeSocket) -> None:
        before = asyncio.all_tasks()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            async with following() as one:
                one.add("1", "2")
                await one.are_registered("1", "2")
                one.channel.discard("1")
            await until(lambda: not fake.open)
            assert {task for task in asyncio.all_tasks() if "PushChannel" in repr(task)} == set()
            del one
            await asyncio.sleep(0)
            gc.collect()
        assert [str(warning.message) for warning in caught if warning.category is ResourceWarning] == []
        assert before <= asyncio.all_tasks()

    async def test_it_can_be_closed_while_it_connects_or_waits_and_takes_nothing_afterwards(
        self, server: HostileServer, connect: Connect
    ) -> None:
        server.on("/socket", never_respond)
        connect(websocket_url=f"ws://127.0.0.1:{server.port}/socket", connect_timeout=30)
        async with following() as one:
            one.add("1")
            await until(lambda: bool(server.to("/socket")))
            began = time.perf_counter()
            await one.channel.aclose()
            assert time.perf_counter() - began < 5
            one.add("2")
            await one.channel.aclose()
            await asyncio.sleep(0.05)
        assert len(server.to("/socket")) == 1

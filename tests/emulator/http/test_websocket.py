from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from airflow_provider_wiro.emulator import Fault
from tests.emulator.conftest import NANO, RETRO, SMALL, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.emulator.conftest import Client, StartEmulator


Socket = aiohttp.ClientWebSocketResponse


@asynccontextmanager
async def registered(wiro: Client, *tokens: str) -> AsyncIterator[Socket]:
    """Connect and register; the refusal of an unknown token shows that the ones before it are registered."""
    async with wiro.session.ws_connect(wiro.emulator.websocket_url, max_msg_size=0) as socket:
        for token in (*tokens, "nobody's"):
            await socket.send_json({"type": "task_info", "tasktoken": token})
        assert (await socket.receive_json(timeout=5))["result"] is False
        # The followers start with the next turn of the server's loop; reading the counters is such a turn.
        assert wiro.emulator.counts.open_sockets == 1
        yield socket


async def start(wiro: Client, model: str = RETRO, body: dict[str, Any] | None = None) -> str:
    return str((await wiro(f"Run/{model}", SMALL if body is None else body))["socketaccesstoken"])


async def messages_until(socket: Socket, last: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != last:
        messages.append(await socket.receive_json(timeout=5))
    return messages


async def assert_no_message(socket: Socket) -> None:
    with pytest.raises(TimeoutError):
        await socket.receive(timeout=0.05)


async def test_a_client_that_leaves_before_the_handshake_causes_no_error(
    start_emulator: StartEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    async with start_emulator() as wiro:
        wiro.emulator.inject(Fault("slow", endpoint="socket", delay_seconds=0.2))
        connecting = asyncio.ensure_future(wiro.session.ws_connect(wiro.emulator.websocket_url))
        await wait_until(lambda: wiro.emulator.counts.faults_fired["slow"] == 1)
        connecting.cancel()
        await wait_until(lambda: wiro.emulator.counts.open_connections == 0)
    # The emulator has stopped by now, after its last handler.
    assert [record.getMessage() for record in caplog.records] == []


async def test_a_registered_task_sends_every_step_to_its_end(wiro: Client) -> None:
    token = await start(wiro)
    async with registered(wiro, token) as socket:
        wiro.emulator.advance(60)
        messages = await messages_until(socket, "task_postprocess_end")
    assert {(message["id"], message["result"]) for message in messages} == {("2221", True)}
    assert token not in str(messages)
    assert {(m["terminal"], m["success"], m["exitCode"]) for m in messages[:-1]} == {(False, None, None)}
    assert [messages[-1][name] for name in ("terminal", "success", "exitCode")] == [True, True, 0]
    assert list(dict.fromkeys(message["type"] for message in messages)) == [
        "task_accept",
        "task_preprocess_start",
        "task_preprocess_end",
        "task_assign",
        "task_start",
        "task_output",
        "task_output_full",
        "task_end",
        "task_postprocess_start",
        "task_postprocess_end",
    ]
    assert messages[0]["message"] is None
    assert messages[-1]["message"] == (await wiro.detail("2221"))["outputs"]


async def test_progress_grows_to_a_hundred(wiro: Client) -> None:
    token = await start(wiro)
    async with registered(wiro, token) as socket:
        wiro.emulator.advance(60)
        messages = await messages_until(socket, "task_end")
    progress = [message["message"] for message in messages if message["type"] == "task_output"]
    assert {item["type"] for item in progress} == {"progressGenerate"}
    assert [item["percentage"] for item in progress] == [str(number) for number in range(10, 101, 10)]
    assert progress[-1]["stepCurrent"] == progress[-1]["stepTotal"] == "60"


async def test_each_message_of_a_language_model_repeats_its_earlier_words(wiro: Client) -> None:
    token = await start(wiro, NANO, {"prompt": "Why do cartoons wear gloves?"})
    async with registered(wiro, token) as socket:
        wiro.emulator.advance(60)
        messages = await messages_until(socket, "task_postprocess_end")
    snapshots = [message["message"] for message in messages if message["type"] == "task_output"]
    assert snapshots[0]["isThinking"] is True
    assert snapshots[-1]["isThinking"] is False
    answers = [" ".join(item["answer"]) for item in snapshots]
    assert all(later.startswith(earlier) for earlier, later in pairwise(answers))
    assert snapshots[-1]["segments"] == [
        {"type": "thinking", "text": snapshots[-1]["thinking"][0]},
        {"type": "answer", "text": snapshots[-1]["answer"][0]},
    ]
    final = messages[-1]["message"][0]["content"]
    assert (snapshots[-1]["answer"], snapshots[-1]["thinking"]) == (final["answer"], final["thinking"])


async def test_messages_are_sent_when_their_moment_comes(wiro: Client) -> None:
    token = await start(wiro)
    async with registered(wiro, token) as socket:
        wiro.emulator.advance(1)
        assert (await messages_until(socket, "task_preprocess_start"))[0]["type"] == "task_accept"
        await assert_no_message(socket)


async def test_a_cancelled_task_sends_a_terminal_message(wiro: Client) -> None:
    token = await start(wiro)
    async with registered(wiro, token) as socket:
        await wiro("Task/Cancel", {"taskid": "2221"})
        (message,) = await messages_until(socket, "task_cancel")
    assert (message["terminal"], message["success"], message["exitCode"]) == (True, False, None)


@pytest.mark.parametrize(("dialect", "full"), [("new", ""), ("old", {"raw": "warning\nboom"})])
async def test_the_errors_of_a_failed_run_are_sent_before_its_end(
    start_emulator: StartEmulator, dialect: str, full: Any
) -> None:
    async with start_emulator(socket_dialect=dialect) as wiro:
        wiro.emulator.inject(Fault("exit_code", exit_code="3", debug_error="warning\nboom"))
        token = await start(wiro)
        async with registered(wiro, token) as socket:
            wiro.emulator.advance(60)
            received = await messages_until(socket, "task_postprocess_end")
    messages = {message["type"]: message["message"] for message in received}
    assert messages["task_error"] == "boom"
    assert messages["task_error_full"] == full
    assert messages["task_postprocess_end"] == []
    end = [received[-1].get(name) for name in ("terminal", "success", "exitCode")]
    assert end == ([True, False, 3] if dialect == "new" else [None] * 3)


async def test_the_older_dialect_has_the_token_and_no_exit_code(
    start_emulator: StartEmulator,
) -> None:
    async with start_emulator(socket_dialect="old") as wiro:
        token = await start(wiro)
        async with registered(wiro, token) as socket:
            wiro.emulator.advance(60)
            messages = await messages_until(socket, "task_postprocess_end")
    assert {tuple(message) for message in messages} == {("type", "id", "tasktoken", "message", "result")}
    assert {(message["id"], message["tasktoken"]) for message in messages} == {("2221", token)}
    assert next(m for m in messages if m["type"] == "task_output_full")["message"] != ""


async def test_a_failure_before_the_model_ran_is_sent_and_is_no_end(wiro: Client) -> None:
    wiro.emulator.inject(Fault("fatal_error", debug_error="no such checkpoint"))
    token = await start(wiro)
    async with registered(wiro, token) as socket:
        wiro.emulator.advance(120)
        messages = await messages_until(socket, "task_postprocess_end")
    (error,) = (message for message in messages if message["type"] == "task_error")
    assert (error["message"], error["terminal"], error["success"]) == ("no such checkpoint", False, None)
    types = [message["type"] for message in messages]
    assert types.index("task_error") < types.index("task_queue") < types.index("task_start")
    assert "task_error_full" not in types


async def test_snapshots_can_have_any_length(wiro: Client) -> None:
    wiro.emulator.inject(Fault("long_snapshots", message_bytes=3_000_000))
    token = await start(wiro, NANO, {"prompt": "hello"})
    async with registered(wiro, token) as socket:
        wiro.emulator.advance(60)
        messages = await messages_until(socket, "task_postprocess_end")
    snapshots = [message["message"] for message in messages if message["type"] == "task_output"]
    assert {len(snapshot["raw"]) for snapshot in snapshots} == {3_000_000}


async def test_a_realtime_session_also_sends_sound_and_costs(wiro: Client) -> None:
    wiro.emulator.inject(Fault("realtime"))
    token = await start(wiro)
    async with registered(wiro, token) as socket:
        wiro.emulator.advance(60)
        frames = []
        while not frames or frames[-1].type is aiohttp.WSMsgType.BINARY or not frames[-1].json()["terminal"]:
            frames.append(await socket.receive(timeout=5))
    costs = [frame.json() for frame in frames if frame.type is aiohttp.WSMsgType.TEXT]
    costs = [message for message in costs if message["type"] == "task_cost"]
    assert len(costs) == sum(frame.type is aiohttp.WSMsgType.BINARY for frame in frames) == 10
    assert {message["terminal"] for message in costs} == {False}


async def test_messages_from_before_the_registration_are_not_sent(wiro: Client) -> None:
    token = await start(wiro)
    wiro.emulator.advance(60)
    async with registered(wiro, token) as socket:
        await assert_no_message(socket)


async def test_one_connection_carries_several_tasks(wiro: Client) -> None:
    tokens = [await start(wiro) for _ in range(2)]
    async with registered(wiro, *tokens) as socket:
        wiro.emulator.advance(60)
        ended: set[str] = set()
        while ended != {"2221", "2222"}:
            message = await socket.receive_json(timeout=5)
            if message["terminal"]:
                ended.add(message["id"])


async def test_other_texts_are_refused_and_binary_is_ignored(wiro: Client) -> None:
    async with wiro.session.ws_connect(wiro.emulator.websocket_url) as socket:
        await socket.send_bytes(b"sound")
        for text in ("no json", "[]", '{"type": "other"}'):
            await socket.send_str(text)
            assert (await socket.receive_json(timeout=5))["result"] is False


@pytest.mark.parametrize("kind", ["rate_limit", "html", "drop_before"])
async def test_a_socket_can_be_refused(wiro: Client, kind: str) -> None:
    wiro.emulator.inject(Fault(kind, endpoint="socket", times=None))
    with pytest.raises((aiohttp.WSServerHandshakeError, aiohttp.ClientConnectionError)):
        await wiro.session.ws_connect(wiro.emulator.websocket_url)


async def test_a_socket_can_break_after_its_first_message(wiro: Client) -> None:
    token = await start(wiro)
    wiro.emulator.inject(Fault("drop_after", endpoint="socket"))
    async with registered(wiro, token) as socket:
        wiro.emulator.advance(60)
        frames = [await socket.receive(timeout=5) for _ in range(2)]
    assert frames[0].type == aiohttp.WSMsgType.TEXT
    assert frames[1].type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE}


async def test_a_socket_can_break_after_a_few_messages(wiro: Client) -> None:
    token = await start(wiro)
    wiro.emulator.inject(Fault("drop_after", endpoint="socket", after_messages=3))
    async with registered(wiro, token) as socket:
        wiro.emulator.advance(60)
        frames = [await socket.receive(timeout=5) for _ in range(4)]
    text = aiohttp.WSMsgType.TEXT
    assert [frame.type == text for frame in frames] == [True, True, True, False]


async def test_a_socket_can_accept_a_registration_and_send_nothing(wiro: Client) -> None:
    token = await start(wiro)
    wiro.emulator.inject(Fault("silent_socket"))
    async with registered(wiro, token) as socket:
        wiro.emulator.advance(60)
        await assert_no_message(socket)
    assert wiro.emulator.counts.socket_registrations == 1


@pytest.mark.parametrize("by_hand", [False, True])
async def test_a_socket_can_lack_the_message_of_the_end(wiro: Client, by_hand: bool) -> None:
    token = await start(wiro)
    wiro.emulator.inject(Fault("missing_end"))
    async with registered(wiro, token) as socket:
        wiro.emulator.advance(3.1)
        assert (await messages_until(socket, "task_start"))[-1]["type"] == "task_start"
        if by_hand:
            await wiro("Task/Kill", {"taskid": "2221"})
        else:
            wiro.emulator.advance(60)
            assert (await messages_until(socket, "task_postprocess_start"))[0]["type"] == "task_output"
        await assert_no_message(socket)


@pytest.mark.parametrize(("carried", "received"), [("many", {0, 1, 2}), ("one", {2}), ("first", {0})])
async def test_how_many_tasks_a_connection_carries_is_a_setting(
    start_emulator: StartEmulator, carried: str, received: set[int]
) -> None:
    async with start_emulator(socket_registrations=carried) as wiro:
        tokens = [await start(wiro) for _ in range(3)]
        async with registered(wiro, *tokens) as socket:
            wiro.emulator.advance(60)
            ended: set[str] = set()
            while len(ended) < len(received):
                message = await socket.receive_json(timeout=5)
                if message["type"] == "task_postprocess_end":
                    ended.add(message["id"])
            assert ended == {str(2221 + number) for number in received}
            await assert_no_message(socket)
        assert wiro.emulator.counts.socket_registrations == 3


async def test_a_task_registered_twice_sends_its_messages_once(wiro: Client) -> None:
    token = await start(wiro)
    async with registered(wiro, token, token) as socket:
        wiro.emulator.advance(60)
        types = [message["type"] for message in await messages_until(socket, "task_postprocess_end")]
        assert types.count("task_accept") == 1
        await assert_no_message(socket)


async def test_a_stopping_emulator_closes_its_sockets(wiro: Client) -> None:
    async with registered(wiro, await start(wiro)) as socket:
        await asyncio.to_thread(wiro.emulator.stop)
        frame = await socket.receive(timeout=5)
        assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 1001)

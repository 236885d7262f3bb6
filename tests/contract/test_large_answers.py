"""Responses of up to 16 MiB are read, and memory grows with one of them, not with all."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.exceptions import WiroAnswerTooLargeError, WiroConnectionError
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook, WiroHook
from airflow_provider_wiro.transport.response_body import ResponseBody
from tests.contract.scripts import endless, head, respond, success

if TYPE_CHECKING:
    from tests.contract.hostile import HostileServer, Wire
    from tests.contract.twins import Twin

pytestmark = [pytest.mark.usefixtures("connect", "no_repeats")]

DETAIL = "/v1/Task/Detail"
MIB = 1024 * 1024


def llm(answer_text: str, **fields: Any) -> dict[str, Any]:
    """Return an LLM's task, with its answer repeated as often as Wiro does."""
    content = {
        "prompt": "p",
        "raw": f"<think>hm</think>{answer_text}",
        "thinking": ["hm"],
        "answer": [answer_text],
        "segments": [{"type": "thinking", "text": "hm"}, {"type": "answer", "text": answer_text}],
    }
    output = {"contenttype": "raw", "content": content}
    task = {"id": "2221", "status": "task_postprocess_end", "pexit": "0", "debugoutput": answer_text}
    return {"result": True, "errors": [], "tasklist": [{**task, "outputs": [output], **fields}]}


@pytest.mark.parametrize(
    "text", ["字" * 60_000, "x" * 300_000, "🌍字x" * 100_000], ids=["60,000 字", "300 KB", "2 MB escaped"]
)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_long_answer_of_an_llm_is_read(server: HostileServer, twin: Twin, text: str, encoding: str) -> None:
    body = json.dumps(llm(text, parameters={"prompt": text})).encode()
    assert len(body) > MIB
    if encoding == "gzip":
        server.on(DETAIL, respond(gzip.compress(body, 1), content_encoding="gzip"))
    else:
        server.on(DETAIL, respond(body))

    assert twin.get_task("2221").answer == text


def test_an_even_longer_answer_is_an_error_about_a_paid_task(server: HostileServer, twin: Twin) -> None:
    start = json.dumps(llm("x"))[:-4].encode()
    server.on(DETAIL, endless(head(200) + start + b', "pad": "', b"y" * 1024))

    with pytest.raises(
        WiroAnswerTooLargeError, match="Wiro task 2221 has ended and is paid; its response has"
    ):
        twin.get_task("2221")


def test_a_decompression_bomb_takes_no_more_memory_than_a_large_response(
    server: HostileServer, twin: Twin
) -> None:
    server.on(DETAIL, respond(gzip.compress(b'{"result": "' + b" " * 300_000_000), content_encoding="gzip"))
    tracemalloc.start()
    try:
        with pytest.raises(WiroAnswerTooLargeError):
            twin.get_task("2221")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 48 * MIB


def test_large_responses_are_read_one_at_a_time_and_small_ones_meanwhile(server: HostileServer) -> None:
    body = json.dumps(llm("x" * MIB)).encode()
    held = threading.Event()

    def stall(wire: Wire) -> None:
        """Send more than a small response, and then wait."""
        wire.send(head(200, content_length=len(body)) + body[: 2 * MIB])
        held.set()
        wire.wait(3)
        wire.send(body[2 * MIB :])

    server.on(DETAIL, stall, respond(body), respond(body), respond(body))
    server.on("/v1/Task/List", success(tasklist=[]))
    order: list[str] = []

    async def look(hook: WiroAsyncHook, name: str) -> None:
        assert (await hook.get_task("2221")).answer
        order.append(name)

    async def world() -> None:
        async with WiroAsyncHook() as hook, WiroAsyncHook() as other:
            first = asyncio.create_task(look(hook, "first"))
            assert await asyncio.to_thread(held.wait, 5)
            await asyncio.sleep(0.3)  # it is being read by now
            rest = [asyncio.create_task(look(one, "later")) for one in (hook, other, hook)]
            await asyncio.sleep(0.5)
            assert await hook.list_tasks() == ()
            assert order == []  # they wait for the first, which waits for the server
            await asyncio.gather(first, *rest)

    asyncio.run(world())
    assert order == ["first", "later", "later", "later"]


def test_threads_read_large_responses_one_at_a_time_as_well(server: HostileServer) -> None:
    body = json.dumps(llm("x" * MIB)).encode()
    held, go_on = threading.Event(), threading.Event()

    def stall(wire: Wire) -> None:
        wire.send(head(200, content_length=len(body)) + body[: 2 * MIB])
        held.set()
        go_on.wait(5)
        wire.send(body[2 * MIB :])

    server.on(DETAIL, stall, respond(body))
    server.on("/v1/Task/List", success(tasklist=[]))

    def look(name: str) -> str:
        assert WiroHook().get_task("2221").answer
        return name

    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(look, "first")
        assert held.wait(5)
        time.sleep(0.3)  # it is being read by now
        rest = [threads.submit(look, "later") for _ in range(2)]
        time.sleep(0.5)
        assert WiroHook().list_tasks() == ()
        assert not any(future.done() for future in (first, *rest))
        go_on.set()
        assert [future.result(5) for future in (first, *rest)] == ["first", "later", "later"]


def test_a_request_in_a_signal_handler_does_not_wait_for_the_one_it_interrupts(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop's request may need the turn for a large Detail, too."""
    body = json.dumps(llm("x" * MIB)).encode()
    server.on(DETAIL, respond(body))
    hook = WiroHook()
    stopping = hook.for_stopping(5)
    take_turn, answers = ResponseBody.take_turn, []

    def interrupted(self: ResponseBody) -> None:
        monkeypatch.setattr(ResponseBody, "take_turn", take_turn)
        answers.append(stopping.get_task("2221").answer)
        take_turn(self)

    monkeypatch.setattr(ResponseBody, "take_turn", interrupted)
    assert hook.get_task("2221").answer == answers[0] == "x" * MIB


def test_waiting_for_a_turn_does_not_count_for_the_timeout(server: HostileServer, connect: Any) -> None:
    """Each response takes a second, and five in sequence take longer than one request may."""
    connect(read_timeout=2, connect_timeout=0.1)  # 4.1 s for a request as a whole
    body = json.dumps(llm("x" * MIB)).encode()

    def slow(wire: Wire) -> None:
        wire.send(head(200, content_length=len(body)))
        for start in range(0, len(body), MIB):
            wire.send(body[start : start + MIB])
            wire.wait(0.2)

    server.on(DETAIL, slow)

    async def world() -> list[Any]:
        async with WiroAsyncHook() as hook:
            return await asyncio.gather(*(hook.get_task("2221") for _ in range(5)))

    assert all(task.answer for task in asyncio.run(world()))


def test_a_truncated_response_releases_its_turn(server: HostileServer, twin: Twin) -> None:
    body = json.dumps(llm("x" * MIB)).encode()

    def cut(wire: Wire) -> None:
        wire.send(head(200, content_length=len(body)) + body[: 2 * MIB])
        wire.close()

    server.on(DETAIL, cut, respond(body))
    with pytest.raises(WiroConnectionError):
        twin.get_task("2221")
    assert twin.get_task("2221").answer

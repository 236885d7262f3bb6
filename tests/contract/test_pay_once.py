"""A Run that may have started a task is sent once. One that certainly started nothing is sent again."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.exceptions import (
    WiroAuthenticationError,
    WiroBalanceError,
    WiroError,
    WiroLostRunError,
    WiroNotFoundError,
    WiroValidationError,
)
from tests.contract.hostile import HostileServer, wait_until
from tests.contract.scripts import (
    chunked,
    close_connection,
    delayed,
    drip,
    endless,
    gzipped,
    head,
    leave_unread,
    never_respond,
    raw,
    redirect,
    refuse,
    reset,
    respond,
    success,
    then_close,
    then_drop_next,
    trickling,
    truncated,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.fixtures import Connect
    from tests.contract.hostile import Script
    from tests.contract.twins import Twin

RUN = "/v1/Run/retroAIx/Retro-Cartoons"
MODEL = "retroAIx/Retro-Cartoons"
STARTED = success(taskid="2221", socketaccesstoken="tok-1")
STARTED_BODY = b'{"errors": [], "taskid": "2221", "socketaccesstoken": "tok-1", "result": true}'
GARBAGE = b"\xff\xfe\x00 garbage"

LOST: dict[str, Script] = {
    "reset after the request": reset,
    "closed after the request": close_connection,
    "half a status line": raw(b"HTTP/1.1 2"),
    "half the headers": raw(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "garbage instead of a status line": raw(GARBAGE + b"\r\n\r\n"),
    "a protocol nobody speaks": raw(b"HTTP/9.7 200 OK\r\n\r\n{}"),
    "headers without end": endless(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"),
    "one header without end": endless(b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "truncated JSON, length kept": respond(STARTED_BODY[:-5]),
    "truncated JSON, length not kept": truncated(STARTED_BODY[:-5]),
    "the last chunk missing": chunked(STARTED_BODY[:20], is_complete=False),
    "a body without end": endless(head(200), b"{"),
    "a compressed body without end": raw(head(200, content_encoding="gzip"), b"\x1f\x8b garbage"),
    "a web page": respond(b"<!DOCTYPE html><html>", content_type="text/html"),
    "not UTF-8": respond(GARBAGE),
    "nothing": respond(b""),
    "JSON, but not an object": respond(b"[1, 2, 3]"),
    "JSON without a result": respond(b'{"taskid": "5"}'),
    "success without an id": success(),
    "success with a strange id": success(taskid={"a": 1}),
    "deep JSON": respond(b"[" * 100_000),
    "HTTP 500": refuse(0, "server error", 500),
    "HTTP 502 and a web page": respond(b"<html>Bad Gateway</html>", 502),
    "HTTP 504, empty": respond(b"", 504),
    "a redirect": redirect("/v1/elsewhere"),
    "a redirect with a body without end": endless(head(307, location="/x"), b"z"),
    "no content": raw(head(204), then_close=False),
}


@pytest.mark.parametrize("fault", LOST)
def test_a_run_whose_response_is_lost_is_sent_exactly_once(
    server: HostileServer, twin: Twin, fault: str
) -> None:
    server.on(RUN, LOST[fault], STARTED)
    with pytest.raises(WiroLostRunError) as lost:
        twin.run_model(MODEL, {"prompt": "x"})
    assert len(server.requests) == 1
    # Only a connection closed before any byte of a response counts as "not started" after a minute.
    assert lost.value.was_cut_off is (fault in {"reset after the request", "closed after the request"})


TOO_SLOW: dict[str, Script] = {
    "silence": never_respond,
    "half an answer, then silence": raw(b"HTTP/1.1 200 OK\r\n", then=never_respond),
    # aiohttp 3.14.5 waits for ever, whatever its sock_read, if a bad chunk comes in a segment of its own.
    "a chunk that is none": raw(
        head(200, transfer_encoding="chunked"), b"xyz\r\n", seconds_between=0.02, then_close=False
    ),
    "a body that drips": drip(head(200, content_length=1000), b"{", 0.02),
    "a header that drips": trickling(b"HTTP/1.1 200 OK\r\nx: ", b"a", b"\r\n\r\n" + STARTED_BODY),
    "interim answers without end": trickling(
        b"", head(100) * 99, head(200, content_length=len(STARTED_BODY)) + STARTED_BODY
    ),
    "the length of a chunk that drips": trickling(
        head(200, transfer_encoding="chunked") + b"%x;" % len(STARTED_BODY),
        b"a",
        b"\r\n" + STARTED_BODY + b"\r\n0\r\n\r\n",
    ),
    "trailers that drip": trickling(
        head(200, transfer_encoding="chunked") + b"%x\r\n%s\r\n0\r\n" % (len(STARTED_BODY), STARTED_BODY),
        b"x: y\r\n",
        b"\r\n",
    ),
}


@pytest.mark.parametrize("fault", TOO_SLOW)
def test_a_run_whose_response_is_too_slow_is_sent_exactly_once(
    server: HostileServer, connect: Connect, twin: Twin, fault: str
) -> None:
    connect(read_timeout=0.1, connect_timeout=0.2)
    server.on(RUN, TOO_SLOW[fault], STARTED)
    began = time.monotonic()
    with pytest.raises(WiroLostRunError) as lost:
        twin.run_model(MODEL, {"prompt": "x"})
    assert time.monotonic() - began < 3
    assert not lost.value.was_cut_off
    assert len(server.requests) == 1


def test_an_upload_that_the_server_does_not_read_times_out(
    server: HostileServer, connect: Connect, twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_wiro.transport import connection

    monkeypatch.setattr(connection, "SLOWEST_BYTES_PER_SECOND", 100_000_000)
    connect(read_timeout=0.1, connect_timeout=0.2)
    file = tmp_path / "big.png"
    file.write_bytes(b"\0" * 30_000_000)
    server.on("/v1/Tool/Detail", refuse(1, "not there")).on(RUN, leave_unread)
    began = time.monotonic()
    with pytest.raises(WiroLostRunError):
        twin.run_model(MODEL, {}, {"inputImage": str(file)})
    assert time.monotonic() - began < 5
    assert len(server.to(RUN)) == 1
    server.stop()  # asyncio keeps unsent bytes, and the socket, until the peer has closed
    twin.settle()


NOT_STARTED: dict[str, Script] = {
    "HTTP 429": refuse(0, "slow down", 429),
    "HTTP 429, Retry-After 0": refuse(0, "slow down", 429, retry_after=0),
    "HTTP 503 from the gateway": respond(b"<html>unavailable", 503),
    "code 96": refuse(96, "concurrent limit"),
    "code 96 as text": refuse("96", "concurrent limit"),
}


@pytest.mark.parametrize("refusal", NOT_STARTED)
def test_a_temporarily_refused_run_is_sent_again(server: HostileServer, twin: Twin, refusal: str) -> None:
    server.on(RUN, NOT_STARTED[refusal], NOT_STARTED[refusal], STARTED)
    assert twin.run_model(MODEL, {"prompt": "x"}).wiro_task_id == "2221"
    assert len(server.requests) == 3
    assert len({request.headers["x-nonce"] for request in server.requests}) == 3
    assert {request.body for request in server.requests} == {b'{"prompt": "x"}'}


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (refuse(0, "Request parameter [prompt] required"), WiroValidationError),
        (refuse(0, "Project authorization is not valid.", 401), WiroAuthenticationError),
        (refuse(0, "signature", 403), WiroAuthenticationError),
        (refuse(1, "tool-not-accessible"), WiroNotFoundError),
        (refuse(97, "Insufficient balance"), WiroBalanceError),
        (respond(b'{"result": false, "errors": ["bad"]}'), WiroError),
        (gzipped(b'{"result": false, "errors": [{"code": 97, "message": "no balance"}]}'), WiroBalanceError),
    ],
)
def test_a_permanently_refused_run_is_not_sent_again(
    server: HostileServer, twin: Twin, refusal: Script, error: type[WiroError]
) -> None:
    server.on(RUN, refusal, STARTED)
    with pytest.raises(error) as caught:
        twin.run_model(MODEL, {"prompt": "x"})
    assert not isinstance(caught.value, WiroLostRunError)
    assert len(server.requests) == 1


def test_a_model_that_is_unknown_under_its_slug_is_run_once_under_the_other_form(
    server: HostileServer, twin: Twin
) -> None:
    unknown = refuse(1, "slug-owner-project-not-exist")
    other = "/v1/Run/retroaix/retro-cartoons"

    server.on(RUN, unknown).on(other, STARTED)
    assert twin.run_model(MODEL, {"prompt": "x"}).wiro_task_id == "2221"
    server.on(RUN, unknown, STARTED).on(other, unknown, STARTED)
    with pytest.raises(WiroNotFoundError):
        twin.run_model(MODEL, {"prompt": "x"})

    runs = [request.path for request in server.requests if "/Run/" in request.path]
    assert runs == [RUN, other, RUN, other]  # the catalogue is also searched for similar names


def test_a_run_is_repeated_after_refused_connections(connect: Connect, twin: Twin) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    connect(host=f"http://127.0.0.1:{port}/v1")
    opened: list[HostileServer] = []

    def open_later() -> None:
        time.sleep(0.1)
        opened.append(HostileServer(port=port).on(RUN, STARTED))

    thread = threading.Thread(target=open_later)
    thread.start()
    try:
        assert twin.run_model(MODEL, {"prompt": "x"}).wiro_task_id == "2221"
    finally:
        thread.join()
        opened[0].stop()
    assert len(opened[0].requests) == 1


@pytest.mark.usefixtures("no_repeats")
@pytest.mark.parametrize("host", ["http://nosuchhost.invalid/v1", "http://127.0.0.1:1/v1"])
def test_a_run_that_was_never_sent_is_not_lost(connect: Connect, twin: Twin, host: str) -> None:
    connect(host=host)
    with pytest.raises(WiroError) as caught:
        twin.run_model(MODEL, {"prompt": "x"})
    assert not isinstance(caught.value, WiroLostRunError)
    assert caught.value.may_retry


@pytest.mark.parametrize("ending", [then_close, then_drop_next])
def test_a_stale_connection_never_makes_a_run_ambiguous(
    server: HostileServer, twin: Twin, ending: Any
) -> None:
    task = {"id": "7", "status": "task_start"}
    server.on("/v1/Task/Detail", ending(success(tasklist=[task]))).on(RUN, STARTED)
    twin.get_task("7")
    assert twin.run_model(MODEL, {"prompt": "x"}).wiro_task_id == "2221"
    (run,) = server.to(RUN)
    (look,) = server.to("/v1/Task/Detail")
    assert run.connection != look.connection


def test_two_runs_never_share_a_connection(server: HostileServer, twin: Twin) -> None:
    server.on(RUN, STARTED)
    for _ in range(3):
        twin.run_model(MODEL, {"prompt": "x"})
    assert len({request.connection for request in server.requests}) == 3


@pytest.mark.parametrize("ending", [then_close, then_drop_next])
def test_other_calls_survive_a_stale_connection(server: HostileServer, twin: Twin, ending: Any) -> None:
    task = {"id": "7", "status": "task_start"}
    server.on("/v1/Task/Detail", ending(success(tasklist=[task])), success(tasklist=[task]))
    assert twin.get_task("7").id == "7"
    assert wait_until(lambda: len(server.requests) == 1)
    assert twin.get_task("7").id == "7"


def test_polls_share_one_connection(server: HostileServer, twin: Twin) -> None:
    server.on("/v1/Task/Detail", success(tasklist=[{"id": "7", "status": "task_start"}]))
    for _ in range(5):
        twin.get_task("7")
    assert server.connections == 1


PASSING: dict[str, Script] = {
    **{name: script for name, script in LOST.items() if "id" not in name},
    "HTTP 429": refuse(0, "slow down", 429),
    "HTTP 503": respond(b"", 503),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_call_that_costs_nothing_is_repeated_until_it_works(
    server: HostileServer, twin: Twin, fault: str
) -> None:
    server.on(
        "/v1/Task/Detail",
        PASSING[fault],
        PASSING[fault],
        success(tasklist=[{"id": "7", "status": "task_end"}]),
    )
    assert twin.get_task("7").status == "task_end"
    assert len(server.requests) == 3


def test_a_connection_dropped_before_it_was_used_is_no_lost_run_of_another_call(
    server: HostileServer, twin: Twin
) -> None:
    server.greet(reset, close_connection).on(
        "/v1/Task/Detail", delayed(0.01, success(tasklist=[{"id": "7", "status": "x"}]))
    )
    assert twin.get_task("7").id == "7"


def test_a_response_beyond_one_mebibyte_is_not_read_further(server: HostileServer, twin: Twin) -> None:
    import tracemalloc

    server.on(RUN, endless(head(200, content_type="application/json"), b" "))
    tracemalloc.start()
    try:
        with pytest.raises(WiroLostRunError, match="1048576"):
            twin.run_model(MODEL, {"prompt": "x"})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * 1024 * 1024  # the server's own pieces included


def test_a_decompression_bomb_stays_small(server: HostileServer, twin: Twin) -> None:
    import gzip
    import tracemalloc

    bomb = gzip.compress(b" " * 100_000_000)
    server.on(RUN, respond(bomb, content_encoding="gzip"))
    tracemalloc.start()
    try:
        with pytest.raises(WiroLostRunError):
            twin.run_model(MODEL, {"prompt": "x"})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * 1024 * 1024

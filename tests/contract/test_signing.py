"""Each request is authenticated, and credentials appear nowhere else."""

from __future__ import annotations

import hashlib
import logging
import time
import traceback
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.exceptions import WiroError
from tests.contract.fixtures import KEY, SECRET, Connect
from tests.contract.scripts import raw, redirect, refuse, reset, respond, success

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.hostile import HostileServer, Request
    from tests.contract.twins import Twin

DETAIL = "/v1/Task/Detail"
TASK = {"id": "7", "status": "task_start"}


def hmac_sha256(key: str, message: str) -> str:
    """RFC 2104 spelled out, so that the test doesn't rely on the library that the package uses."""
    padded = key.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + message.encode()).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner).hexdigest()


def assert_signed(request: Request) -> None:
    nonce = request.headers["x-nonce"]
    assert request.headers["x-api-key"] == KEY
    assert nonce.isascii()
    assert nonce.isdigit()
    assert request.headers["x-signature"] == hmac_sha256(KEY, SECRET + nonce)


def test_the_tests_own_signature_matches_the_known_one() -> None:
    known = "python3 -c \"import hmac;print(hmac.new(b'k-123', b's-4561734513809', 'sha256').hexdigest())\""
    assert known  # the contract's command printed the literal below
    assert (
        hmac_sha256("k-123", "s-4561734513809")
        == "ae1c9dec8a537ba8f7d42b13f91c4093119c6cfe346f292728eb3574f25717f8"
    )


def test_every_request_is_a_signed_post(server: HostileServer, twin: Twin) -> None:
    server.on(DETAIL, success(tasklist=[TASK])).on("/v1/Run/o/m", success(taskid="7"))
    twin.get_task("7")
    twin.run_model("o/m", {"prompt": "x"})
    assert [request.method for request in server.requests] == ["POST", "POST"]
    for request in server.requests:
        assert_signed(request)


def test_each_repeat_of_a_request_has_its_own_nonce(server: HostileServer, twin: Twin) -> None:
    server.on(
        DETAIL,
        reset,
        raw(b""),
        respond(b"<html>", 502),
        refuse(0, "slow down", 429),
        success(tasklist=[TASK]),
    )
    assert twin.get_task("7").id == "7"
    assert len({request.headers["x-nonce"] for request in server.requests}) == len(server.requests) == 5
    for request in server.requests:
        assert_signed(request)


def test_hundreds_of_requests_in_a_burst_have_as_many_nonces(server: HostileServer, twin: Twin) -> None:
    server.on(DETAIL, success(tasklist=[TASK]))
    if twin.kind == "asynchronous":
        import asyncio

        async def burst() -> None:
            await asyncio.gather(*(twin.hook.get_task("7") for _ in range(500)))

        twin._runner.run(burst())  # type: ignore[attr-defined]
    else:
        for _ in range(500):
            twin.get_task("7")
    assert len({request.headers["x-nonce"] for request in server.requests}) == 500


@pytest.mark.parametrize(("login", "password"), [("", KEY), (KEY, "")])
def test_in_api_key_only_mode_the_key_goes_alone(
    server: HostileServer, connect: Connect, twin: Twin, login: str, password: str
) -> None:
    connect(login=login, password=password)
    server.on(DETAIL, success(tasklist=[TASK]))
    twin.get_task("7")
    (request,) = server.requests
    assert request.headers["x-api-key"] == KEY
    assert "x-nonce" not in request.headers
    assert "x-signature" not in request.headers


def test_netrc_adds_no_credentials(
    server: HostileServer, twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    server.on(DETAIL, success(tasklist=[TASK]))
    twin.get_task("7")
    assert "authorization" not in server.requests[0].headers


@pytest.mark.usefixtures("no_repeats")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["/v1/elsewhere", "http://[::1", "//evil.invalid/", "caf\u00e9"])
def test_redirects_are_not_followed(server: HostileServer, twin: Twin, status: int, target: str) -> None:
    server.on(DETAIL, redirect(target, status))
    with pytest.raises(WiroError, match=f"HTTP {status}"):
        twin.get_task("7")
    assert [request.path for request in server.requests] == [DETAIL]


ECHO = b'{"result": false, "errors": [{"code": 0, "message": "bad: %s %s"}]}' % (
    KEY.encode(),
    SECRET.encode(),
)


@pytest.mark.usefixtures("no_repeats")
@pytest.mark.parametrize(
    "script",
    [
        reset,
        raw(b""),
        raw(b"garbage\r\n\r\n"),
        respond(ECHO, 401),
        respond(ECHO, 500),
        respond(ECHO),
        respond(b"<html>" + KEY.encode(), 502),
        respond(KEY.encode() + b" is no JSON"),
        redirect(f"http://127.0.0.1:1/{KEY}"),
    ],
)
def test_no_secret_shows_in_an_error_a_log_or_a_repr(
    server: HostileServer, twin: Twin, script: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.on(DETAIL, script)  # type: ignore[arg-type]
    with pytest.raises(WiroError) as caught:
        twin.get_task("7")
    used = server.requests[0].headers["x-signature"]
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    shown += repr(twin.hook) + repr(vars(twin.hook))
    for secret in (KEY, used):
        assert secret not in shown


def test_time_plays_no_part_in_the_nonce(
    server: HostileServer, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1734513809.0)
    server.on(DETAIL, success(tasklist=[TASK]))
    twin.get_task("7")
    twin.get_task("7")
    first, second = (request.headers["x-nonce"] for request in server.requests)
    assert first != second

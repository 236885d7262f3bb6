from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from airflow_provider_wiro.emulator import Fault
from tests.emulator.conftest import RETRO, SMALL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulator.conftest import Client


async def raw(wiro: Client, endpoint: str, body: Any) -> tuple[int, Mapping[str, str], bytes]:
    """Call once, without following redirects."""
    async with wiro.session.post(
        f"{wiro.emulator.url}/{endpoint}", json=body, headers=wiro.headers(), allow_redirects=False
    ) as response:
        return response.status, response.headers, await response.read()


@pytest.mark.parametrize("hint", [7, "Mon, 23 Nov 2026 12:00:00 GMT", None])
async def test_a_rate_limit_may_have_a_retry_after(wiro: Client, hint: int | str | None) -> None:
    wiro.emulator.inject(Fault("rate_limit", retry_after=hint))
    status, headers, _ = await raw(wiro, "Tool/List", {})
    assert status == 429
    assert headers.get("Retry-After") == (None if hint is None else str(hint))


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (Fault("server_error"), 500, b'{"result": false'),
        (Fault("server_error", status=502, body="html"), 502, b"<html>"),
        (Fault("server_error", status=503, body="text"), 503, b"upstream"),
        (Fault("server_error", body="empty"), 500, b""),
        (Fault("html"), 200, b"<html>"),
        (Fault("empty"), 200, b""),
        (Fault("api_error", code="96", message="later"), 200,
         b'{"result": false, "errors": [{"code": "96", "message": "later"}]}'),
        (Fault("api_error", message="text alone", bare=True), 200,
         b'{"result": false, "errors": ["text alone"]}'),
        (Fault("redirect", url="http://127.0.0.1:9/x"), 302, b""),
    ],
)  # fmt: skip
async def test_a_response_can_be_replaced_and_the_request_is_not_carried_out(
    wiro: Client, fault: Fault, status: int, body: bytes
) -> None:
    wiro.emulator.inject(fault)
    response = await raw(wiro, f"Run/{RETRO}", SMALL)
    assert response[0] == status
    assert response[2].startswith(body)
    assert wiro.emulator.counts.tasks_started == 0
    assert wiro.emulator.counts.faults_fired == {fault.kind: 1}
    assert response[1].get("Location", fault.url) == fault.url


async def test_a_response_can_be_lost_though_the_request_was_carried_out(wiro: Client) -> None:
    wiro.emulator.inject(Fault("server_error", endpoint="Run", status=504, body="html", processed=True))
    assert (await raw(wiro, f"Run/{RETRO}", SMALL))[0] == 504
    assert wiro.emulator.counts.tasks_started == 1


@pytest.mark.parametrize(("kind", "started"), [("drop_before", 0), ("drop_after", 1)])
async def test_a_connection_is_dropped_before_or_after_the_work(
    wiro: Client, kind: str, started: int
) -> None:
    wiro.emulator.inject(Fault(kind, endpoint="Run"))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await raw(wiro, f"Run/{RETRO}", SMALL)
    assert wiro.emulator.counts.tasks_started == started


async def test_a_body_can_be_truncated(wiro: Client) -> None:
    wiro.emulator.inject(Fault("truncated", endpoint="Run", after_bytes=10))
    with pytest.raises(aiohttp.ClientPayloadError):
        await raw(wiro, f"Run/{RETRO}", SMALL)
    assert wiro.emulator.counts.tasks_started == 1


async def test_a_slow_response_comes_too_late_for_an_impatient_client(wiro: Client) -> None:
    wiro.emulator.inject(Fault("slow", endpoint="Run", delay_seconds=30))
    with pytest.raises(TimeoutError):
        await wiro(f"Run/{RETRO}", SMALL, timeout=aiohttp.ClientTimeout(total=0.1))
    assert wiro.emulator.counts.tasks_started == 1


async def test_a_nonce_is_used_up_even_when_the_request_is_refused(wiro: Client) -> None:
    wiro.emulator.inject(Fault("rate_limit"))
    headers = wiro.headers()
    assert (await wiro.post("Tool/List", {}, headers=headers))[0] == 429
    assert (await wiro.post("Tool/List", {}, headers=headers))[0] == 403


async def test_a_fault_fires_where_and_as_often_as_it_says(wiro: Client) -> None:
    wiro.emulator.inject(Fault("rate_limit", endpoint="Task/List", times=2, skip=1))
    assert (await raw(wiro, "Tool/List", {}))[0] == 200
    assert [(await raw(wiro, "Task/List", {}))[0] for _ in range(5)] == [200, 429, 429, 200, 200]


async def test_a_fault_that_fires_forever_can_be_cleared(wiro: Client) -> None:
    wiro.emulator.inject({"kind": "html", "times": None})
    assert [(await raw(wiro, "Task/List", {}))[2][:6] for _ in range(3)] == [b"<html>"] * 3
    wiro.emulator.clear_faults()
    assert (await wiro("Task/List", {}))["result"] is True

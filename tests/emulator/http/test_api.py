"""Routes, records, and a Run whose client has gone before the server carries it out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from airflow_provider_wiro.emulator import Fault
from tests.emulator.conftest import RETRO, SMALL, wait_until

if TYPE_CHECKING:
    from tests.emulator.conftest import Client


async def test_a_slow_run_starts_its_task_though_its_client_has_gone(wiro: Client) -> None:
    wiro.emulator.inject(Fault("late_start", seconds=100))
    with pytest.raises(TimeoutError):
        await wiro(f"Run/{RETRO}", SMALL, timeout=aiohttp.ClientTimeout(total=0.2))
    wiro.emulator.advance(99)
    assert (await wiro("Task/List", {}))["tasklist"] == []
    wiro.emulator.advance(1)
    await wait_until(lambda: wiro.emulator.counts.tasks_started == 1)
    (task,) = (await wiro("Task/List", {}))["tasklist"]
    assert task["status"] == "task_queue"
    assert float(task["createtime"]) == wiro.emulator.received[0].at + 100
    assert wiro.emulator.counts.faults_fired == {"late_start": 1}


async def test_a_client_that_waits_for_a_slow_run_gets_its_response(wiro: Client) -> None:
    wiro.emulator.inject(Fault("late_start", seconds=100))
    running = asyncio.ensure_future(wiro.run())
    await wait_until(lambda: wiro.emulator.counts.faults_fired["late_start"] == 1)
    await asyncio.sleep(0.05)
    assert not running.done()
    wiro.emulator.advance(100)
    assert await running == "2221"


async def test_a_late_start_concerns_run_only(wiro: Client) -> None:
    wiro.emulator.inject(Fault("late_start", seconds=100))
    assert (await wiro("Tool/List", {}))["result"] is True


@pytest.mark.parametrize("path", ["Run/a/b/c", "Run/a", "Run/", "Task/Nothing", "Run/a%2Fb/c", ""])
async def test_a_path_that_is_no_endpoint_is_a_404(wiro: Client, path: str) -> None:
    status, response = await wiro.post(path, {})
    assert (status, response["errors"][0]["message"]) == (404, "Error parsing url.")


async def test_every_endpoint_is_a_post(wiro: Client) -> None:
    status, _, _ = await wiro.fetch(f"{wiro.emulator.url}/Tool/List", headers=wiro.headers())
    assert status == 404


async def test_a_requests_headers_fields_and_status_are_recorded(wiro: Client) -> None:
    headers = wiro.headers("42")
    await wiro("Task/List", {"limit": "5"}, headers=headers)
    (request,) = wiro.emulator.received
    assert request.endpoint == "Task/List"
    assert (request.nonce, request.api_key) == ("42", "emulator-key")
    assert request.signature == headers["x-signature"]
    assert request.content_type == "application/json"
    assert (request.fields, request.status) == ({"limit": "5"}, 200)

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from airflow_provider_wiro.emulator.http.callbacks import is_on_loopback
from tests.emulator.conftest import SMALL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.emulator.conftest import Caller


class Listener:
    """A server that somebody gave as `callbackUrl`."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.status = 200
        self.url = ""

    async def hear(self, request: web.Request) -> web.Response:
        self.heard.put_nowait(await request.json())
        return web.Response(status=self.status)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    application = web.Application()
    application.router.add_post("/done", listener.hear)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}/done"
    yield listener
    await runner.cleanup()


async def made(wiro: Caller) -> int:
    """Ask how many calls were made; over HTTP, so that this test's own event loop can answer them."""
    async with wiro.session.get(wiro.emulator.url.replace("/v1", "/__emulator__/state")) as response:
        counts = (await response.json())["counts"]
    return int(counts["callbacks_sent"] + counts["callbacks_failed"])


async def settled(wiro: Caller, calls: int) -> None:
    """Wait until the emulator has counted its calls."""
    async with asyncio.timeout(5):
        while await made(wiro) < calls:
            pass


@pytest.mark.asyncio
async def test_a_finished_task_is_posted_to_whoever_asked(wiro: Caller, listener: Listener) -> None:
    task = await wiro.finish(body=SMALL | {"callbackUrl": listener.url})
    heard = await asyncio.wait_for(listener.heard.get(), 5)
    assert heard == task
    assert (heard["id"], heard["status"], heard["callbackurl"]) == (
        "2221",
        "task_postprocess_end",
        listener.url,
    )
    await settled(wiro, 1)
    assert wiro.emulator.counts.callbacks_sent == 1


@pytest.mark.asyncio
async def test_a_cancelled_task_is_posted_too(wiro: Caller, listener: Listener) -> None:
    task_id = await wiro.run(body=SMALL | {"callbackUrl": listener.url})
    await wiro("Task/Cancel", {"taskid": task_id})
    assert (await asyncio.wait_for(listener.heard.get(), 5))["status"] == "task_cancel"


@pytest.mark.asyncio
async def test_a_failing_callback_is_counted_and_harms_nothing(wiro: Caller, listener: Listener) -> None:
    listener.status = 500
    await wiro.finish(body=SMALL | {"callbackUrl": listener.url})
    await wiro.finish(body=SMALL | {"callbackUrl": "http://127.0.0.1:9/nobody"})
    await settled(wiro, 2)
    assert wiro.emulator.counts.callbacks_failed == 2
    assert (await wiro("Task/List", {}))["total"] == "2"


@pytest.mark.asyncio
async def test_nobody_beyond_this_machine_is_called(wiro: Caller) -> None:
    await wiro.finish(body=SMALL | {"callbackUrl": "https://example.com/hook"})
    await settled(wiro, 1)
    assert wiro.emulator.counts.callbacks_failed == 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:80/x", True),
        ("http://localhost/x", True),
        ("http://[::1]:9/x", True),
        ("https://127.1.2.3/x", True),
        ("http://10.0.0.1/x", False),
        ("http://localhost.example.com/x", False),
        ("ftp://127.0.0.1/x", False),
        ("nonsense", False),
    ],
)
def test_loopback_is_told_from_the_world(url: str, expected: bool) -> None:
    assert is_on_loopback(url) is expected

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from airflow_provider_wiro.emulator.http.callbacks import is_on_loopback
from tests.emulator.conftest import SMALL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.emulator.conftest import Client


class CallbackServer:
    """The server at a `callbackUrl`."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.status = 200
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        self.received.put_nowait(await request.json())
        return web.Response(status=self.status)


@pytest.fixture
async def server() -> AsyncIterator[CallbackServer]:
    server = CallbackServer()
    application = web.Application()
    application.router.add_post("/done", server.receive)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/done"
    yield server
    await runner.cleanup()


async def count_calls(wiro: Client) -> int:
    """Return how many calls were made; asked over HTTP, so that this event loop stays free to serve them."""
    async with wiro.session.get(f"{wiro.control}/state") as response:
        counts = (await response.json())["counts"]
    return int(counts["callbacks_sent"] + counts["callbacks_failed"])


async def wait_for_calls(wiro: Client, calls: int) -> None:
    """Wait until the emulator has counted its calls."""
    async with asyncio.timeout(5):
        while await count_calls(wiro) < calls:
            pass


async def test_a_finished_task_is_posted_to_its_callback_url(wiro: Client, server: CallbackServer) -> None:
    task = await wiro.finish(body=SMALL | {"callbackUrl": server.url})
    posted = await asyncio.wait_for(server.received.get(), 5)
    assert posted == task
    assert (posted["id"], posted["status"], posted["callbackurl"]) == (
        "2221",
        "task_postprocess_end",
        server.url,
    )
    await wait_for_calls(wiro, 1)
    assert wiro.emulator.counts.callbacks_sent == 1


async def test_a_cancelled_task_is_posted_too(wiro: Client, server: CallbackServer) -> None:
    task_id = await wiro.run(body=SMALL | {"callbackUrl": server.url})
    await wiro("Task/Cancel", {"taskid": task_id})
    assert (await asyncio.wait_for(server.received.get(), 5))["status"] == "task_cancel"


async def test_a_failing_callback_is_counted_and_harms_nothing(wiro: Client, server: CallbackServer) -> None:
    server.status = 500
    await wiro.finish(body=SMALL | {"callbackUrl": server.url})
    await wiro.finish(body=SMALL | {"callbackUrl": "http://127.0.0.1:9/closed"})
    await wait_for_calls(wiro, 2)
    assert wiro.emulator.counts.callbacks_failed == 2
    assert (await wiro("Task/List", {}))["total"] == "2"


async def test_no_other_machine_is_called(wiro: Client) -> None:
    await wiro.finish(body=SMALL | {"callbackUrl": "https://example.com/hook"})
    await wait_for_calls(wiro, 1)
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
def test_only_urls_on_loopback_are_called(url: str, expected: bool) -> None:
    assert is_on_loopback(url) is expected

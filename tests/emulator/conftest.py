"""A client written for these tests alone: the signatures it sends must not come from the code under test."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from airflow_provider_wiro.emulator import ManualClock, WiroEmulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

RETRO = "retroAIx/Retro-Cartoons"
NANO = "openai/gpt-5-nano"
# A small picture: no test depends on a large one.
SMALL = {"prompt": "a robot on the moon", "samples": 1, "width": 64, "height": 64}


@dataclass
class Client:
    """Calls an emulator in signature mode, with a new nonce for every request."""

    emulator: WiroEmulator
    session: aiohttp.ClientSession
    nonces: Iterator[int] = field(default_factory=lambda: itertools.count(1_000_000))

    @property
    def root(self) -> str:
        """The emulator's address without a path."""
        return self.emulator.url.removesuffix("/v1")

    @property
    def control(self) -> str:
        """The address of the control endpoints."""
        return f"{self.root}/__emulator__"

    def headers(self, nonce: str | None = None) -> dict[str, str]:
        nonce = nonce or str(next(self.nonces))
        signature = hmac.new(b"emulator-key", b"emulator-secret" + nonce.encode(), hashlib.sha256)
        return {"x-api-key": "emulator-key", "x-nonce": nonce, "x-signature": signature.hexdigest()}

    async def post(self, endpoint: str, body: Any = None, **options: Any) -> tuple[int, dict[str, Any]]:
        options.setdefault("headers", self.headers())
        if body is not None:
            options["json"] = body
        async with self.session.post(f"{self.emulator.url}/{endpoint}", **options) as response:
            return response.status, await response.json()

    async def __call__(self, endpoint: str, body: Any = None, **options: Any) -> dict[str, Any]:
        status, response = await self.post(endpoint, body, **options)
        assert status == 200
        return response

    async def run(self, model: str = RETRO, body: Any = None, **options: Any) -> str:
        """Run a model and return the task's id."""
        options_or_json = options or {"json": SMALL if body is None else body}
        response = await self(f"Run/{model}", **options_or_json)
        assert response["result"] is True, response
        return str(response["taskid"])

    async def detail(self, task_id: str) -> dict[str, Any]:
        response = await self("Task/Detail", {"taskid": task_id})
        (task,) = response["tasklist"]
        assert isinstance(task, dict)
        return task

    async def finish(self, model: str = RETRO, body: Any = None, **options: Any) -> dict[str, Any]:
        """Run a model, let it end and return the task."""
        task_id = await self.run(model, body, **options)
        self.emulator.advance(120)
        return await self.detail(task_id)

    async def fetch(self, url: str, **options: Any) -> tuple[int, Mapping[str, str], bytes]:
        async with self.session.get(url, **options) as response:
            return response.status, response.headers, await response.read()


StartEmulator = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def start_emulator() -> StartEmulator:
    """Return how to start an emulator with other settings; its clock stands still by default."""

    @asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[Client]:
        settings.setdefault("clock", ManualClock())
        async with WiroEmulator(**settings) as emulator, aiohttp.ClientSession() as session:
            yield Client(emulator, session)

    return start


@pytest.fixture
async def wiro(start_emulator: StartEmulator) -> AsyncIterator[Client]:
    """Return a client of an ordinary emulator whose clock stands still."""
    async with start_emulator() as client:
        yield client


async def wait_until(is_true: Callable[[], bool]) -> None:
    """Poll what happens in the emulator's own thread, for at most ten seconds."""
    async with asyncio.timeout(10):
        while not is_true():  # noqa: ASYNC110 - another thread changes it
            await asyncio.sleep(0.01)

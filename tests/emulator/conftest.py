"""A client written for these tests alone: what it signs must not be signed by the code it checks."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from airflow_provider_wiro.emulator import ManualClock, WiroEmulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

RETRO = "retroAIx/Retro-Cartoons"
# A small picture: what a test wants to know never depends on a large one.
SMALL = {"prompt": "a robot on the moon", "samples": 1, "width": 64, "height": 64}


@dataclass
class Caller:
    """Calls an emulator in signature mode, with a fresh nonce for every request."""

    emulator: WiroEmulator
    session: aiohttp.ClientSession
    nonces: Iterator[int] = field(default_factory=lambda: itertools.count(1_000_000))

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
        status, answer = await self.post(endpoint, body, **options)
        assert status == 200
        return answer

    async def run(self, model: str = RETRO, body: Any = None, **options: Any) -> str:
        options_or_json = options or {"json": SMALL if body is None else body}
        answer = await self(f"Run/{model}", **options_or_json)
        assert answer["result"] is True, answer
        return str(answer["taskid"])

    async def detail(self, task_id: str) -> dict[str, Any]:
        answer = await self("Task/Detail", {"taskid": task_id})
        (task,) = answer["tasklist"]
        assert isinstance(task, dict)
        return task

    async def finish(self, model: str = RETRO, body: Any = None, **options: Any) -> dict[str, Any]:
        """Run a model and let it end."""
        task_id = await self.run(model, body, **options)
        self.emulator.advance(120)
        return await self.detail(task_id)

    async def fetch(self, url: str, **options: Any) -> tuple[int, Mapping[str, str], bytes]:
        async with self.session.get(url, **options) as response:
            return response.status, response.headers, await response.read()


Calling = Any  # an async context manager that yields a Caller


@pytest.fixture
def calling() -> Callable[..., Calling]:
    """Return how to call an emulator of the test's own making; its clock stands still by default."""

    @asynccontextmanager
    async def call(**settings: Any) -> AsyncIterator[Caller]:
        settings.setdefault("clock", ManualClock())
        async with WiroEmulator(**settings) as emulator, aiohttp.ClientSession() as session:
            yield Caller(emulator, session)

    return call


@pytest.fixture
async def wiro(calling: Callable[..., Calling]) -> AsyncIterator[Caller]:
    """Return an ordinary emulator whose clock stands still."""
    async with calling() as caller:
        yield caller

"""Promises of the asynchronous hook alone: it never blocks its event loop, and leaves nothing open."""

from __future__ import annotations

import asyncio
import gc
import io
import threading
import time
import warnings
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.hooks.wiro import WiroAsyncHook
from tests.contract.hostile import wait_until
from tests.contract.scripts import after_event, never_respond, success

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.fixtures import Connect
    from tests.contract.hostile import HostileServer

DETAIL = "/v1/Task/Detail"
TASK = success(tasklist=[{"id": "7", "status": "task_start"}])

pytestmark = pytest.mark.usefixtures("connect")


async def test_a_slow_response_delays_no_other_request(server: HostileServer) -> None:
    others_went_on = threading.Event()
    server.on(DETAIL, after_event(others_went_on.wait, TASK))

    async def others() -> None:
        await asyncio.to_thread(wait_until, lambda: bool(server.to(DETAIL)))
        others_went_on.set()

    async with WiroAsyncHook() as hook:
        await asyncio.gather(hook.get_task("7"), others())


async def test_a_file_is_opened_and_read_off_the_loop(
    server: HostileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: set[int] = set()

    class Observed(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            readers.add(threading.get_ident())
            return super().read(-1 if size is None else size)

    def observed(path: Path, mode: str) -> Observed:
        readers.add(threading.get_ident())
        return Observed(path, mode)

    file = tmp_path / "big.mp4"
    file.write_bytes(b"\0" * 1_000_000)
    monkeypatch.setattr(type(file), "open", observed)
    server.on("/v1/File/Upload", success(list=[{"id": "1", "url": "https://files.test/1"}]))
    async with WiroAsyncHook() as hook:
        await hook.upload_file(file)

    assert readers
    assert threading.get_ident() not in readers
    assert server.requests[0].body_size > 1_000_000


async def test_slow_requests_run_side_by_side(server: HostileServer) -> None:
    all_are_there = threading.Barrier(10)
    server.on(DETAIL, after_event(all_are_there.wait, TASK))
    async with WiroAsyncHook() as hook:
        await asyncio.gather(*(hook.get_task("7") for _ in range(all_are_there.parties)))


async def test_two_tasks_on_a_fresh_hook_share_one_session() -> None:
    async with WiroAsyncHook() as hook:
        first, second = await asyncio.gather(hook.get_session(), hook.get_session())
        assert first is second


async def test_nothing_is_left_open(server: HostileServer) -> None:
    server.on(DETAIL, TASK).on("/v1/Run/o/m", success(taskid="1"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        async with WiroAsyncHook() as hook:
            await hook.get_task("7")
            await hook.run_model("o/m")
        del hook
        await asyncio.sleep(0)
        gc.collect()
    assert [str(warning.message) for warning in caught if warning.category is ResourceWarning] == []


@pytest.mark.parametrize("path", [DETAIL, "/v1/Run/o/m"])
async def test_a_cancelled_request_is_aborted_and_the_hook_stays_usable(
    server: HostileServer, path: str
) -> None:
    server.on(DETAIL, *([never_respond] if path == DETAIL else []), TASK).on("/v1/Run/o/m", never_respond)
    async with WiroAsyncHook() as hook:
        request = asyncio.create_task(hook.get_task("7") if path == DETAIL else hook.run_model("o/m"))  # type: ignore[arg-type]
        assert await asyncio.to_thread(wait_until, lambda: bool(server.to(path)))
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert (await hook.get_task("7")).id == "7"


async def test_a_cancelled_wait_sends_nothing_more(server: HostileServer) -> None:
    server.on(DETAIL, TASK)
    async with WiroAsyncHook() as hook:
        waiting = asyncio.create_task(hook.wait_for_task("7", poll_interval=30))
        assert await asyncio.to_thread(wait_until, lambda: bool(server.requests))
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert len(server.requests) == 1


async def test_a_timeout_around_a_call_takes_effect_at_once(server: HostileServer, connect: Connect) -> None:
    connect(read_timeout=30)
    server.on(DETAIL, never_respond)
    async with WiroAsyncHook() as hook:
        began = time.perf_counter()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await hook.get_task("7")
        assert time.perf_counter() - began < 1.0

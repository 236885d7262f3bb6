from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import Fault, WallClock, WiroEmulator
from tests.emulator.conftest import RETRO, SMALL

if TYPE_CHECKING:
    from tests.emulator.conftest import StartEmulator


def test_an_emulator_serves_a_caller_that_blocks() -> None:
    with WiroEmulator(api_secret=None) as emulator:
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{emulator.url}/Run/{RETRO}",
            data=json.dumps(SMALL).encode(),
            headers={"x-api-key": "emulator-key"},
        )
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
            assert json.load(response)["taskid"] == "2221"
        assert emulator.counts.requests == {"Run": 1}


def test_after_the_end_the_records_can_be_read_and_the_port_is_free() -> None:
    with WiroEmulator() as first:
        port = int(first.url.split(":")[2].split("/")[0])
    assert first.counts.tasks_started == 0
    assert first.received == []
    first.stop()
    with WiroEmulator(port=port) as second:
        assert second.url == first.url


def test_an_emulator_whose_port_is_taken_raises_at_once() -> None:
    with WiroEmulator() as first:
        port = int(first.url.split(":")[2].split("/")[0])
        with pytest.raises(OSError, match="address already in use"), WiroEmulator(port=port):
            pass


def test_an_emulator_must_be_started_once() -> None:
    emulator = WiroEmulator()
    with pytest.raises(RuntimeError, match="not started"):
        _ = emulator.url
    with emulator, pytest.raises(RuntimeError, match="started already"):
        emulator.start()


def test_only_a_manual_clock_can_be_advanced() -> None:
    with WiroEmulator() as emulator, pytest.raises(TypeError, match="ManualClock"):
        emulator.advance(1)


def test_an_emulator_may_be_used_from_many_threads_at_once() -> None:
    with WiroEmulator() as emulator:

        def use() -> None:
            for _ in range(20):
                emulator.inject(Fault("html", endpoint="Run"))
                assert emulator.counts.tasks_started == 0

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        emulator.clear_faults()


async def test_a_high_speed_ends_a_task_soon_on_the_real_clock(start_emulator: StartEmulator) -> None:
    async with start_emulator(clock=WallClock(), speed=400) as wiro:
        task_id = await wiro.run()
        async with asyncio.timeout(5):
            while (task := await wiro.detail(task_id))["status"] != "task_postprocess_end":
                pass
        # Priced by the model's own six seconds, not by the hundredths that passed.
        assert task["elapsedseconds"][:3] in {"5.9", "6.0"}

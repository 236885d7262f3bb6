"""A Run whose client has gone before the server carries it out, and a task that no call can stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from airflow_provider_wiro.emulator import Fault
from tests.emulator.conftest import RETRO, SMALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller, Calling


async def until(question: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not question():  # noqa: ASYNC110 - the emulator lives in another thread
            await asyncio.sleep(0.01)


async def test_a_slow_run_starts_its_task_though_its_client_has_gone(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("late_start", seconds=100))
    with pytest.raises(TimeoutError):
        await wiro(f"Run/{RETRO}", SMALL, timeout=aiohttp.ClientTimeout(total=0.2))
    wiro.emulator.advance(99)
    assert (await wiro("Task/List", {}))["tasklist"] == []
    wiro.emulator.advance(1)
    await until(lambda: wiro.emulator.counts.tasks_started == 1)
    (task,) = (await wiro("Task/List", {}))["tasklist"]
    assert task["status"] == "task_queue"
    assert float(task["createtime"]) == wiro.emulator.received[0].at + 100
    assert wiro.emulator.counts.faults_fired == {"late_start": 1}


async def test_a_client_that_waits_for_a_slow_run_gets_its_answer(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("late_start", seconds=100))
    running = asyncio.ensure_future(wiro.run())
    await until(lambda: wiro.emulator.counts.faults_fired["late_start"] == 1)
    await asyncio.sleep(0.05)
    assert not running.done()
    wiro.emulator.advance(100)
    assert await running == "2221"


async def test_a_late_start_is_of_run_alone(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("late_start", seconds=100))
    assert (await wiro("Tool/List", {}))["result"] is True


# --- the gap between accept and assign -------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "cancels", "kills"), [
    (0.5, True, False), (1.5, False, False), (1.95, False, False), (2.1, False, True),
])  # fmt: skip
async def test_neither_call_stops_a_task_that_is_accepted_and_not_assigned(
    wiro: Caller, seconds: float, cancels: bool, kills: bool
) -> None:
    for call, works, refusal in (
        ("Task/Kill", kills, "Task could not be killed: "),
        ("Task/Cancel", cancels, "Task is not in a cancellable state."),
    ):
        task_id = await wiro.run()
        wiro.emulator.advance(seconds)
        answer = await wiro(call, {"taskid": task_id})
        assert answer["result"] is works
        if not works:
            assert answer["errors"][0]["code"] == 1
            assert answer["errors"][0]["message"].startswith(refusal)


async def test_the_gap_can_be_long(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("slow_assign", seconds=60))
    task_id = await wiro.run()
    wiro.emulator.advance(60)
    assert (await wiro.detail(task_id))["status"] == "task_preprocess_end"
    assert (await wiro("Task/Cancel", {"taskid": task_id}))["result"] is False
    assert (await wiro("Task/Kill", {"taskid": task_id}))["result"] is False
    wiro.emulator.advance(3)
    assert (await wiro("Task/Kill", {"taskid": task_id}))["result"] is True


async def test_a_kill_can_be_set_to_work_from_the_accept_on(calling: Callable[..., Calling]) -> None:
    async with calling(kill_from="accept") as wiro:
        task_id = await wiro.run()
        wiro.emulator.advance(1.5)
        assert (await wiro("Task/Kill", {"taskid": task_id}))["result"] is True

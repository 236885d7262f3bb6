from __future__ import annotations

import asyncio

import pytest

from airflow_provider_wiro.emulator.state.clock import Pulse

pytestmark = pytest.mark.asyncio


async def test_a_change_of_one_task_wakes_its_waiters_and_nobody_elses() -> None:
    pulse = Pulse()
    first, second, other = pulse.listen("1"), pulse.listen("1"), pulse.listen("2")
    pulse.wake("1")
    assert [event.is_set() for event in (first, second, other)] == [True, True, False]
    assert not pulse.listen("1").is_set(), "who listens after a change waits for the next one"


async def test_a_moved_clock_wakes_everyone() -> None:
    pulse = Pulse()
    events = [pulse.listen(str(number % 3)) for number in range(9)]
    pulse.wake_all()
    async with asyncio.timeout(10):
        await asyncio.gather(*(event.wait() for event in events))

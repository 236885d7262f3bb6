from __future__ import annotations

import asyncio
import time

import pytest

from airflow_provider_wiro.emulator import ManualClock, WallClock
from airflow_provider_wiro.emulator.state.clock import ChangeNotifier


def test_a_clock_that_is_behind_runs_at_the_real_pace() -> None:
    clock = WallClock(-3600)
    assert clock.now() == pytest.approx(time.time() - 3600, abs=60)
    assert clock.real_seconds_until(clock.now() + 5) == pytest.approx(5, abs=1)


def test_a_manual_clock_runs_forward_only() -> None:
    with pytest.raises(ValueError, match="forward only"):
        ManualClock().advance(-1)


async def test_a_change_of_one_task_wakes_its_subscribers_only() -> None:
    changes = ChangeNotifier()
    first, second, other = changes.subscribe("1"), changes.subscribe("1"), changes.subscribe("2")
    changes.notify("1")
    assert [event.is_set() for event in (first, second, other)] == [True, True, False]
    assert not changes.subscribe("1").is_set(), "a later subscriber waits for the next change"


async def test_a_moved_clock_wakes_every_subscriber() -> None:
    changes = ChangeNotifier()
    events = [changes.subscribe(str(number % 3)) for number in range(9)]
    changes.notify_all()
    async with asyncio.timeout(10):
        await asyncio.gather(*(event.wait() for event in events))

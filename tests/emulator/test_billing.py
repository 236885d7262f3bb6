"""When a cost shows, what is charged for a killed task, and where a balance ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import Fault, WiroEmulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller, Calling

FULL_PRICE = "0.003510000000"


async def test_a_cost_can_be_recorded_some_seconds_after_the_end(calling: Callable[..., Calling]) -> None:
    async with calling(late_cost_seconds=30) as wiro:
        task_id = await wiro.run()
        wiro.emulator.advance(8.01)
        task = await wiro.detail(task_id)
        assert (task["status"], task["totalcost"]) == ("task_postprocess_end", "0")
        assert (await wiro("Task/List", {}))["tasklist"][0]["totalcost"] == "0"
        wiro.emulator.advance(30)
        assert (await wiro.detail(task_id))["totalcost"] == FULL_PRICE


async def test_a_late_cost_can_be_missing_until_it_is_known(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("late_cost", seconds=10, missing=True))
    task_id = await wiro.run()
    wiro.emulator.advance(9)
    assert "totalcost" not in await wiro.detail(task_id)
    assert wiro.emulator.tasks[0].cost_usd == pytest.approx(0.00351)
    wiro.emulator.advance(10)
    assert (await wiro.detail(task_id))["totalcost"] == FULL_PRICE


@pytest.mark.parametrize(("bills", "seconds", "is_charged"), [
    (False, 5, False), (True, 5, True), (True, 0.5, False),
])  # fmt: skip
async def test_a_task_killed_while_it_runs_may_be_charged_and_one_cancelled_in_the_queue_is_not(
    calling: Callable[..., Calling], bills: bool, seconds: float, is_charged: bool
) -> None:
    async with calling(bill_killed=bills) as wiro:
        task_id = await wiro.run()
        wiro.emulator.advance(seconds)
        stop = "Task/Cancel" if seconds < 1 else "Task/Kill"
        assert (await wiro(stop, {"taskid": task_id}))["result"] is True
        task = await wiro.detail(task_id)
        assert (task["status"], task["totalcost"] != "0") == ("task_cancel", is_charged)
        assert (wiro.emulator.counts.spent_usd > 0) == is_charged


async def test_a_kill_by_somebody_else_can_be_charged_too(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("cancelled_by_hand"), Fault("billed_kill"))
    task = await wiro.finish()
    assert task["status"] == "task_cancel"
    assert float(task["totalcost"]) == pytest.approx(wiro.emulator.counts.spent_usd)


def test_a_cost_that_is_known_before_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match="late_cost_seconds must not be below zero, got -1"):
        WiroEmulator(late_cost_seconds=-1)

"""When a cost is shown, what a killed task costs, and when a balance is too low."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.emulator import Fault
from tests.emulator.conftest import RETRO, SMALL

if TYPE_CHECKING:
    from tests.emulator.conftest import Client, StartEmulator


FULL_PRICE = "0.003510000000"


async def test_a_cost_can_be_recorded_some_seconds_after_the_end(start_emulator: StartEmulator) -> None:
    async with start_emulator(late_cost_seconds=30) as wiro:
        task_id = await wiro.run()
        wiro.emulator.advance(8.01)
        task = await wiro.detail(task_id)
        assert (task["status"], task["totalcost"]) == ("task_postprocess_end", "0")
        assert (await wiro("Task/List", {}))["tasklist"][0]["totalcost"] == "0"
        wiro.emulator.advance(30)
        assert (await wiro.detail(task_id))["totalcost"] == FULL_PRICE


async def test_a_late_cost_can_be_missing_until_it_is_known(wiro: Client) -> None:
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
    start_emulator: StartEmulator, bills: bool, seconds: float, is_charged: bool
) -> None:
    async with start_emulator(bill_killed=bills) as wiro:
        task_id = await wiro.run()
        wiro.emulator.advance(seconds)
        stop = "Task/Cancel" if seconds < 1 else "Task/Kill"
        assert (await wiro(stop, {"taskid": task_id}))["result"] is True
        task = await wiro.detail(task_id)
        assert (task["status"], task["totalcost"] != "0") == ("task_cancel", is_charged)
        assert (wiro.emulator.counts.spent_usd > 0) == is_charged


async def test_a_kill_by_somebody_else_can_be_charged_too(wiro: Client) -> None:
    wiro.emulator.inject(Fault("cancelled_by_hand"), Fault("billed_kill"))
    task = await wiro.finish()
    assert task["status"] == "task_cancel"
    assert float(task["totalcost"]) == pytest.approx(wiro.emulator.counts.spent_usd)


TRAINING = "wiro/train-flux-lora-portrait"
TRAINED = {"trainModelName": "me", "triggerWord": "sks", "trainingSteps": 10, "learningRate": "0.0004"}


@pytest.mark.parametrize(
    ("balance", "model", "body", "is_enough"),
    [
        (0.49, RETRO, SMALL, False),
        (0.5, RETRO, SMALL, True),
        (9.99, TRAINING, TRAINED, False),
        (10, TRAINING, TRAINED, True),
    ],
)
async def test_a_balance_below_half_a_dollar_or_ten_for_a_training_is_code_97(
    start_emulator: StartEmulator, balance: float, model: str, body: dict[str, Any], is_enough: bool
) -> None:
    async with start_emulator(balance_usd=balance) as wiro:
        response = await wiro(f"Run/{model}", body)
    assert response["errors"] == ([] if is_enough else [{"code": 97, "message": "Insufficient balance"}])


async def test_the_cost_of_runs_reduces_the_balance(start_emulator: StartEmulator) -> None:
    async with start_emulator(balance_usd=12) as wiro:
        (weights,) = (await wiro.finish(TRAINING, TRAINED))["outputs"]
        assert weights["name"] == "0.safetensors"
        assert (await wiro(f"Run/{TRAINING}", TRAINED))["errors"][0]["code"] == 97
        assert (await wiro(f"Run/{RETRO}", SMALL))["result"] is True

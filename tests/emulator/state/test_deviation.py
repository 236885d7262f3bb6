"""Tasks that fail, are put back into the queue, never end, or have other outputs than usual."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import Fault
from tests.emulator.conftest import NANO, RETRO, SMALL

if TYPE_CHECKING:
    from tests.emulator.conftest import Client, StartEmulator


# On a clock that stands still: accepted after 1 s, and the failure comes 0.8 s into the preparation.
BEFORE_THE_FAILURE, IN_THE_FAILURE = 1.7, 2.0


async def failing(wiro: Client, **fault: object) -> str:
    """Start a task and advance to its failure."""
    wiro.emulator.inject({"kind": "fatal_error", "debug_error": "no worker\nno such checkpoint", **fault})
    task_id = await wiro.run()
    wiro.emulator.advance(BEFORE_THE_FAILURE)
    assert (await wiro.detail(task_id))["debugerror"] == ""
    wiro.emulator.advance(IN_THE_FAILURE - BEFORE_THE_FAILURE)
    task = await wiro.detail(task_id)
    assert (task["status"], task["debugerror"]) == ("task_error", "no worker\nno such checkpoint")
    assert (task["endtime"], task["pexit"], task["outputs"]) == ("0", None, [])
    return task_id


async def test_a_task_that_failed_before_the_model_ran_is_requeued_succeeds_and_is_billed_for_one_run(
    wiro: Client,
) -> None:
    task_id = await failing(wiro)
    wiro.emulator.advance(2)
    assert (await wiro.detail(task_id))["status"] == "task_queue"
    wiro.emulator.advance(120)
    task = await wiro.detail(task_id)
    assert (task["status"], task["pexit"], len(task["outputs"])) == ("task_postprocess_end", "0", 1)
    assert (task["elapsedseconds"], task["totalcost"]) == ("6.0000", "0.003510000000")
    assert wiro.emulator.counts.tasks_started == 1
    statuses = wiro.emulator.tasks[0].statuses
    assert statuses[:6] == (
        "task_queue", "task_accept", "task_preprocess_start", "task_error", "task_queue", "task_accept",
    )  # fmt: skip


async def test_a_task_that_failed_before_the_model_ran_can_end_with_an_exit_code(wiro: Client) -> None:
    task_id = await failing(wiro, then="exit", exit_code="3")
    wiro.emulator.advance(2)
    task = await wiro.detail(task_id)
    assert (task["status"], task["pexit"], task["totalcost"]) == ("task_postprocess_end", "3", "0")
    assert task["endtime"] != "0"


async def test_a_task_that_failed_before_the_model_ran_can_be_cancelled_by_wiro(wiro: Client) -> None:
    task_id = await failing(wiro, then="cancel", seconds=5)
    wiro.emulator.advance(5)
    task = await wiro.detail(task_id)
    assert (task["status"], task["totalcost"]) == ("task_cancel", "0")


async def test_a_task_error_is_no_end_however_long_it_lasts(start_emulator: StartEmulator) -> None:
    async with start_emulator(max_active=1) as wiro:
        task_id = await failing(wiro, then="stay")
        wiro.emulator.advance(24 * 3600)
        assert (await wiro.detail(task_id))["status"] == "task_error"
        assert wiro.emulator.counts.tasks_active == 1
        assert (await wiro(f"Run/{RETRO}", SMALL))["errors"][0]["code"] == 96
        assert "must be completed" in str(
            (await wiro("Task/InputOutputDelete", {"tasktoken": wiro.emulator.tasks[0].token}))["errors"]
        )


async def test_a_task_in_task_error_is_stopped_like_a_running_one(wiro: Client) -> None:
    task_id = await failing(wiro)
    response = await wiro("Task/Cancel", {"taskid": task_id})
    assert response["errors"][0]["message"] == "Task is not in a cancellable state."
    assert (await wiro("Task/Kill", {"taskid": task_id}))["tasklist"][0]["status"] == "task_cancel"
    wiro.emulator.advance(120)
    assert (await wiro.detail(task_id))["status"] == "task_cancel"


async def test_a_requeued_task_can_be_cancelled_again(wiro: Client) -> None:
    wiro.emulator.inject(Fault("requeue", seconds=60))
    task_id = await wiro.run()
    wiro.emulator.advance(30)
    assert (await wiro.detail(task_id))["status"] == "task_queue"
    assert "task_assign" in wiro.emulator.tasks[0].statuses
    assert (await wiro("Task/Cancel", {"taskid": task_id}))["tasklist"][0]["status"] == "task_cancel"


async def test_a_requeued_task_runs_in_the_end(wiro: Client) -> None:
    wiro.emulator.inject(Fault("requeue", seconds=60))
    task = await wiro.finish()
    assert (task["status"], task["pexit"], task["elapsedseconds"]) == ("task_postprocess_end", "0", "6.0000")


async def test_a_failed_run_has_a_debug_error_and_costs_nothing(wiro: Client) -> None:
    wiro.emulator.inject(Fault("exit_code", exit_code="137", debug_error="Killed"))
    task = await wiro.finish()
    assert (task["status"], task["pexit"]) == ("task_postprocess_end", "137")
    assert (task["debugerror"], task["outputs"], task["totalcost"]) == ("Killed", [], "0")
    assert (await wiro.finish())["pexit"] == "0"


@pytest.mark.parametrize("fault", [Fault("no_exit_code"), Fault("exit_code", exit_code="")])
async def test_the_exit_code_of_a_success_can_be_missing_or_empty(wiro: Client, fault: Fault) -> None:
    wiro.emulator.inject(fault)
    task = await wiro.finish()
    assert task.get("pexit", "") == ""
    assert len(task["outputs"]) == 1


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("fatal_error", then="stay"), "task_error"),
        (Fault("fatal_error", then="cancel"), "task_cancel"),
        (Fault("cancelled_by_hand"), "task_cancel"),
        (Fault("stuck_in_queue"), "task_queue"),
        (Fault("stuck_running"), "task_output"),
        (Fault("unknown_status", task_status="task_nap", forever=True), "task_nap"),
        (Fault("unknown_status"), "task_postprocess_end"),
    ],
)
async def test_a_lifecycle_can_end_in_another_status(wiro: Client, fault: Fault, status: str) -> None:
    wiro.emulator.inject(fault)
    task = await wiro.finish()
    assert task["status"] == status
    assert (task["totalcost"] == "0") == (status != "task_postprocess_end")
    assert ("task_warp" in wiro.emulator.tasks[0].statuses) == (
        fault.kind == "unknown_status" and not fault.forever
    )


async def test_a_task_can_be_cancelled_by_somebody_else_while_it_runs(wiro: Client) -> None:
    task_id = await wiro.run()
    wiro.emulator.advance(4)
    wiro.emulator.inject(Fault("cancelled_by_hand", task_id=task_id))
    assert (await wiro.detail(task_id))["status"] == "task_cancel"
    with pytest.raises(ValueError, match="no task '9'"):
        wiro.emulator.inject(Fault("exit_code", task_id="9"))


async def test_a_stuck_task_can_still_be_stopped(wiro: Client) -> None:
    wiro.emulator.inject(Fault("stuck_running"), Fault("stuck_in_queue"))
    # Both are meant for the next run; the later one wins.
    task_id = await wiro.run()
    assert (await wiro("Task/Cancel", {"taskid": task_id}))["result"] is True


async def test_a_fault_can_wait_for_one_model(wiro: Client) -> None:
    wiro.emulator.inject(Fault("exit_code", model=NANO))
    assert (await wiro.finish())["pexit"] == "0"
    assert (await wiro.finish(NANO, {"prompt": "x"}))["pexit"] == "1"


async def test_the_next_output_can_be_big(wiro: Client) -> None:
    wiro.emulator.inject(Fault("big_output", bytes=1_000_000))
    (output,) = (await wiro.finish())["outputs"]
    assert len((await wiro.fetch(output["url"]))[2]) == 1_000_000


async def test_there_can_be_many_big_outputs_each_with_bytes_of_its_own(wiro: Client) -> None:
    wiro.emulator.inject(Fault("big_output", bytes=300_000, outputs=3))
    outputs = (await wiro.finish())["outputs"]
    assert [output["name"] for output in outputs] == ["0.bin", "1.bin", "2.bin"]
    bodies = [(await wiro.fetch(output["url"]))[2] for output in outputs]
    assert len(set(bodies)) == 3
    assert {len(body) for body in bodies} == {300_000}

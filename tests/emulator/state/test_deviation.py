"""Tasks that fail before the model ran, and tasks that are put back into the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import Fault
from tests.emulator.conftest import RETRO, SMALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller, Calling

# On a clock that stands still: accepted after 1 s, and the failure comes 0.8 s into the preparation.
BEFORE_THE_FAILURE, IN_THE_FAILURE = 1.7, 2.0


async def failing(wiro: Caller, **fault: object) -> str:
    """Start a task and let it come to its failure."""
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
    wiro: Caller,
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


async def test_a_task_that_failed_before_the_model_ran_can_end_with_an_exit_code(wiro: Caller) -> None:
    task_id = await failing(wiro, then="exit", exit_code="3")
    wiro.emulator.advance(2)
    task = await wiro.detail(task_id)
    assert (task["status"], task["pexit"], task["totalcost"]) == ("task_postprocess_end", "3", "0")
    assert task["endtime"] != "0"


async def test_a_task_that_failed_before_the_model_ran_can_be_cancelled_by_wiro(wiro: Caller) -> None:
    task_id = await failing(wiro, then="cancel", seconds=5)
    wiro.emulator.advance(5)
    task = await wiro.detail(task_id)
    assert (task["status"], task["totalcost"]) == ("task_cancel", "0")


async def test_a_task_error_is_no_end_however_long_it_lasts(calling: Callable[..., Calling]) -> None:
    async with calling(max_active=1) as wiro:
        task_id = await failing(wiro, then="stay")
        wiro.emulator.advance(24 * 3600)
        assert (await wiro.detail(task_id))["status"] == "task_error"
        assert wiro.emulator.counts.tasks_active == 1
        assert (await wiro(f"Run/{RETRO}", SMALL))["errors"][0]["code"] == 96
        assert "must be completed" in str(
            (await wiro("Task/InputOutputDelete", {"tasktoken": wiro.emulator.tasks[0].token}))["errors"]
        )


async def test_a_task_in_task_error_is_stopped_like_a_running_one(wiro: Caller) -> None:
    task_id = await failing(wiro)
    answer = await wiro("Task/Cancel", {"taskid": task_id})
    assert answer["errors"][0]["message"] == "Task is not in a cancellable state."
    assert (await wiro("Task/Kill", {"taskid": task_id}))["tasklist"][0]["status"] == "task_cancel"
    wiro.emulator.advance(120)
    assert (await wiro.detail(task_id))["status"] == "task_cancel"


async def test_a_requeued_task_can_be_cancelled_again(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("requeue", seconds=60))
    task_id = await wiro.run()
    wiro.emulator.advance(30)
    assert (await wiro.detail(task_id))["status"] == "task_queue"
    assert "task_assign" in wiro.emulator.tasks[0].statuses
    assert (await wiro("Task/Cancel", {"taskid": task_id}))["tasklist"][0]["status"] == "task_cancel"


async def test_a_requeued_task_runs_in_the_end(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("requeue", seconds=60))
    task = await wiro.finish()
    assert (task["status"], task["pexit"], task["elapsedseconds"]) == ("task_postprocess_end", "0", "6.0000")


def test_what_can_not_follow_a_failure_is_refused() -> None:
    with pytest.raises(ValueError, match=r"followed by one of .*, not by 'forget'"):
        Fault("fatal_error", then="forget")
    with pytest.raises(ValueError, match="seconds=-1"):
        Fault("requeue", seconds=-1)

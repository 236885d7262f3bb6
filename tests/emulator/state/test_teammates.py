"""A team's key sees what the other members run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import Fault
from tests.emulator.conftest import RETRO, SMALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller, Calling


async def test_teammates_runs_are_in_the_list_with_a_uuid_and_a_project_of_their_own(
    calling: Callable[..., Calling],
) -> None:
    async with calling(teammates=2, max_active=1) as wiro:
        own = await wiro.run()
        listed = (await wiro("Task/List", {}))["tasklist"]
        details = [await wiro.detail(task["id"]) for task in listed]
        counts = wiro.emulator.counts
    assert [task["id"] for task in listed] == ["2223", "2222", own]
    assert listed[0]["parameters"] == listed[2]["parameters"]
    assert len({task["uuid"] for task in listed}) == 3
    assert [task["projectid"] for task in listed] == ["2", "2", "1"]
    assert [task["uuid"] for task in details] == [task["uuid"] for task in listed]
    assert (counts.tasks_started, counts.tasks_active, counts.tasks_by_status.total()) == (1, 1, 1)
    assert [task.is_teammates for task in wiro.emulator.tasks] == [False, True, True]


async def test_ones_own_tasks_are_of_one_member_and_project(wiro: Caller) -> None:
    tasks = [await wiro.finish() for _ in range(2)]
    assert tasks[0]["uuid"] == tasks[1]["uuid"] == tasks[0]["outputs"][0]["uuid"]
    assert tasks[0]["projectid"] == tasks[1]["projectid"] == "1"


async def test_a_teammate_can_start_a_run_alone_which_no_fault_waits_for_and_no_counter_counts(
    wiro: Caller,
) -> None:
    wiro.emulator.inject(Fault("exit_code"))
    task_id = wiro.emulator.start_teammates_task(RETRO, SMALL, seconds=30)
    wiro.emulator.advance(29)
    assert (await wiro.detail(task_id))["status"] == "task_postprocess_start"
    wiro.emulator.advance(2)
    assert (await wiro.detail(task_id))["pexit"] == "0"
    counts = wiro.emulator.counts
    assert (counts.tasks_started, counts.spent_usd) == (0, 0)
    assert counts.faults_fired == {}


async def test_a_teammates_task_can_be_stopped_with_the_teams_key(wiro: Caller) -> None:
    task_id = wiro.emulator.start_teammates_task(RETRO, SMALL)
    assert (await wiro("Task/Cancel", {"taskid": task_id}))["result"] is True
    assert wiro.emulator.tasks[0].status == "task_cancel"
    assert wiro.emulator.counts.tasks_stopped == 0


async def test_the_control_endpoint_starts_teammates_tasks_too(wiro: Caller) -> None:
    body = {"model": RETRO, "parameters": SMALL, "seconds": [30], "teammate": True}
    url = wiro.emulator.url.removesuffix("/v1")
    async with wiro.session.post(f"{url}/__emulator__/tasks", json=body) as response:
        assert await response.json() == {"task_ids": ["2221"]}
    assert wiro.emulator.tasks[0].is_teammates


def test_fewer_than_no_teammates_are_refused(calling: Callable[..., Calling]) -> None:
    from airflow_provider_wiro.emulator import WiroEmulator

    with pytest.raises(ValueError, match="teammates must not be below zero"):
        WiroEmulator(teammates=-1)


# --- other spellings of a task ---------------------------------------------------------------------------


async def test_parameters_can_be_json_text(calling: Callable[..., Calling]) -> None:
    async with calling(parameters_as_text=True) as wiro:
        task = await wiro.detail(await wiro.run())
        (listed,) = (await wiro("Task/List", {}))["tasklist"]
    assert json.loads(task["parameters"]) == json.loads(listed["parameters"]) == SMALL


async def test_a_task_can_be_spelled_as_the_kits_read_it(calling: Callable[..., Calling]) -> None:
    async with calling(task_fields="kits") as wiro:
        await wiro.run()
        wiro.emulator.advance(60)
        (task,) = (await wiro("Task/Detail", {"taskid": "2221"}))["tasklist"]
        (listed,) = (await wiro("Task/List", {}))["tasklist"]
    assert (task["taskid"], len(task["output"]), listed["taskid"]) == ("2221", 1, "2221")
    assert {"id", "outputs"}.isdisjoint({*task, *listed})

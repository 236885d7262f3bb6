"""Runs of the other members of the team, which the project's key sees too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.emulator import Fault
from tests.emulator.conftest import RETRO, SMALL

if TYPE_CHECKING:
    from tests.emulator.conftest import Client, StartEmulator


async def test_teammates_runs_are_in_the_list_with_a_uuid_and_a_project_of_their_own(
    start_emulator: StartEmulator,
) -> None:
    async with start_emulator(teammates=2, max_active=1) as wiro:
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


async def test_the_projects_tasks_have_one_member_and_one_project(wiro: Client) -> None:
    tasks = [await wiro.finish() for _ in range(2)]
    assert tasks[0]["uuid"] == tasks[1]["uuid"] == tasks[0]["outputs"][0]["uuid"]
    assert tasks[0]["projectid"] == tasks[1]["projectid"] == "1"


async def test_a_teammates_own_run_fires_no_fault_and_is_in_no_counter(
    wiro: Client,
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


async def test_a_teammates_task_can_be_stopped_with_the_teams_key(wiro: Client) -> None:
    task_id = wiro.emulator.start_teammates_task(RETRO, SMALL)
    assert (await wiro("Task/Cancel", {"taskid": task_id}))["result"] is True
    assert wiro.emulator.tasks[0].status == "task_cancel"
    assert wiro.emulator.counts.tasks_stopped == 0


async def test_the_control_endpoint_starts_teammates_tasks_too(wiro: Client) -> None:
    body = {"model": RETRO, "parameters": SMALL, "seconds": [30], "teammate": True}
    url = wiro.root
    async with wiro.session.post(f"{url}/__emulator__/tasks", json=body) as response:
        assert await response.json() == {"task_ids": ["2221"]}
    assert wiro.emulator.tasks[0].is_teammates

"""Tasks that other programs start under the same project, or another one; and tasks that vanish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.emulator.conftest import RETRO, SMALL

if TYPE_CHECKING:
    from tests.emulator.conftest import Client


async def test_somebody_else_can_start_tasks_of_the_project(wiro: Client) -> None:
    ids = wiro.emulator.start_tasks(RETRO, SMALL, seconds=[5, 60])
    assert ids == ["2221", "2222"]
    wiro.emulator.advance(10)
    listed = (await wiro("Task/List", {}))["tasklist"]
    assert [task["projectid"] for task in listed] == ["1", "1"]
    assert [task["status"] == "task_postprocess_end" for task in listed] == [False, True]
    assert wiro.emulator.counts.tasks_started == 2


async def test_they_can_be_of_another_project(wiro: Client) -> None:
    (task_id,) = wiro.emulator.start_tasks(RETRO, SMALL, project_id="7")
    task = await wiro.detail(task_id)
    assert task["projectid"] == "7"
    assert task["parameters"] == SMALL


async def test_a_forgotten_task_is_unknown_and_still_counted(wiro: Client) -> None:
    first, second = wiro.emulator.start_tasks(RETRO, SMALL, seconds=[5, 5])
    token = (await wiro.detail(first))["socketaccesstoken"]
    wiro.emulator.forget_task(first)
    assert [task["id"] for task in (await wiro("Task/List", {}))["tasklist"]] == [second]
    for endpoint, body in (("Task/Detail", {"taskid": first}), ("Task/Cancel", {"taskid": first})):
        assert (await wiro(endpoint, body))["errors"][0]["message"] == "There is no task yet."
    assert (await wiro("Task/Detail", {"tasktoken": token}))["errors"][0]["message"] == "task-not-founded"
    assert wiro.emulator.counts.tasks_started == 2
    assert wiro.emulator.start_tasks(RETRO, SMALL) == ["2223"], "its id is not given again"


async def test_what_is_not_there_cannot_be_forgotten(wiro: Client) -> None:
    with pytest.raises(ValueError, match="no task '1' to forget"):
        wiro.emulator.forget_task("1")


async def test_the_control_endpoint_forgets_tasks_too(wiro: Client) -> None:
    (task_id,) = wiro.emulator.start_tasks(RETRO, SMALL)
    url = f"{wiro.root}/__emulator__/tasks/{task_id}"
    async with wiro.session.delete(url) as response:
        assert await response.json() == {"forgotten": task_id}
    async with wiro.session.delete(url) as response:
        assert response.status == 400
        assert "no task '2221' to forget" in (await response.json())["error"]

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from airflow_provider_wiro.emulator import WiroEmulator
from tests.emulator.conftest import RETRO, SMALL

if TYPE_CHECKING:
    from tests.emulator.conftest import Client


async def test_the_control_endpoints_arm_faults_move_the_clock_and_show_the_state(wiro: Client) -> None:
    control = wiro.control
    async with wiro.session.post(
        f"{control}/faults", json=[{"kind": "exit_code"}, {"kind": "html"}]
    ) as response:
        assert await response.json() == [{"kind": "exit_code"}, {"kind": "html"}]
    async with wiro.session.delete(f"{control}/faults") as response:
        assert await response.json() == []
    await wiro.run()
    async with wiro.session.post(f"{control}/clock", json={"advance_seconds": 60}) as response:
        assert await response.json() == {"now": 1734513867.0, "manual": True}
    async with wiro.session.get(f"{control}/state") as response:
        state = await response.json()
    assert state["counts"]["tasks_by_status"] == {"task_postprocess_end": 1}
    assert state["counts"]["requests"] == {"Run": 1}
    assert state["tasks"][0]["model"] == RETRO
    assert state["faults"] == []


async def test_tasks_of_given_durations_can_be_started_at_once(wiro: Client) -> None:
    control = wiro.control
    wanted = {"model": RETRO, "parameters": SMALL, "seconds": [60, 90.5, 2]}
    async with wiro.session.post(f"{control}/tasks", json=wanted) as response:
        ids = (await response.json())["task_ids"]
    wiro.emulator.advance(100)
    created = {task.id: task.created_at for task in wiro.emulator.tasks}
    ended = {task.id: task.history[-1] for task in wiro.emulator.tasks}
    assert [ended[task_id][0] for task_id in ids] == ["task_postprocess_end"] * 3
    assert [ended[task_id][1] - created[task_id] for task_id in ids] == pytest.approx([60, 90.5, 2])
    assert (await wiro.detail(ids[1]))["elapsedseconds"] == "6.0000", "seconds of the model, at its own pace"


async def test_the_counters_can_be_read_alone(wiro: Client) -> None:
    control = wiro.control
    await wiro.run()
    async with wiro.session.get(f"{control}/counts") as response:
        found = await response.json()
    assert found["now"] == 1734513807.0
    assert (found["counts"]["tasks_active"], found["counts"]["requests"]) == (1, {"Run": 1})
    assert "tasks" not in found


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"kind": "typo"}),
        ("faults", {"endpoint": "Run"}),
        ("faults", "text"),
        ("faults", {"kind": "html", "unknown": 1}),
        ("faults", {"kind": "exit_code", "task_id": "9"}),
        ("clock", {"seconds": 1}),
        ("clock", {"advance_seconds": -1}),
        ("tasks", {"model": RETRO}),
        ("tasks", {"model": "retroAIx", "parameters": SMALL, "seconds": [8]}),
        ("tasks", {"model": "retroAIx/unknown", "parameters": SMALL, "seconds": [8]}),
        ("tasks", {"model": RETRO, "parameters": {"samples": 99}, "seconds": [8]}),
        ("tasks", {"model": RETRO, "parameters": SMALL, "seconds": [8, 0]}),
        ("tasks", {"model": RETRO, "parameters": SMALL, "seconds": ["long"]}),
    ],
)
async def test_a_wrong_control_request_is_a_400_with_a_reason(wiro: Client, path: str, body: object) -> None:
    control = wiro.control
    async with wiro.session.post(f"{control}/{path}", json=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]


async def test_the_real_clock_is_read_but_not_moved() -> None:
    async with WiroEmulator() as emulator, aiohttp.ClientSession() as session:
        control = emulator.url.removesuffix("/v1") + "/__emulator__"
        async with session.get(f"{control}/clock") as response:
            assert (await response.json())["manual"] is False
        async with session.post(f"{control}/clock", json={"advance_seconds": 1}) as response:
            assert response.status == 400

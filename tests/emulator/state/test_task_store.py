from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.emulator import Fault, ManualClock
from airflow_provider_wiro.emulator.generation.inputs import RequestBody
from airflow_provider_wiro.emulator.settings import Settings
from airflow_provider_wiro.emulator.state.runs import run
from airflow_provider_wiro.emulator.state.world import World
from tests.emulator.conftest import RETRO, SMALL

acts = st.one_of(
    st.sampled_from(["run", "run a text", "wait"]),
    st.tuples(
        st.sampled_from(["stop", "exit_code", "stuck_running", "numbers_as_numbers"]), st.integers(0, 9)
    ),
)


@given(st.lists(acts, max_size=30))
def test_what_is_remembered_of_all_tasks_is_what_a_look_at_each_one_shows(done: list[object]) -> None:
    clock = ManualClock()
    world = World(Settings(), clock, Path("/nowhere"))
    for act in done:
        if act == "run":
            run(world, *RETRO.split("/"), RequestBody(dict(SMALL)))
        elif act == "run a text":
            run(world, "openai", "gpt-5-nano", RequestBody({"prompt": "hello"}))
        elif act == "wait":
            clock.advance(1.5)
        elif isinstance(act, tuple) and (task := world.tasks.by_id(str(2221 + act[1]))):
            if act[0] == "stop":
                world.stop(task)
            else:
                world.arm(Fault(act[0], task_id=task.id))
        now = world.now()
        assert world.statistics.active == sum(not task.is_terminal(now) for task in world.tasks)
        assert world.statistics.spent_usd == sum((task.cost(now) for task in world.tasks), Decimal(0))
        succeeded = sum(task.has_succeeded(now) for task in world.tasks)
        assert world.statistics.succeeded.total() == succeeded

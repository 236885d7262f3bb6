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

steps = st.one_of(
    st.sampled_from(["run", "run a text", "wait"]),
    st.tuples(
        st.sampled_from(["stop", "exit_code", "stuck_running", "numbers_as_numbers"]), st.integers(0, 9)
    ),
)


@given(st.lists(steps, max_size=30))
def test_the_statistics_are_what_reading_every_task_gives(history: list[object]) -> None:
    clock = ManualClock()
    world = World(Settings(), clock, Path("/nowhere"))
    for step in history:
        if step == "run":
            run(world, *RETRO.split("/"), RequestBody(dict(SMALL)))
        elif step == "run a text":
            run(world, "openai", "gpt-5-nano", RequestBody({"prompt": "hello"}))
        elif step == "wait":
            clock.advance(1.5)
        elif isinstance(step, tuple) and (task := world.tasks.by_id(str(2221 + step[1]))):
            if step[0] == "stop":
                world.stop(task)
            else:
                world.arm(Fault(step[0], task_id=task.id))
        now = world.now()
        assert world.statistics.active == sum(not task.is_terminal(now) for task in world.tasks)
        assert world.statistics.spent_usd == sum((task.cost(now) for task in world.tasks), Decimal(0))
        succeeded = sum(task.has_succeeded(now) for task in world.tasks)
        assert world.statistics.succeeded.total() == succeeded

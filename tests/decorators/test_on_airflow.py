"""The decorators on a real Airflow, and on every supported one: `make test-matrix` runs these on each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.airflow_home import AirflowHome, FinishedRun

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAG_FILE = Path(__file__).parent / "dags" / "wiro_decorators.py"


@pytest.fixture(autouse=True)
def _records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give Airflow before 3.3 a place for the records of runs."""
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "records"))


def run(airflow_home: AirflowHome, dag_id: str) -> FinishedRun:
    return airflow_home.run_dag(DAG_FILE, dag_id, {"mood": "dusk"})


def test_airflows_own_task_has_the_decorator_and_gives_the_function_its_context(
    airflow_home: AirflowHome, wiro: WiroEmulator
) -> None:
    done = run(airflow_home, "decorated")

    [task] = wiro.tasks
    assert (done.state, done.tries["draw"]) == ("success", 1)
    assert task.parameters["prompt"] == "a robot, draw, dusk"
    assert done.returned("draw")["wiro_task_id"] == task.id
    assert done.xcoms["draw"]["wiro_task_url"].endswith(f"#task-{task.id}")


def test_decorated_tasks_are_mapped_grouped_overridden_and_feed_each_other(
    airflow_home: AirflowHome, wiro: WiroEmulator
) -> None:
    done = run(airflow_home, "decorated_chain")

    assert done.state == "success"
    prompts = sorted(task.parameters["prompt"] for task in wiro.tasks)
    assert prompts == [
        "a bakery, dusk",
        "a harbour, dawn",
        "a pier, rain",
        "a tram, dusk",
        "winter",
        "winter",
        "winter",
    ]
    for index in range(2):
        given, made = done.returned(f"mapped[{index}]"), done.returned(f"repaint[{index}]")
        [task] = [task for task in wiro.tasks if task.id == made["wiro_task_id"]]
        assert given["outputs"][0]["url"] in str(task.parameters)
        assert done.xcoms[f"repaint[{index}]"]["status"] == "task_postprocess_end"


def test_a_try_that_dies_is_paid_for_once_though_the_function_returns_something_else_each_time(
    airflow_home: AirflowHome, wiro: WiroEmulator
) -> None:
    done = run(airflow_home, "decorated_dies")

    [task] = wiro.tasks
    assert (done.state, done.tries["by_chance"]) == ("success", 2)
    assert done.returned("by_chance")["wiro_task_id"] == task.id


def test_a_batch_of_what_a_generator_yields_is_run_once_across_its_deferrals(
    airflow_home: AirflowHome, wiro: WiroEmulator
) -> None:
    done = run(airflow_home, "decorated_batch")

    assert done.state == "success"
    assert done.returned("items")["succeeded"] == 3
    assert len({task.parameters["prompt"] for task in wiro.tasks}) == len(wiro.tasks) == 4
    assert wiro.tasks[-1].parameters["prompt"] == "3 robots"


def test_a_function_that_returns_nothing_fails_at_once_and_sends_nothing(
    airflow_home: AirflowHome, wiro: WiroEmulator
) -> None:
    done = run(airflow_home, "decorated_wrong")

    assert (done.state, done.tries["forgets"]) == ("failed", 1)
    assert wiro.tasks == []

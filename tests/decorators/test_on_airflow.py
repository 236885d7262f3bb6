"""The decorators on a real Airflow, and on every supported one: `make test-matrix` runs these on each."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.providers.common.compat.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.airflow_home import AirflowHome, FinishedRun

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAG_FILE = Path(__file__).parent / "dags" / "wiro_decorators.py"


@pytest.fixture(autouse=True)
def _records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give Airflow before 3.3 a place for the records of runs."""
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "records"))


def rendered_fields(run_id: str, task_id: str) -> str:
    """Return what Airflow shows of a task as JSON."""
    from airflow import settings
    from sqlalchemy import text

    query = (
        "SELECT rendered_fields FROM rendered_task_instance_fields WHERE run_id = :run AND task_id = :task"
    )
    with settings.Session() as session:  # type: ignore[misc]
        return str(session.execute(text(query), {"run": run_id, "task": task_id}).scalar())


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


@pytest.mark.skipif(
    version("apache-airflow").startswith("3.0."),
    reason="Airflow 3.0 can't store None, as a summary's text is",
)
def test_multiple_outputs_are_the_values_of_the_run_summary_and_only_on_demand(
    airflow_home: AirflowHome, wiro: WiroEmulator
) -> None:
    done = run(airflow_home, "decorated_outputs")

    assert done.state == "success"
    assert done.xcoms["several"]["status"] == "task_postprocess_end"
    assert "status" not in run(airflow_home, "decorated").xcoms["draw"]


def test_what_the_function_returned_is_shown_as_the_rendered_parameters(
    airflow_home: AirflowHome, wiro: WiroEmulator
) -> None:
    if not hasattr(BaseOperator, "overwrite_rtif_after_execution"):
        pytest.skip("this Airflow stores rendered fields only before a task runs")
    done = run(airflow_home, "decorated")

    assert "a robot, draw, dusk" in rendered_fields(done.run_id, "draw")


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

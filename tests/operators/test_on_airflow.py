"""The same promises on a real Airflow, and on every supported one: `make test-matrix` runs these on each."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import Fault, WiroEmulator

if TYPE_CHECKING:
    from tests.airflow_home import AirflowHome, FinishedRun

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAG_FILE = Path(__file__).parent / "dags" / "wiro_runs.py"
BOTH = pytest.mark.parametrize("dag_id", ["wiro_blocking", "wiro_deferrable"])


@pytest.fixture(autouse=True)
def _records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give Airflow before 3.3 a place for the records of runs."""
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "records"))


PROMPT = {"prompt": "a robot on the moon"}


def run(airflow_home: AirflowHome, dag_id: str) -> FinishedRun:
    return airflow_home.run_dag(DAG_FILE, dag_id, PROMPT)


@BOTH
def test_a_run_succeeds_at_its_first_try(airflow_home: AirflowHome, wiro: WiroEmulator, dag_id: str) -> None:
    done = run(airflow_home, dag_id)

    [task] = wiro.tasks
    assert (done.state, done.tries["generate"]) == ("success", 1)
    assert done.returned("generate")["wiro_task_id"] == task.id
    assert done.returned("generate")["outputs"][0]["name"] == "0.png"
    assert done.xcoms["generate"]["wiro_task_url"].endswith(f"#task-{task.id}")
    assert task.parameters["prompt"] == "a robot on the moon"


@BOTH
def test_a_run_that_fails_is_paid_for_once_more_by_the_retry(
    airflow_home: AirflowHome, wiro: WiroEmulator, dag_id: str
) -> None:
    """On Airflow 3.0 the retry is resumed with the failed try's event, and must not believe it."""
    wiro.inject(Fault("exit_code"))

    done = run(airflow_home, dag_id)

    assert (done.state, done.tries["generate"]) == ("success", 2)
    assert [task.exit_code for task in wiro.tasks] == ["1", "0"]
    assert done.returned("generate")["wiro_task_id"] == wiro.tasks[1].id


def test_a_try_that_dies_after_the_wait_is_paid_for_once(
    airflow_home: AirflowHome, wiro: WiroEmulator
) -> None:
    done = run(airflow_home, "wiro_dies")

    [task] = wiro.tasks
    assert (done.state, done.tries["generate"]) == ("success", 2)
    assert done.returned("generate")["wiro_task_id"] == task.id


@BOTH
def test_a_dag_run_that_is_created_again_for_its_date_is_a_new_run(
    airflow_home: AirflowHome, wiro: WiroEmulator, dag_id: str
) -> None:
    """`airflow dags test DAG DATE` twice: on 2.11 under the same run id, in the same row of the database."""
    date = datetime(2026, 11, 1, tzinfo=UTC)

    first, again = (airflow_home.run_dag(DAG_FILE, dag_id, PROMPT, date) for _ in range(2))

    assert (first.state, again.state) == ("success", "success")
    assert [done.returned("generate")["wiro_task_id"] for done in (first, again)] == [
        task.id for task in wiro.tasks
    ]
    assert len(wiro.tasks) == 2


def test_a_try_that_loses_sight_of_its_task_is_paid_for_once(
    airflow_home: AirflowHome, wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__POLL_PATIENCE", "0.05")
    wiro.inject(Fault("server_error", endpoint="Task/Detail", times=3))

    done = run(airflow_home, "wiro_blocking")

    [task] = wiro.tasks
    assert (done.state, done.tries["generate"]) == ("success", 2)
    assert done.returned("generate")["wiro_task_id"] == task.id


@BOTH
def test_why_a_try_failed_is_left_for_pages_until_the_next_try_begins(
    airflow_home: AirflowHome, wiro: WiroEmulator, dag_id: str
) -> None:
    wiro.inject(Fault("exit_code", times=2))
    failed = run(airflow_home, dag_id)

    assert failed.state == "failed"
    left = failed.xcoms["generate"]["wiro_error"]
    assert (left["wiro_task_id"], left["model"]) == (wiro.tasks[1].id, "retroAIx/Retro-Cartoons")
    assert left["error"].startswith(f"Wiro task {wiro.tasks[1].id} ")

    wiro.inject(Fault("exit_code"))
    retried = run(airflow_home, dag_id)

    assert (retried.state, retried.tries["generate"]) == ("success", 2)
    if version("apache-airflow").startswith("3.0."):
        return  # there a try that follows one that was deferred begins with its XComs
    assert "wiro_error" not in retried.xcoms["generate"]


@BOTH
def test_a_run_whose_response_is_lost_is_paid_for_once(
    airflow_home: AirflowHome, wiro: WiroEmulator, dag_id: str
) -> None:
    wiro.inject(Fault("drop_after", endpoint="Run"))

    done = run(airflow_home, dag_id)

    assert (done.state, done.tries["generate"]) == ("success", 1)
    assert wiro.counts.tasks_started == 1


@BOTH
def test_what_a_retry_cannot_mend_is_not_retried(
    airflow_home: AirflowHome, wiro: WiroEmulator, dag_id: str
) -> None:
    wiro.inject(Fault("api_error", endpoint="Run", code=97, message="Insufficient balance", times=None))

    done = run(airflow_home, dag_id)

    assert (done.state, done.tries["generate"]) == ("failed", 1)
    assert wiro.counts.requests["Run"] == 1


@BOTH
def test_a_full_account_is_waited_for_without_a_retry(
    airflow_home: AirflowHome, wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch, dag_id: str
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.run.pauses.slot_pause_seconds", lambda *_: 0.05)
    wiro.inject(Fault("api_error", endpoint="Run", code=96, message="limit", times=2))

    done = run(airflow_home, dag_id)

    assert (done.state, done.tries["generate"]) == ("success", 1)
    assert (wiro.counts.tasks_started, wiro.counts.requests["Run"]) == (1, 3)


def test_mapped_tasks_that_die_are_each_paid_for_once(airflow_home: AirflowHome, wiro: WiroEmulator) -> None:
    done = run(airflow_home, "wiro_mapped")

    assert done.state == "success"
    assert set(done.tries.values()) == {2}
    by_prompt = {task.parameters["prompt"]: task.id for task in wiro.tasks}
    assert wiro.counts.tasks_started == 3
    for index in range(3):
        assert done.returned(f"generate[{index}]")["wiro_task_id"] == by_prompt[f"robot {index}"]


def test_a_label_is_a_template_of_plain_and_mapped_tasks_and_part_of_a_key(
    airflow_home: AirflowHome, wiro: WiroEmulator, tmp_path: Path
) -> None:
    given = {"prompt": "002", "folder": str(tmp_path)}

    done = airflow_home.run_dag(DAG_FILE, "wiro_labels", given)

    assert done.state == "success"
    tasks = ("deferrable_False", "deferrable_True", "mapped[0]", "mapped[1]", "partial[0]")
    assert [done.returned(task)["label"] for task in tasks] == [
        "of 002",
        "of 002",
        "SKU/001",
        "SKU-002",
        "002",
    ]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["SKU-001.png", "SKU-002.png"]
    assert wiro.counts.requests["Tool/Detail"] == 1


def test_a_limit_is_a_template_and_an_estimate_is_returned(
    airflow_home: AirflowHome, wiro: WiroEmulator
) -> None:
    done = airflow_home.run_dag(DAG_FILE, "wiro_limits", {"limit": 0.01})

    assert done.returned("estimate")["model"] == "retroAIx/Retro-Cartoons"
    assert (done.task_states["refused"], done.tries["refused"]) == ("failed", 1)
    assert wiro.counts.requests["Run"] == 0


def test_airflow_reports_to_the_kill_handler_the_state_of_a_task_instance(airflow_home: AirflowHome) -> None:
    """`dag.test()` queues a task instance before it runs the trigger, so that none is seen deferred here."""
    done = airflow_home.run_dag(DAG_FILE, "wiro_asking")

    assert done.state == "success"
    for index in range(2):
        found = done.returned(f"ask[{index}]")
        # Which of these `dag.test()` leaves a task in that executes differs by version.
        assert found["here"] in {"scheduled", "queued", "running"}
        assert found["elsewhere"] == "removed"

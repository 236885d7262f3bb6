"""The same promises on a real Airflow, and on every supported one: `make test-matrix` runs these on each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import Fault, WiroEmulator

if TYPE_CHECKING:
    from tests.airflow_home import AirflowHome

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAG_FILE = Path(__file__).parent / "dags" / "wiro_sensors.py"
WAYS = pytest.mark.parametrize("way", ["blocking", "deferrable", "reschedule"])


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give Airflow before 3.3 a place for the records of runs."""
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "records"))


@WAYS
def test_an_outage_is_retried_although_the_sensor_may_skip(
    airflow_home: AirflowHome, wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__POLL_PATIENCE", "0")
    wiro.inject(Fault("server_error", endpoint="Task/Detail", status=503))

    done = airflow_home.run_dag(DAG_FILE, f"wiro_sensor_{way}")

    assert (done.state, done.task_states["wait"], done.tries["wait"]) == ("success", "success", 2)
    assert done.returned("wait")["wiro_task_id"] == wiro.tasks[0].id


@WAYS
def test_what_no_retry_mends_is_skipped(airflow_home: AirflowHome, wiro: WiroEmulator, way: str) -> None:
    wiro.inject(Fault("exit_code"))

    done = airflow_home.run_dag(DAG_FILE, f"wiro_sensor_{way}")

    assert (done.task_states["wait"], done.tries["wait"]) == ("skipped", 1)


@WAYS
def test_a_task_that_is_not_listed_yet_is_waited_for(
    airflow_home: AirflowHome, wiro: WiroEmulator, way: str
) -> None:
    wiro.inject(Fault("api_error", endpoint="Task/Detail", code=1, message="There is no task yet."))

    done = airflow_home.run_dag(DAG_FILE, f"wiro_sensor_{way}")

    assert (done.task_states["wait"], done.tries["wait"]) == ("success", 1)

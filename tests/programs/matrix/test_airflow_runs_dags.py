"""Each environment of the matrix runs a DAG without the provider: other failures are the provider's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.airflow_home import AirflowHome

pytestmark = pytest.mark.airflow
DAG_FILE = Path(__file__).parent / "dags" / "deferring.py"


def test_a_task_defers_and_then_fails_and_its_retry_succeeds(airflow_home: AirflowHome) -> None:
    run = airflow_home.run_dag(DAG_FILE, "deferring", conf={"asked": "for"})

    assert run.state == "success"
    assert run.task_states == {"wait": "success"}
    assert run.returned("wait") == {"attempt": 2, "event": True, "conf": {"asked": "for"}}


def test_a_second_run_in_the_same_process_starts_from_scratch(airflow_home: AirflowHome) -> None:
    first = airflow_home.run_dag(DAG_FILE, "deferring")
    second = airflow_home.run_dag(DAG_FILE, "deferring")

    assert first.run_id != second.run_id
    assert second.returned("wait") == {"attempt": 2, "event": True, "conf": {}}

"""The example that exports what a team makes, scheduled by a watcher of the project."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.examples.files import example_file, example_module

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.airflow_home import AirflowHome
    from tests.examples.conftest import Bucket

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAG_ID = "example_wiro_team_export"
RETRO = "retroAIx/Retro-Cartoons"
PARAMETERS: dict[str, Any] = {"prompt": "a lighthouse", "samples": 2}


def test_what_others_have_made_is_exported(
    airflow_home: AirflowHome, wiro: WiroEmulator, bucket: Bucket
) -> None:
    made = [wiro.start_teammates_task(RETRO, PARAMETERS, seconds=0.1) for _ in range(2)]
    while not all(task.status == "task_postprocess_end" for task in wiro.tasks):
        time.sleep(0.05)
    run = airflow_home.run_dag(example_file(DAG_ID), DAG_ID)

    assert run.state == "success"
    exported = {key.rpartition("/")[2].partition("-")[0] for key in bucket.objects() if "team/" in key}
    assert set(made) <= exported


def test_a_watcher_of_the_project_schedules_it() -> None:
    pytest.importorskip("airflow.sdk")
    module = example_module(DAG_ID)
    [watcher] = module.SCHEDULE[0].watchers

    assert watcher.trigger.serialize() == (
        "airflow_provider_wiro.triggers.wiro_events.WiroTaskEndedTrigger",
        {"wiro_conn_id": "wiro_default", "interval": 60, "status": "succeeded"},
    )

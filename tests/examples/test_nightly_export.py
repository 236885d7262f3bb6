"""The example that exports everything a project has made, on a real Airflow, twice."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.hooks.wiro import WiroHook
from tests.examples.files import example_file

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.airflow_home import AirflowHome
    from tests.examples.conftest import Bucket

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAG_ID = "example_wiro_nightly_export"


def test_what_others_have_made_lands_once_also_what_ends_meanwhile(
    airflow_home: AirflowHome, wiro: WiroEmulator, bucket: Bucket
) -> None:
    with WiroHook() as hook:
        ended = [hook.run_model("retroAIx/Retro-Cartoons", {"prompt": "a", "samples": 1}) for _ in range(3)]
        for run in ended:
            hook.wait_for_task(run.wiro_task_id)
    late = wiro.start_teammates_task("retroAIx/Retro-Cartoons", {"prompt": "b", "samples": 1}, seconds=20)
    run = airflow_home.run_dag(example_file(DAG_ID), DAG_ID)

    assert run.state == "success"
    result = run.returned("export")
    assert (result["tasks"], result["open"], result["pending"]) == (4, 0, 0)
    assert run.returned("report").startswith("4 tasks, ")
    objects = bucket.objects()
    lines = [
        json.loads(line) for line in objects[result["manifest_uri"].split(f"{bucket.name}/")[1]].splitlines()
    ]
    assert sorted(line["wiro_task_id"] for line in lines) == sorted(
        [*(one.wiro_task_id for one in ended), late]
    )
    for line in lines:
        [file] = line["files"]
        body = objects[file["uri"].removeprefix(f"s3://{bucket.name}/")]
        assert file["sha256"] == hashlib.sha256(body).hexdigest()

    again = airflow_home.run_dag(example_file(DAG_ID), DAG_ID)
    assert again.state == "success"
    assert again.returned("export")["tasks"] == 0
    assert {key: body for key, body in bucket.objects().items() if "_wiro_export" not in key} == {
        key: body for key, body in objects.items() if "_wiro_export" not in key
    }
    assert wiro.counts.tasks_stopped == 0

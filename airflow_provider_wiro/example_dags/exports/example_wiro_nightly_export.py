"""
Export everything that a Wiro project has made since the last night, also what Airflow did not start.

Designers use Wiro's website, other tools the same key. Each night their outputs land in the bucket, by the
day on which they were made, each once. What could not be exported is reported in the morning, while somebody
can still look for it at Wiro.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

# These imports work on Airflow 2.11 too; with Airflow 3 alone they are `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AssetAlias, task

from airflow_provider_wiro.transfers.wiro_project_to_s3 import WiroProjectToS3Operator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")
# A retry follows the same run, and pays for no other.
DEFAULT_ARGS = {"retries": 2, "retry_delay": timedelta(minutes=5)}

with DAG(
    dag_id="example_wiro_nightly_export",
    doc_md=__doc__,
    schedule="0 2 * * *",
    start_date=datetime(2026, 11, 1),
    catchup=False,
    default_args=DEFAULT_ARGS,
    tags=["example", "wiro"],
):
    export = WiroProjectToS3Operator(
        task_id="export",
        since="2026-11-01",
        s3_bucket=BUCKET,
        s3_key="project/{created:%Y/%m/%d}/{wiro_task_id}/{index}-{name}",
        wait_for_open=30,
        deferrable=True,
        outlets=[AssetAlias("example-wiro-project")],
    )

    @task
    def report(result: Any) -> str:
        """Say what the night has brought; fail if something is lost."""
        lost = result["dead_links"] + result["refused"]
        if lost:
            raise AirflowFailException(f"{lost} tasks were not exported: see {result['manifest_uri']}")
        megabytes = result["total_bytes"] / 1_000_000
        return f"{result['tasks']} tasks, {megabytes:.1f} MB, {result['known_cost_usd']} USD"

    report(export.output)

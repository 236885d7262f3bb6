"""
Every night, one picture for each prompt of a list.

Dynamic task mapping: each prompt is a task of its own, with its own log and retries, and its picture is
landed in S3.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

# This import works on Airflow 2.11 too; with Airflow 3 alone it is `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")

with DAG(
    dag_id="example_wiro_nightly_prompts",
    doc_md=__doc__,
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # A retry follows the same run, and pays for no other. Without retries, a passing fault (a lost worker, a
    # scheduler that lags) fails a task whose run is paid for.
    default_args={"retries": 2},
    tags=["example", "wiro"],
):

    @task
    def prompts() -> list[dict[str, object]]:
        """Return the parameters of tonight's runs; yours would come from a table or a file."""
        subjects = ["a lighthouse at dusk", "a tram in the rain", "a bakery before sunrise"]
        return [{"prompt": f"{subject}, retro cartoon", "samples": 1, "steps": 20} for subject in subjects]

    generate = WiroRunOperator.partial(
        task_id="generate",
        model="retroAIx/Retro-Cartoons",
        deferrable=True,
        # As many at once as the account's balance allows.
        max_active_tis_per_dag=4,
        retry_delay=timedelta(minutes=2),
    ).expand(parameters=prompts())

    WiroToS3Operator.partial(
        task_id="to_s3",
        s3_bucket=BUCKET,
        s3_key="nightly/{{ ds_nodash | default('manual') }}/{wiro_task_id}/{name}",
    ).expand(wiro_task_id=generate.output)

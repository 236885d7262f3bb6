"""
Start a long film in one task, wait for it in another.

A sensor waits for a Wiro task that something else started.
"""

from __future__ import annotations

import os

# This import works on Airflow 2.11 too; with Airflow 3 alone it is `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.sensors.wiro import WiroTaskSensor
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")

with DAG(
    dag_id="example_wiro_sensor",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    # A retry follows the same run, and pays for no other. Without retries, a passing fault (a lost worker, a
    # scheduler that lags) fails a task whose run is paid for.
    default_args={"retries": 2},
    tags=["example", "wiro"],
):
    start = WiroRunOperator(
        task_id="start",
        model="ByteDance/seedance-pro-v1.5",
        parameters={
            "prompt": "a paper boat crosses a puddle",
            "resolution": "480p",
            "ratio": "16:9",
            "duration": "5",
        },
        wait_for_completion=False,
    )
    # The id may as well come from another DAG, a webhook or a person.
    wait = WiroTaskSensor(
        task_id="wait",
        wiro_task_id="{{ ti.xcom_pull(task_ids='start')['wiro_task_id'] }}",
        timeout=1800,
        deferrable=True,
    )
    to_s3 = WiroToS3Operator(task_id="to_s3", wiro_task_id=wait.output, s3_bucket=BUCKET)
    start >> wait

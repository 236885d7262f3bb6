"""
One task, many runs.

A night's pictures from a file of prompts: each is landed in S3 as soon as its run has ended. Each line of the
manifest says what became of one prompt, and what it cost.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta

from airflow.providers.amazon.aws.operators.s3 import S3CreateObjectOperator

# This import works on Airflow 2.11 too; with Airflow 3 alone it is `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")
SUBJECTS = ["a lighthouse at dusk", "a tram in the rain", "a bakery before sunrise", "a night market"]

with DAG(
    dag_id="example_wiro_batch",
    doc_md=__doc__,
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # A retry follows the same run, and pays for no other. Without retries, a passing fault (a lost worker, a
    # scheduler that lags) fails a task whose run is paid for.
    default_args={"retries": 2},
    tags=["example", "wiro"],
):
    # Yours would come from elsewhere: one JSON object a line, each the parameters of one run.
    prompts = S3CreateObjectOperator(
        task_id="prompts",
        s3_bucket=BUCKET,
        s3_key="batch/prompts.jsonl",
        data="\n".join(json.dumps({"prompt": f"{subject}, retro cartoon"}) for subject in SUBJECTS),
        replace=True,
    )

    generate = WiroBatchRunOperator(
        task_id="generate",
        model="retroAIx/Retro-Cartoons",
        inputs=f"s3://aws_default@{BUCKET}/batch/prompts.jsonl",
        parameters={"samples": 1, "steps": 20},
        # As many at once as you like; it continues with fewer where the account's balance allows no more.
        max_active=20,
        # The bad ones are in the manifest; the good ones are wanted in the morning.
        on_item_failure="continue",
        max_item_retries=2,
        s3_bucket=BUCKET,
        s3_key="batch/{{ ds_nodash | default('manual') }}/{item}-{name}",
        manifest_uri=f"s3://aws_default@{BUCKET}/batch/" + "{{ ds_nodash | default('manual') }}.jsonl",
        deferrable=True,
        retry_delay=timedelta(minutes=2),
    )

    prompts >> generate

"""
An LLM writes the prompt, an image model draws it.

The first run's answer is the second run's prompt. Both results are kept in S3.
"""

from __future__ import annotations

import os

# This import works on Airflow 2.11 too; with Airflow 3 alone it is `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")

with DAG(
    dag_id="example_wiro_llm_chain",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    # A retry follows the same run, and pays for no other. Without retries, a passing fault (a lost worker, a
    # scheduler that lags) fails a task whose run is paid for.
    default_args={"retries": 2},
    tags=["example", "wiro"],
):
    write = WiroRunOperator(
        task_id="write",
        model="openai/gpt-5-nano",
        parameters={
            "prompt": "Describe a cover picture for a magazine on night trains, in one sentence.",
            "reasoning": "low",
        },
        deferrable=True,
        # An LLM mostly answers within this time, and a deferral takes 20 s or more.
        defer_after=10,
    )
    draw = WiroRunOperator(
        task_id="draw",
        model="retroAIx/Retro-Cartoons",
        # `text` of a run summary is the LLM's answer.
        parameters={"prompt": "{{ ti.xcom_pull(task_ids='write')['text'] }}", "samples": 1},
        deferrable=True,
    )
    keep_text = WiroToS3Operator(
        task_id="keep_text", wiro_task_id=write.output, s3_bucket=BUCKET, s3_key="covers/{{ run_id }}/{name}"
    )
    keep_picture = WiroToS3Operator(
        task_id="keep_picture",
        wiro_task_id=draw.output,
        s3_bucket=BUCKET,
        s3_key="covers/{{ run_id }}/{name}",
    )
    write >> [draw, keep_text]
    draw >> keep_picture

"""
Don't pay twice for the same.

The first run of this DAG draws a picture and lands it. A second one, also after *Clear*, sends nothing: the
run finds the result card that the transfer has kept, and the transfer finds the picture where it is.
Change `prompt` for a new one.
"""

from __future__ import annotations

import os
from datetime import timedelta

# This import works on Airflow 2.11 too; with Airflow 3 alone it is `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")

with DAG(
    dag_id="example_wiro_reuse",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    params={"prompt": Param("a lighthouse at dusk", type="string")},
    # A retry follows the same run, and pays for no other.
    default_args={"retries": 2},
    tags=["example", "wiro"],
):
    draw = WiroRunOperator(
        task_id="draw",
        model="retroAIx/Retro-Cartoons",
        parameters={"prompt": "{{ params.prompt }}", "samples": 1, "seed": "7"},
        reuse_results=f"s3://aws_default@{BUCKET}/results",
        reuse_max_age=timedelta(days=90),
        deferrable=True,
    )
    # The whole run summary: it says where the result card belongs.
    WiroToS3Operator(
        task_id="to_s3",
        wiro_task_id=draw.output,
        s3_bucket=BUCKET,
        s3_key="reuse/{wiro_task_id}/{index}-{name}",
    )

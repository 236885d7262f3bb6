"""
Draw retro cartoons, and land them in S3.

All parameters of `retroAIx/Retro-Cartoons`. The run is waited for in the triggerer.
"""

from __future__ import annotations

import os

# This import works on Airflow 2.11 too; with Airflow 3 alone it is `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")

with DAG(
    dag_id="example_wiro_retro_cartoons",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    # A retry follows the same run, and pays for no other. Without retries, a passing fault (a lost worker, a
    # scheduler that lags) fails a task whose run is paid for.
    default_args={"retries": 2},
    tags=["example", "wiro"],
):
    # [START howto_operator_wiro_run]
    generate = WiroRunOperator(
        task_id="generate",
        model="retroAIx/Retro-Cartoons",
        parameters={
            "prompt": "a cheerful robot waters its garden on the moon, retro cartoon, bold ink outlines",
            "negativePrompt": "photo, blurry, watermark, signature",
            "samples": 2,
            "steps": 40,
            "scale": "4",
            "highNoiseFrac": "0.8",
            "stepsRefiner": 20,
            "seed": "123456",
            "width": 768,
            "height": 768,
            "refiner": "",
            "scheduler": "EulerAncestralDiscreteScheduler",
        },
        timeout=1800,
        deferrable=True,
    )
    # [END howto_operator_wiro_run]

    # [START howto_transfer_wiro_to_s3]
    to_s3 = WiroToS3Operator(
        task_id="to_s3",
        wiro_task_id=generate.output,
        s3_bucket=BUCKET,
        s3_key="retro-cartoons/{{ ds_nodash | default('manual') }}/{wiro_task_id}/{index}-{name}",
    )
    # [END howto_transfer_wiro_to_s3]

    generate >> to_s3

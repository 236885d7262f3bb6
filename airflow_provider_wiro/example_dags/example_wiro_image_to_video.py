"""
A picture becomes a film, and a caption goes with both.

One run's output is the next run's input. Picture, film and caption land side by side in S3, under one name:
`films/paper-boat.png`, `.mp4` and `.txt`.
"""

from __future__ import annotations

import os

# This import works on Airflow 2.11 too; with Airflow 3 alone it is `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")

with DAG(
    dag_id="example_wiro_image_to_video",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    params={
        "subject": Param("a paper boat in a puddle", type="string"),
        "name": Param("paper-boat", type="string", description="Of the files in S3."),
    },
    # A retry follows the same run, and pays for no other. Without retries, a passing fault (a lost worker, a
    # scheduler that lags) fails a task whose run is paid for.
    default_args={"retries": 2},
    tags=["example", "wiro"],
):
    draw = WiroRunOperator(
        task_id="draw",
        model="retroAIx/Retro-Cartoons",
        parameters={"prompt": "{{ params.subject }}", "samples": 1},
        # The name of a run is in its run summary, and `{label}` in the keys below.
        label="{{ params.name }}",
        deferrable=True,
    )
    film = WiroRunOperator(
        task_id="film",
        model="ByteDance/seedance-pro-v1.5",
        parameters={
            "prompt": "{{ params.subject }}, the camera circles it",
            "resolution": "480p",
            "ratio": "16:9",
            "duration": "5",
        },
        # The run summary stands for its files. Wiro fetches the picture from its own CDN.
        files={"inputImage": draw.output},
        label="{{ params.name }}",
        deferrable=True,
    )
    caption = WiroRunOperator(
        task_id="caption",
        model="openai/gpt-5-nano",
        parameters={"prompt": "One line to print below this picture.", "reasoning": "low"},
        files={"inputImage": draw.output},
        label="{{ params.name }}",
        deferrable=True,
        # An LLM mostly answers within this time, and a deferral takes 20 s or more.
        defer_after=10,
    )
    for run in (draw, film, caption):
        WiroToS3Operator(
            task_id=f"keep_{run.task_id}",
            wiro_task_id=run.output,
            s3_bucket=BUCKET,
            s3_key="films/{label}{suffix}",
        )

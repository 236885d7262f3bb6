"""
Chains of mapped runs: an LLM writes prompts, each is drawn, and each picture is repainted twice.

Each answer, picture and repainted picture is a mapped task of its own; the second run of a chain starts from
the output of the first one.
"""

from __future__ import annotations

import os
from typing import Any

# This import works on Airflow 2.11 too; with Airflow 3 alone it is `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")


def to_prompt(summary: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a picture, from an LLM's run summary."""
    return {"prompt": summary["text"], "samples": 1}


def to_files(summary: dict[str, Any]) -> dict[str, Any]:
    """Return the files of a run, from a picture's run summary."""
    return {"inputImage": summary}


with DAG(
    dag_id="example_wiro_mapped_chain",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    # A retry follows the same run, and pays for no other. Without retries, a passing fault (a lost worker, a
    # scheduler that lags) fails a task whose run is paid for.
    default_args={"retries": 2},
    tags=["example", "wiro"],
):
    write = WiroRunOperator.partial(
        task_id="write", model="openai/gpt-5-nano", deferrable=True, defer_after=10
    ).expand(
        parameters=[
            {"prompt": f"Describe a picture of {subject} in one sentence.", "reasoning": "low"}
            for subject in ("a night train", "a harbour")
        ]
    )
    # Text into a prompt: `.map()` makes of each run summary what the next run takes.
    draw = WiroRunOperator.partial(task_id="draw", model="retroAIx/Retro-Cartoons", deferrable=True).expand(
        parameters=write.output.map(to_prompt)
    )
    # A file into a run: the same with `files`.
    winter = WiroRunOperator.partial(
        task_id="winter",
        model="wiro/image-edit-general",
        parameters={"prompt": "a winter evening, snow on the roofs", "samples": 1},
        deferrable=True,
    ).expand(files=draw.output.map(to_files))

    @task
    def pictures(summaries: Any) -> list[dict[str, Any]]:
        """Return the files of each run: here you can choose, sort and combine."""
        return [{"inputImage": summary["outputs"][0]["url"]} for summary in summaries]

    # Or another task makes the list of files.
    night = WiroRunOperator.partial(
        task_id="night",
        model="wiro/image-edit-general",
        parameters={"prompt": "at night, under the moon", "samples": 1},
        deferrable=True,
    ).expand(files=pictures(draw.output))

    for name, run in (("winter", winter), ("night", night)):
        WiroToS3Operator.partial(
            task_id=f"keep_{name}", s3_bucket=BUCKET, s3_key=f"{name}/{{wiro_task_id}}/{{name}}"
        ).expand(wiro_task_id=run.output)

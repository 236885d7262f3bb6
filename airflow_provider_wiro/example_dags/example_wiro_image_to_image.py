"""
Change a picture.

A file as input: from the worker's disk, an object store or a URL. Trigger the DAG with a picture of your own
as the parameter `image`, such as `s3://aws_default@bucket/product.png`.
"""

from __future__ import annotations

import os
from pathlib import Path

# This import works on Airflow 2.11 too; with Airflow 3 alone it is `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")
#: Any file will do: trigger the DAG with your own as `image`, e.g. s3://aws_default@bucket/product.png
IMAGE = os.environ.get("WIRO_EXAMPLE_IMAGE", str(Path(__file__).parent / "images" / "robot.png"))

with DAG(
    dag_id="example_wiro_image_to_image",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    params={"image": Param(IMAGE, type="string", description="A path, an object-storage URI or a URL.")},
    # A retry follows the same run, and pays for no other. Without retries, a passing fault (a lost worker, a
    # scheduler that lags) fails a task whose run is paid for.
    default_args={"retries": 2},
    tags=["example", "wiro"],
):
    edit = WiroRunOperator(
        task_id="edit",
        model="wiro/image-edit-general",
        parameters={"prompt": "make it a winter evening, snow on the roofs", "samples": 1},
        files={"inputImage": "{{ params.image }}"},
        deferrable=True,
    )
    WiroToS3Operator(task_id="to_s3", wiro_task_id=edit.output, s3_bucket=BUCKET)

"""
Publish what has landed, started by the event of its transfer.

`example_wiro_publishing_draw` draws two pictures and lands them. `example_wiro_publishing` is scheduled on
the asset of that transfer. It reads from the event which objects there are and their sha256, makes a small
WebP of each, and writes a page that shows them all. It knows nothing of Wiro.

The workers need Pillow: `pip install pillow`.
"""

from __future__ import annotations

import hashlib
import html
import io
import os
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook

# These imports work on Airflow 2.11 too; with Airflow 3 alone they are `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, Asset, task

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")
PICTURES = Asset(uri=f"s3://{BUCKET}/pictures")
# A retry follows the same run, and pays for no other.
DEFAULT_ARGS = {"retries": 2}

with DAG(
    dag_id="example_wiro_publishing_draw",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    default_args=DEFAULT_ARGS,
    tags=["example", "wiro"],
):
    draw = WiroRunOperator(
        task_id="draw",
        model="retroAIx/Retro-Cartoons",
        parameters={"prompt": "a newspaper boy on the moon", "samples": 2},
        deferrable=True,
    )
    WiroToS3Operator(
        task_id="land",
        wiro_task_id=draw.output,
        s3_bucket=BUCKET,
        s3_key="pictures/{wiro_task_id}/{index}-{name}",
        outlets=[PICTURES],
    )

with DAG(
    dag_id="example_wiro_publishing",
    doc_md=__doc__,
    schedule=[PICTURES],
    start_date=datetime(2026, 11, 1),  # Airflow 2.11 wants one
    catchup=False,
    max_active_runs=1,  # two runs at once would each write the page without the other's pictures
    default_args=DEFAULT_ARGS,
    tags=["example", "wiro"],
):

    @task
    def landed(**context: Any) -> list[dict[str, str]]:
        """Return the pictures of all events of this DAG run: transfers that end close together share one."""
        if "triggering_asset_events" in context:
            events = context["triggering_asset_events"].get(PICTURES, [])
        else:  # Airflow 2.11
            events = context["triggering_dataset_events"].get(PICTURES.uri, [])
        files = [file for event in events for file in event.extra["files"]]
        return [{"uri": file["uri"], "sha256": file["sha256"]} for file in files]

    @task
    def resize(picture: dict[str, str]) -> str:
        """Put a small copy beside the page, under a key that a retry writes again."""
        from PIL import Image

        bucket, key = S3Hook.parse_s3_url(picture["uri"])
        s3: Any = S3Hook().get_conn()
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        if hashlib.sha256(body).hexdigest() != picture["sha256"]:
            raise AirflowFailException(f"{picture['uri']} has changed since its event.")
        small = io.BytesIO()
        with Image.open(io.BytesIO(body)) as image:
            image.thumbnail((512, 512))
            image.save(small, "WEBP")
        published = "published/" + PurePosixPath(key).with_suffix(".webp").as_posix()
        s3.put_object(Bucket=BUCKET, Key=published, Body=small.getvalue(), ContentType="image/webp")
        return published

    @task
    def publish() -> str:
        """Write the page: all pictures that are published, not only those of this run."""
        hook = S3Hook()
        keys = [key for key in hook.list_keys(BUCKET, prefix="published/") if key.endswith(".webp")]
        shown = [f'<img src="{html.escape(key.removeprefix("published/"))}">' for key in sorted(keys)]
        s3: Any = hook.get_conn()
        s3.put_object(
            Bucket=BUCKET,
            Key="published/index.html",
            Body="\n".join(["<!doctype html>", *shown, ""]).encode(),
            ContentType="text/html; charset=utf-8",
        )
        return f"s3://{BUCKET}/published/index.html"

    published = publish()
    resize.expand(picture=landed()) >> published

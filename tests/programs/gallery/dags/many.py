"""Many at once: a batch of 24, one that says it had 10,000, and an export."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import DAG

from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.transfers.wiro_project_to_s3 import WiroProjectToS3Operator

if TYPE_CHECKING:
    from airflow.sdk import Context

BUCKET = "wiro-outputs"
ITEMS, COPIES = 24, 10_000
NO_RETRY = {"retries": 0, "execution_timeout": timedelta(minutes=3)}


class CopiedBatch(WiroBatchRunOperator):
    """
    Runs its few items, and writes a manifest in which they come again and again, up to `COPIES` lines.

    So the manifest has the operator's own form, and each of its objects is really there.
    """

    def execute(self, context: Context) -> Any:
        summary = super().execute(context)
        key = (
            summary["manifest_uri"].partition(f"@{BUCKET}/")[2]
            or summary["manifest_uri"].partition(f"//{BUCKET}/")[2]
        )
        bucket = S3Hook("aws_default").get_bucket(BUCKET)
        lines = bucket.Object(key).get()["Body"].read().splitlines()
        few = [json.loads(line) for line in lines]
        copies = (
            few[number % len(few)] | {"item": number, "id": f"sku-{number + 1:05}"}
            for number in range(COPIES)
        )
        # The longest lines of a real one are an LLM's answers; these have half a kilobyte.
        bucket.put_object(Key=key, Body="".join(json.dumps(line) + "\n" for line in copies).encode())
        return summary | {"total": COPIES, "succeeded": COPIES}


with DAG("product_shots", schedule=None, catchup=False, default_args=NO_RETRY, tags=["gallery"]):
    WiroBatchRunOperator(
        task_id="shoot",
        model="wiro/poster-studio",
        inputs=[
            {
                "id": f"sku-{number:03}",
                "parameters": {"prompt": f"product number {number} on a wooden table", "seed": number},
                "data": {"shelf": number % 5},
            }
            for number in range(1, ITEMS + 1)
        ],
        parameters={"samples": 1, "width": 320, "height": 320},
        max_active=ITEMS,
        # On Airflow 3.1 a worker that waits writes no counts.
        deferrable=True,
        on_item_failure="continue",
        max_item_retries=0,
        s3_bucket=BUCKET,
    )

with DAG("whole_catalogue", schedule=None, catchup=False, default_args=NO_RETRY, tags=["gallery"]):
    CopiedBatch(
        task_id="shoot",
        model="retroAIx/Retro-Cartoons",
        inputs=[
            {"id": f"few-{number}", "parameters": {"prompt": f"a teapot, seen from side {number}"}}
            for number in range(8)
        ],
        parameters={"samples": 1, "width": 256, "height": 256},
        max_active=8,
        s3_bucket=BUCKET,
    )

with DAG("team_export", schedule=None, catchup=False, default_args=NO_RETRY, tags=["gallery"]):
    WiroProjectToS3Operator(
        task_id="export",
        since=timedelta(days=1),
        model="resemble-ai/chatterbox-turbo",
        s3_bucket=BUCKET,
        s3_key="team/{wiro_task_id}/{index}-{name}",
    )

"""Transfers with outlets: an alias, which learns of each object, and an asset, which learns of all."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Asset, AssetAlias

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")
OUTLETS: dict[str, Any] = {
    "landed_in_alias": AssetAlias("wiro-pictures"),
    "landed_in_asset": Asset(uri=f"s3://{BUCKET}/pictures"),
}
PARAMETERS = {"prompt": "a robot", "samples": 2, "width": 64, "height": 64}

for dag_id, outlet in OUTLETS.items():
    with DAG(dag_id, schedule=None, catchup=False, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        generate = WiroRunOperator(
            task_id="generate", model="retroAIx/Retro-Cartoons", parameters=PARAMETERS, poll_interval=0.05
        )
        WiroToS3Operator(
            task_id="land",
            wiro_task_id=generate.output,
            s3_bucket=BUCKET,
            s3_key="gün/{wiro_task_id}/{index}-{name}",
            tags=True,
            manifest=True,
            delete_after=True,
            outlets=[outlet],
        )

"""Transfers with outlets: an alias with an event for each object or for all, and an asset."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Asset, AssetAlias

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")
OUTLETS: dict[str, Any] = {
    "landed_in_alias_each": AssetAlias("wiro-pictures"),
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
            asset_events="each",
        )

# As in docs/guides/land-in-s3.md, "Idempotent days". Each generation has a prompt of its own, so that its
# picture is another one.
for dag_id, replace in {"landed_by_day": True, "landed_by_day_kept": False}.items():
    with DAG(dag_id, schedule=None, catchup=False, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        generate = WiroRunOperator(
            task_id="generate",
            model="retroAIx/Retro-Cartoons",
            parameters={**PARAMETERS, "prompt": "{{ macros.uuid.uuid4() }}"},
            poll_interval=0.05,
        )
        WiroToS3Operator(
            task_id="land",
            wiro_task_id=generate.output,
            s3_bucket=BUCKET,
            s3_key=dag_id + "/{{ (dag_run.logical_date or dag_run.run_after) | ds }}/{index}-{name}",
            replace=replace,
            outlets=[AssetAlias("wiro-pictures")],
        )

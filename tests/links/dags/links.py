"""A run, its transfer, mapped transfers and a batch, for the links on their tasks' pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = "outputs"
ARGS: dict[str, Any] = {
    "model": "retroAIx/Retro-Cartoons",
    "parameters": {"samples": 1, "width": 64, "height": 64, "prompt": "a robot"},
    "poll_interval": 0.05,
    "timeout": 60,
    "log_links": True,
}
START = datetime(2026, 1, 1, tzinfo=UTC)

with DAG("links", start_date=START, schedule=None, catchup=False):
    generate = WiroRunOperator(task_id="generate", deferrable=True, **ARGS)
    WiroToS3Operator(
        task_id="land", wiro_task_id=generate.output, s3_bucket=BUCKET, manifest=True, log_links=True
    )
    WiroToS3Operator.partial(
        task_id="land_each",
        s3_bucket=BUCKET,
        s3_key="each/{wiro_task_id}/{name}",
        wiro_conn_id="wiro_default",
    ).expand(wiro_task_id=[generate.output])
    WiroRunOperator(task_id="fail", **{**ARGS, "model": "retroAIx/Not-There"})
    WiroBatchRunOperator(
        task_id="batch",
        inputs=[{"prompt": "a"}, {"prompt": "b"}],
        s3_bucket=BUCKET,
        s3_key="night/{item}/{name}",
        deferrable=True,
        **ARGS,
    )

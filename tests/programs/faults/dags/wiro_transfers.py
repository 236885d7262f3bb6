"""The DAG of the scenarios of `make test-faults` that disturb a transfer into S3."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

with DAG(dag_id="transfer_killed", schedule=None, catchup=False, tags=["faults"]):
    run = WiroRunOperator(
        task_id="run",
        model="retroAIx/Retro-Cartoons",
        parameters={"prompt": "transfer_killed {{ run_id }}"},
        wiro_conn_id="wiro_transfer_killed",
        deferrable=False,
    )
    WiroToS3Operator(
        task_id="land",
        wiro_task_id=run.output,
        s3_bucket="outputs",
        wiro_conn_id="wiro_transfer_killed",
        aws_conn_id="aws_transfer_killed",
        retries=1,
        retry_delay=timedelta(seconds=2),
    )

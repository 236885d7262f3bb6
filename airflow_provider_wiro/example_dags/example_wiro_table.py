"""
Pictures for a table of articles.

Each row is a run. What lands in S3 is called by the article's number, and the manifest says which shelf it is
for: a column of the table that is never sent to Wiro.
"""

from __future__ import annotations

import os
from datetime import datetime

from airflow.providers.amazon.aws.operators.s3 import S3CreateObjectOperator

# This import works on Airflow 2.11 too; with Airflow 3 alone it is `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")
ARTICLES = """\
sku,prompt,steps,shelf
007,"a ""retro"" teapot, blue",20,top
008,a kettle,,
"""

with DAG(
    dag_id="example_wiro_table",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # A retry follows the same run, and pays for no other. Without retries, a passing fault (a lost worker, a
    # scheduler that lags) fails a task whose run is paid for.
    default_args={"retries": 2},
    tags=["example", "wiro"],
):
    # Yours would come from elsewhere, such as an export of a database.
    articles = S3CreateObjectOperator(
        task_id="articles", s3_bucket=BUCKET, s3_key="table/articles.csv", data=ARTICLES, replace=True
    )

    draw = WiroBatchRunOperator(
        task_id="draw",
        model="retroAIx/Retro-Cartoons",
        inputs=f"s3://aws_default@{BUCKET}/table/articles.csv",
        parameters={"samples": 1, "steps": 30},  # of rows that have none of their own
        id_column="sku",
        data_columns=["shelf"],
        s3_bucket=BUCKET,
        s3_key="table/{id}{suffix}",
        manifest_uri=f"s3://aws_default@{BUCKET}/table/manifest.jsonl",
        deferrable=True,
    )

    articles >> draw

"""
From a table into a bucket, and the results back into a table.

The articles that have no picture yet are read with SQL, drawn in one batch and landed in S3 by their number.
The table `pictures` then has one row for each: where its picture is, what it cost, or why there is none. A
second run of this DAG draws only what is missing.

`sqlite_default` can be any database that Airflow knows; SQLite needs `apache-airflow-providers-sqlite`. The
manifest is read with `airflow-provider-wiro[s3fs]`.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

# These imports work on Airflow 2.11 too; with Airflow 3 alone they are `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG, ObjectStoragePath, task
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")
DATABASE = "sqlite_default"
COLUMNS = ["sku", "status", "uri", "sha256", "cost_usd", "error"]
# Yours are there already.
TABLES = [
    "CREATE TABLE IF NOT EXISTS articles (sku TEXT PRIMARY KEY, prompt TEXT, steps INTEGER, shelf TEXT)",
    "CREATE TABLE IF NOT EXISTS pictures (sku TEXT PRIMARY KEY, status TEXT NOT NULL, uri TEXT, sha256 TEXT,"
    " cost_usd TEXT, error TEXT)",
    "REPLACE INTO articles VALUES ('007', 'a teapot', 20, 'top'), ('008', 'a kettle', NULL, NULL)",
]
WANTED = """\
SELECT sku, prompt, steps, shelf FROM articles
WHERE sku NOT IN (SELECT sku FROM pictures WHERE status = 'succeeded')
ORDER BY sku
"""


def dicts(cursor: Any) -> Any:
    """Return the rows of a query with the names of their columns."""
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def rows(manifest_uri: str) -> Iterator[tuple[Any, ...]]:
    """Read the manifest line by line: it can be larger than the worker's memory."""
    path: Any = ObjectStoragePath(manifest_uri)
    with path.open("rb", block_size=2**20) as manifest:
        for line in iter(manifest.readline, b""):  # older Airflow can't iterate over the file itself
            item = json.loads(line)
            # With `samples=1` there is one file. A failed item has none, and says why.
            file: dict[str, Any] = next(iter(item.get("files", [])), {})
            known = (file.get("uri"), file.get("sha256"), item["cost_usd"], item.get("error"))
            yield item["id"], item["status"], *known


with DAG(
    dag_id="example_wiro_table_results",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,  # two runs at once would both draw what is missing
    # A retry follows the same run, and pays for no other. Without retries, a passing fault (a lost worker, a
    # scheduler that lags) fails a task whose run is paid for.
    default_args={"retries": 2},
    tags=["example", "wiro"],
):
    tables = SQLExecuteQueryOperator(task_id="tables", conn_id=DATABASE, sql=TABLES)
    wanted = SQLExecuteQueryOperator(task_id="wanted", conn_id=DATABASE, sql=WANTED, handler=dicts)
    draw = WiroBatchRunOperator(
        task_id="draw",
        model="retroAIx/Retro-Cartoons",
        inputs=wanted.output,
        parameters={"samples": 1, "steps": 30},  # of rows that have none of their own
        id_column="sku",
        data_columns=["shelf"],
        on_item_failure="continue",  # one bad article doesn't keep the others from their pictures
        s3_bucket=BUCKET,
        s3_key="articles/{id}{suffix}",
        deferrable=True,
    )

    @task
    def keep(summary: Any) -> None:
        """Write one row for each item, a thousand at a time. A retry replaces what is there."""
        from airflow.providers.common.sql.hooks.sql import DbApiHook

        DbApiHook.get_hook(DATABASE).insert_rows(
            "pictures",
            rows(summary["manifest_uri"]),
            target_fields=COLUMNS,
            replace=True,  # by the primary key
            replace_index="sku",  # PostgreSQL wants to know its name
            executemany=True,
        )

    tables >> wanted
    keep(draw.output)

"""
Look at the bill before the night's production.

The first task reads from Wiro what was spent since yesterday. Above the limit it skips, and with it the
production; the report at the end runs all the same.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

# These imports work on Airflow 2.11 too; with Airflow 3 alone they are `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_spend import WiroSpendOperator

LIMIT_USD = os.environ.get("WIRO_EXAMPLE_LIMIT_USD", "20")

with DAG(
    dag_id="example_wiro_spend",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    # A retry follows the same run, and pays for no other. Without retries, a passing fault (a lost worker, a
    # scheduler that lags) fails a task whose run is paid for.
    default_args={"retries": 2},
    tags=["example", "wiro"],
):
    spent = WiroSpendOperator(
        task_id="spent",
        since=timedelta(days=1),
        limit_usd=LIMIT_USD,
        on_limit="skip",
    )
    generate = WiroRunOperator(
        task_id="generate",
        model="retroAIx/Retro-Cartoons",
        parameters={"prompt": "a robot looks at a bill", "samples": 1},
        deferrable=True,
    )

    @task(trigger_rule="all_done")
    def report(bill: Any) -> str:
        """Say what each model has cost, such as for a message; that is known also above the limit."""
        models = [
            f"{one['model']}: {one['spent_usd']} USD for {one['tasks']} tasks" for one in bill["by_model"]
        ]
        return "\n".join([f"{bill['spent_usd']} USD for {bill['tasks']} tasks", *models])

    spent >> generate >> report(spent.output)

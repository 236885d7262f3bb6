"""The DAGs of the benchmark of short runs: one run each, waiting in one of the three ways."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_wiro.operators.wiro import WiroRunOperator

WAYS: dict[str, dict[str, Any]] = {
    "blocking": {"deferrable": False},
    "defer_after": {"deferrable": True, "defer_after": 10},
    "deferred": {"deferrable": True},
}

for name, settings in WAYS.items():
    with DAG(dag_id=name, schedule=None, catchup=False):
        WiroRunOperator(
            task_id="run",
            model="retroAIx/Retro-Cartoons",
            parameters={"samples": 1, "width": 64, "height": 64, "prompt": name},
            **settings,
        )

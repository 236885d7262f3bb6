"""The DAGs of `make test-faults`: one for each way of running that a scenario disturbs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_wiro.operators.wiro import WiroRunOperator

MODEL = "retroAIx/Retro-Cartoons"


def wiro_dag(
    dag_id: str, *, wiro: str | None = None, runs: int = 1, retries: int = 3, **arguments: Any
) -> None:
    """
    Make a DAG that runs the model `runs` times, each with a prompt of its own.

    `wiro` names the scenario whose emulator is used, if that isn't called like the DAG. Mapped when `runs` is
    more than 1.
    """
    common: dict[str, Any] = {
        "task_id": "run",
        "model": MODEL,
        "wiro_conn_id": f"wiro_{wiro or dag_id}",
        "retries": retries,
        "retry_delay": timedelta(seconds=2),
        **arguments,
    }
    with DAG(dag_id=dag_id, schedule=None, catchup=False, max_active_tasks=64, tags=["faults"]):
        if runs == 1:
            WiroRunOperator(parameters={"prompt": f"{dag_id} {{{{ run_id }}}}"}, **common)
        else:
            prompts = [{"prompt": f"{dag_id} {index}"} for index in range(runs)]
            WiroRunOperator.partial(**common).expand(parameters=prompts)


for name in (
    "killed_before_record",
    "killed_worker_before_record",
    "killed_polling",
    "killed_worker_polling",
):
    wiro_dag(name, deferrable=False)
wiro_dag("killed_in_flight", deferrable=True)
wiro_dag("killed_after_rate_limit", deferrable=True)
wiro_dag("killed_in_doubt", deferrable=False)
wiro_dag("answer_lost", deferrable=True)
wiro_dag("request_lost", deferrable=False)

wiro_dag("mark_failed_deferred", deferrable=True)
wiro_dag("mark_failed_blocking", deferrable=False)
wiro_dag("mark_failed_mapped", deferrable=True, runs=2)
wiro_dag("clear_deferred", deferrable=True)

wiro_dag("execution_timeout", deferrable=False, retries=0, execution_timeout=timedelta(seconds=20))
wiro_dag("operator_timeout", deferrable=True, retries=0, timeout=20)

for name in ("outage_frozen", "outage_errors", "scheduler_killed", "scheduler_alone_killed"):
    wiro_dag(f"{name}_blocking", wiro=name, deferrable=False)
    wiro_dag(f"{name}_deferred", wiro=name, deferrable=True)

wiro_dag("account_limit", deferrable=True, runs=6)
wiro_dag("triggerer_killed", deferrable=True)
wiro_dag("triggerer_killed_marked", wiro="triggerer_killed", deferrable=True)
wiro_dag("triggerer_moved", deferrable=True, runs=6)
wiro_dag("many_workers", deferrable=True, runs=60)

"""The DAGs of `make bench-scale`: the same runs as mapped tasks and as a batch."""

from __future__ import annotations

import os

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator

MODEL = "retroAIx/Retro-Cartoons"
SMALL = {"samples": 1, "width": 64, "height": 64}
MAX_ACTIVE = int(os.environ["WIRO_BENCH_ACTIVE"])

with DAG(dag_id="warm_up", schedule=None, catchup=False):
    WiroRunOperator(task_id="run", model=MODEL, parameters={**SMALL, "prompt": "warm up"}, deferrable=True)

with DAG(dag_id="mapped", schedule=None, catchup=False, max_active_tasks=MAX_ACTIVE):
    prompts = [
        {**SMALL, "prompt": f"mapped {number}"} for number in range(int(os.environ["WIRO_BENCH_MAPPED"]))
    ]
    WiroRunOperator.partial(task_id="run", model=MODEL, deferrable=True).expand(parameters=prompts)

for name, is_deferrable in (("batch_blocking", False), ("batch_deferred", True)):
    with DAG(dag_id=name, schedule=None, catchup=False):
        WiroBatchRunOperator(
            task_id="run",
            model=MODEL,
            inputs=os.environ["WIRO_BENCH_INPUTS"],
            parameters={**SMALL, "negativePrompt": name},
            max_active=MAX_ACTIVE,
            deferrable=is_deferrable,
        )

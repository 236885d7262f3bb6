"""The DAG of the scenario of `make test-faults` about short deferrals: sixty runs of 2 to 4 seconds."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_wiro.operators.wiro import WiroRunOperator

#: At the scenario's speed their runs take 2.3, 3 and 4 s, queue and post-processing included.
MODELS = ("openai/gpt-5-nano", "resemble-ai/chatterbox-turbo", "retroAIx/Retro-Cartoons")
RUNS = 60

with DAG(dag_id="short_deferrals", schedule=None, catchup=False, max_active_tasks=64, tags=["faults"]):
    # No retry: it would hide a task that Airflow fails by mistake.
    WiroRunOperator.partial(
        task_id="run", wiro_conn_id="wiro_short_deferrals", deferrable=True, retries=0
    ).expand_kwargs(
        [
            {"model": MODELS[number % len(MODELS)], "parameters": {"prompt": f"short_deferrals {number}"}}
            for number in range(RUNS)
        ]
    )

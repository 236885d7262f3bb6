"""The DAGs of the scenarios of `make test-faults` that disturb a batch, each named after its scenario."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator

for name, deferrable, retries in (
    ("batch_killed", False, 1),
    ("batch_marked_failed", False, 0),
    ("batch_marked_failed_deferred", True, 0),
):
    with DAG(dag_id=name, schedule=None, catchup=False, tags=["faults"]):
        WiroBatchRunOperator(
            task_id="run",
            model="retroAIx/Retro-Cartoons",
            inputs=[{"prompt": f"{name} {{{{ run_id }}}} {number}"} for number in range(40)],
            parameters={"samples": 1, "width": 64, "height": 64},
            max_active=10,
            wiro_conn_id=f"wiro_{name}",
            deferrable=deferrable,
            retries=retries,
            retry_delay=timedelta(seconds=2),
        )

# Many workers share no folder, so the manifest needs its own location.
with DAG(dag_id="batch_triggerer_moved", schedule=None, catchup=False, tags=["faults"]):
    WiroBatchRunOperator(
        task_id="run",
        model="retroAIx/Retro-Cartoons",
        inputs=[{"prompt": f"moved {{{{ run_id }}}} {number}"} for number in range(24)],
        parameters={"samples": 1, "width": 64, "height": 64},
        max_active=6,
        wiro_conn_id="wiro_batch_triggerer_moved",
        manifest_uri=os.environ.get("AIRFLOW_HOME", "/tmp") + "/manifests/{{ run_id }}.jsonl",  # noqa: S108
        deferrable=True,
        retries=0,
    )

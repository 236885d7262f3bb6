"""WiroTaskSensor as a DAG file has it, in each of its ways of waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.sensors.wiro import WiroTaskSensor

WAYS: dict[str, dict[str, Any]] = {
    "blocking": {},
    "deferrable": {"deferrable": True},
    "reschedule": {"mode": "reschedule", "poke_interval": 0.1},
}

for way, settings in WAYS.items():
    with DAG(f"wiro_sensor_{way}", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None, catchup=False):
        start = WiroRunOperator(
            task_id="start",
            model="retroAIx/Retro-Cartoons",
            parameters={"prompt": "a robot on the moon", "samples": 1, "width": 64, "height": 64},
            wait_for_completion=False,
            deferrable=False,
        )
        WiroTaskSensor(
            task_id="wait",
            wiro_task_id=start.output,
            poll_interval=0.05,
            timeout=60,
            soft_fail=True,
            retries=1,
            retry_delay=timedelta(0),
            **{"deferrable": False, **settings},
        )

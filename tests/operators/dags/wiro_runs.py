"""WiroRunOperator as a DAG file has it; small pictures; where the name says so, a worker that dies."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from airflow.providers.common.compat.sdk import DAG, BaseOperator

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator

ARGS = {
    "model": "retroAIx/Retro-Cartoons",
    "poll_interval": 0.05,
    "timeout": 60,
    "retries": 1,
    "retry_delay": timedelta(0),
}
START = datetime(2026, 1, 1, tzinfo=UTC)


def small(prompt: str) -> dict[str, Any]:
    return {"prompt": prompt, "samples": 1, "width": 64, "height": 64}


class DiesAfterTheWait(WiroRunOperator):
    """Fails, at its first try, where a worker can die: after the trigger's event, before the result."""

    def execute(self, context: Any) -> Any:
        """Defer without having polled the task, so that a slow machine defers as well."""
        with patch("airflow_provider_wiro.run.follower.poll_once", return_value=None):
            return super().execute(context)

    def execute_complete(self, context: Any, event: Any = None, **kwargs: Any) -> Any:
        if context["ti"].try_number == 1:
            raise RuntimeError("the worker is gone")
        return super().execute_complete(context, event, **kwargs)


class AsksForItsState(BaseOperator):
    """Asks Airflow what the trigger's kill handler asks it, about itself and about one that isn't there."""

    def __init__(self, *, number: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.number = number

    def execute(self, context: Any) -> dict[str, str | None]:
        ti = context["ti"]
        who = {name: getattr(ti, name) for name in ("dag_id", "run_id", "task_id", "map_index")}
        other = SimpleNamespace(**{**who, "map_index": 99})
        return {
            "here": asyncio.run(version_compat.task_instance_state(SimpleNamespace(**who))),
            "elsewhere": asyncio.run(version_compat.task_instance_state(other)),
        }


def dag(dag_id: str) -> DAG:
    return DAG(dag_id, start_date=START, schedule=None, catchup=False)


with dag("wiro_blocking"):
    WiroRunOperator(
        task_id="generate", parameters=small("{{ dag_run.conf['prompt'] }}"), deferrable=False, **ARGS
    )

with dag("wiro_deferrable"):
    WiroRunOperator(
        task_id="generate", parameters=small("{{ dag_run.conf['prompt'] }}"), deferrable=True, **ARGS
    )

with dag("wiro_dies"):
    DiesAfterTheWait(task_id="generate", parameters=small("a robot"), deferrable=True, **ARGS)

with dag("wiro_asking"):
    AsksForItsState.partial(task_id="ask").expand(number=[0, 1])

with dag("wiro_mapped"):
    DiesAfterTheWait.partial(task_id="generate", deferrable=True, **ARGS).expand(
        parameters=[small(f"robot {number}") for number in range(3)]
    )

with dag("wiro_labels"):
    for deferrable in (False, True):
        WiroRunOperator(
            task_id=f"deferrable_{deferrable}",
            parameters=small("a robot"),
            label="of {{ dag_run.conf['prompt'] }}",
            deferrable=deferrable,
            **ARGS,
        )
    mapped = WiroRunOperator.partial(
        task_id="mapped", parameters=small("a robot"), deferrable=True, **ARGS
    ).expand(label=["SKU/001", "SKU-{{ dag_run.conf['prompt'] }}"])
    WiroRunOperator.partial(
        task_id="partial", label="{{ dag_run.conf['prompt'] }}", deferrable=False, **ARGS
    ).expand(parameters=[small("a robot")])
    WiroToObjectStorageOperator.partial(
        task_id="land", path="{{ dag_run.conf['folder'] }}/{label}{suffix}"
    ).expand(wiro_task_id=mapped.output)

with dag("wiro_limits"):
    WiroRunOperator(
        task_id="estimate", parameters=small("a robot"), estimate_only=True, max_cost_usd="0.5", **ARGS
    )
    WiroRunOperator(
        task_id="refused",
        parameters=small("a robot"),
        max_cost_usd="{{ dag_run.conf['limit'] }}",
        on_unknown_price="refuse",
        **ARGS,
    )

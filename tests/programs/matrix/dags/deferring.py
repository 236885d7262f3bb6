"""A DAG of Airflow's own parts only: its failure is not the provider's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, BaseOperator

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


class DefersAndFailsOnce(BaseOperator):
    """Defers until a time in the past, and then fails at its first try."""

    def execute(self, context: Any) -> None:
        from airflow.triggers.testing import SuccessTrigger

        trigger = SuccessTrigger()  # type: ignore[no-untyped-call]
        self.defer(trigger=trigger, method_name="resume")

    def resume(self, context: Any, event: Any) -> dict[str, Any]:
        attempt = context["ti"].try_number
        if attempt < 2:
            raise RuntimeError("fails on purpose, to be retried")
        return {"attempt": attempt, "event": event, "conf": dict(context["dag_run"].conf)}


with DAG("deferring", start_date=MOMENT, schedule=None, catchup=False):
    DefersAndFailsOnce(task_id="wait", retries=1, retry_delay=timedelta(0))

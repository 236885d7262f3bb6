"""Counts runs in a process of its own, as a task of Airflow does, through Airflow's real Stats."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from importlib import import_module

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.metrics.run_metrics import RunMetrics


def set_up_as_a_task_does() -> None:
    """From Airflow 3.3 on, the task runner sets up the Stats; before, they do it themselves."""
    try:
        stats = import_module("airflow.sdk._shared.observability.metrics.stats")
        utils = import_module("airflow.sdk.observability.metrics.stats_utils")
        stats.initialize(factory=utils.get_stats_factory(), export_legacy_names=True)
    except (ImportError, AttributeError):
        return


def main(dag_id: str, model: str) -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    set_up_as_a_task_does()
    created = datetime(2026, 11, 27, 12, tzinfo=UTC)
    task = Task(
        id="1",
        status="task_postprocess_end",
        exit_code="0",
        elapsed_seconds=6.0,
        cost_usd="0.00351",
        created_at=created,
        started_at=created.replace(second=2),
    )
    metrics = RunMetrics(dag_id, model, logging.getLogger("run"))
    metrics.count(task)
    sys.stdout.write("counted\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""WiroBatchRunOperator as a DAG file has it; where the name says so, a worker that dies."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AssetAlias, task

from airflow_provider_wiro.operators.wiro import WiroBatchRunOperator

ARGS: dict[str, Any] = {
    "model": "retroAIx/Retro-Cartoons",
    "parameters": {"samples": 1, "width": 64, "height": 64},
    "poll_interval": 0.05,
    "timeout": 60,
    "max_active": 4,
    "retries": 1,
    "retry_delay": timedelta(0),
    "manifest_uri": "{{ dag_run.conf['folder'] }}/manifest{{ ti.map_index }}.jsonl",
}
#: Of a batch that succeeds though items fail.
CONTINUING: dict[str, Any] = {**ARGS, "on_item_failure": "continue", "max_item_retries": 0}
START = datetime(2026, 1, 1, tzinfo=UTC)


class DiesAfterTheWait(WiroBatchRunOperator):
    """Fails, at its first try, where a worker can die: after the trigger's event."""

    def execute_complete(self, context: Any, event: Any = None, **kwargs: Any) -> Any:
        if context["ti"].try_number == 1:
            raise RuntimeError("the worker is gone")
        return super().execute_complete(context, event, **kwargs)


def dag(dag_id: str) -> DAG:
    return DAG(dag_id, start_date=START, schedule=None, catchup=False, render_template_as_native_obj=True)


def prompts(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"robot {number}"} for number in range(count)]


with dag("batch_blocking"):

    @task
    def make() -> list[dict[str, Any]]:
        """Return the items, as a task before the batch would."""
        return prompts(6)

    WiroBatchRunOperator(task_id="generate", inputs=make(), deferrable=False, **ARGS)

with dag("batch_deferrable"):
    WiroBatchRunOperator(task_id="generate", inputs=prompts(6), deferrable=True, **ARGS)

with dag("batch_dies"):
    DiesAfterTheWait(task_id="generate", inputs=prompts(6), deferrable=True, **ARGS)

with dag("batch_of_a_file"):
    WiroBatchRunOperator(
        task_id="generate", inputs="{{ dag_run.conf['folder'] }}/inputs.jsonl", deferrable=False, **ARGS
    )

with dag("batch_mapped"):
    WiroBatchRunOperator.partial(task_id="generate", deferrable=False, **ARGS).expand(
        inputs=[[{"prompt": "a"}, {"prompt": "b"}], [{"prompt": "c"}]]
    )

with dag("batch_of_rows"):

    @task
    def rows() -> list[dict[str, Any]]:
        """Return rows as a database has them, values that JSON lacks among them."""
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE night (sku TEXT, prompt TEXT, samples INTEGER, shelf TEXT)")
        connection.executemany(
            "INSERT INTO night VALUES (?, ?, ?, ?)",
            [("007", 'a "red" teapot', 1, None), ("008", "茶壺", None, "b")],
        )
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute("SELECT * FROM night ORDER BY sku")]
        connection.close()
        return [{**row, "price": Decimal("19.90"), "made": START} for row in found]

    WiroBatchRunOperator(
        task_id="generate",
        inputs=rows(),
        deferrable=True,
        id_column="sku",
        data_columns=["shelf", "price", "made"],
        **ARGS,
    )

with dag("batch_of_mapped_outputs"):

    @task
    def item(sku: str) -> dict[str, Any]:
        return {"id": sku, "parameters": {"prompt": f"a picture of {sku}"}}

    WiroBatchRunOperator(
        task_id="generate", inputs=item.expand(sku=["SKU-001", "SKU-002"]), deferrable=True, **ARGS
    )

BATCHES = AssetAlias("wiro-batches")

with dag("batch_with_event"):
    WiroBatchRunOperator(
        task_id="generate", inputs=prompts(6), deferrable=True, outlets=[BATCHES], **CONTINUING
    )

with dag("batch_event_reader"):

    @task(inlets=[BATCHES])
    def read(*, inlet_events: Any) -> dict[str, Any]:
        """Return what the newest event says, and how many lines the manifest has that it names."""
        extra = inlet_events[BATCHES][-1].extra
        lines = Path(extra["manifest_uri"]).read_text().splitlines()
        return {"extra": extra, "lines": len(lines)}

    read()

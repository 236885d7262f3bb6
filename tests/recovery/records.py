"""A record, and the context of a task instance, for tests of what keeps them."""

from __future__ import annotations

from typing import Any

from airflow_provider_wiro.recovery.run_record import RunRecord
from airflow_provider_wiro.recovery.sending import Sending
from tests.operators.fakes import DictStore, FakeTi

RECORD = RunRecord(
    fingerprint="f" * 64,
    sending=Sending(1795420800.25, "2220"),
    max_tries=2,
    try_number=1,
    wiro_task_id="2221",
    earlier_task_ids=("7", "8"),
    clears=1,
    run_started_at=1795420700.5,
)


def context(ti: FakeTi | None = None, store: DictStore | None = None) -> Any:
    return {"ti": ti or FakeTi(), **({} if store is None else {"task_state_store": store})}

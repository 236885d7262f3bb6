"""Rows of triggers that an earlier version left in Airflow's database are taken over, and written alike."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

#: As the version of 27 November 2026 wrote them.
ROWS: list[tuple[str, dict[str, Any]]] = [
    (
        "airflow_provider_wiro.triggers.wiro.WiroTaskTrigger",
        {
            "wiro_task_id": "2221",
            "wiro_conn_id": "wiro_default",
            "deadline": 1795774103.818829,
            "started_at": 1795770503.832692,
            "poll_interval": 0.05,
            "watch": "auto",
            "cancel_on_kill": True,
            "try_number": 1,
            "is_recorded": True,
            "deferred_at": 1795770503.8900313,
        },
    ),
    (
        "airflow_provider_wiro.triggers.wiro.WiroPauseTrigger",
        {
            "until": 1795770830.080313,
            "try_number": 1,
            "deferred_at": 1795770829.1192348,
            "lost_model": "retroAIx/Retro-Cartoons",
            "lost_at": 1795770828.976128,
            "lost_run": {"runs": [], "known_ids": ["2220"], "patience": 1.0},
            "wiro_conn_id": "wiro_default",
        },
    ),
    (
        "airflow_provider_wiro.triggers.wiro_batch.WiroBatchTrigger",
        {
            "tasks": "c-pI0$}7!HN-Zi@vNF<9$}h<PGoxc`xz-AHEIPG;mzfO!+*%AC",
            "deferred_at": 1795770829.5,
            "wiro_conn_id": "wiro_default",
            "wake_at": None,
            "poll_interval": 0.1,
            "watch": "auto",
            "cancel_on_kill": True,
            "try_number": 2,
            "lost": 1,
        },
    ),
]


@pytest.mark.parametrize(("path", "row"), ROWS, ids=[path.rpartition(".")[2] for path, _ in ROWS])
def test_a_stored_row_makes_a_trigger_that_stores_the_same_row(path: str, row: dict[str, Any]) -> None:
    module, _, name = path.rpartition(".")
    trigger = getattr(importlib.import_module(module), name)(**row)

    assert trigger.serialize() == (path, row)


def test_the_packed_tasks_of_a_stored_row_are_read() -> None:
    from airflow_provider_wiro.triggers.wiro_batch import WiroBatchTrigger

    trigger = WiroBatchTrigger(**ROWS[2][1])

    assert (trigger.wiro_task_ids, trigger.started_at) == (["2221", "2224"], [1795770500.0, 1795770503.0])

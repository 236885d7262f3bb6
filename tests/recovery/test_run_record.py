"""What a record stores, and that a damaged one is never taken for none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from airflow_provider_wiro.recovery.run_record import RunRecord
from airflow_provider_wiro.recovery.sending import Loss, Sending
from tests.recovery.records import RECORD


def test_a_record_is_small_and_json_and_says_its_version() -> None:
    kept = json.dumps(RECORD.to_json())

    assert RunRecord.from_json(json.loads(kept)) == RECORD
    assert json.loads(kept)["version"] == 1
    assert len(kept) < 400


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 2},
        {"version": None},
        {"fingerprint": None},
        {"intended_at": "soon"},
        {"intended_at": float("nan")},
        {"intended_at": 1e300},
        {"lifetime": None},
        {"try_number": "1"},
        {"earlier_task_ids": None},
        {"wiro_task_id": 2221},
        {"newest_before": 2220},
        {"clears": "1"},
        {"run_started_at": "noon"},
    ],
)
def test_a_damaged_record_says_what_to_do(damage: dict[str, Any]) -> None:
    with pytest.raises(WiroOrphanedRunError, match="then delete the record"):
        RunRecord.from_json({**RECORD.to_json(), **damage})


def test_a_record_without_the_dag_runs_start_is_read() -> None:
    new = {"clears", "run_started_at"}
    before = {name: value for name, value in RECORD.to_json().items() if name not in new}

    assert RunRecord.from_json(before) == replace(RECORD, clears=None, run_started_at=None)


@pytest.mark.parametrize("stored", [None, 7, "x", [], {}, b""])
def test_what_is_no_record_at_all_is_damaged(stored: object) -> None:
    with pytest.raises(WiroOrphanedRunError):
        RunRecord.from_json(stored)


# A record of the version before, and of this one.


def test_a_record_of_the_version_before_is_read() -> None:
    stored = {
        "version": 1,
        "fingerprint": "f" * 64,
        "intended_at": 1795420800.25,
        "lifetime": 2,
        "try_number": 1,
        "newest_before": "2220",
        "wiro_task_id": None,
        "is_spent": False,
        "earlier_task_ids": ["7"],
    }

    record = RunRecord.from_json(stored)

    assert record.sending == Sending(1795420800.25, "2220")
    assert (record.writer, record.references, record.files, record.lost_sendings) == (None, None, {}, ())


def test_a_record_keeps_how_its_run_was_lost_and_all_earlier_sendings() -> None:
    lost = RunRecord(
        "f" * 64,
        Sending(1795420800.25, "2220", 1795420860.0, Loss.CUT_OFF, 3.5),
        2,
        1,
        writer="a1b2",
        references="r" * 64,
        files={"inputImage": ["c" * 64, None]},
        lost_sendings=(Sending(1795420100.0, "", None, Loss.TIMEOUT, 60.0), Sending(1795420200.0)),
    )

    assert RunRecord.from_json(json.loads(json.dumps(lost.to_json()))) == lost
    assert len(lost.sendings_before_next) == 3


@pytest.mark.parametrize(
    "damage",
    [
        {"loss": "somehow"},
        {"lost_after": "long"},
        {"wiro_at": []},
        {"writer": 7},
        {"files": ["x"]},
        {"files": {"a": "x"}},
        {"lost_sendings": [{}]},
        {"lost_sendings": 7},
    ],
)
def test_damage_in_a_later_field_is_damage_too(damage: dict[str, Any]) -> None:
    with pytest.raises(WiroOrphanedRunError, match="then delete the record"):
        RunRecord.from_json({**RECORD.to_json(), **damage})

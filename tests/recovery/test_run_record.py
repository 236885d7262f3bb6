"""What a record stores, and that a damaged one is never taken for none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from airflow_provider_wiro.recovery.run_record import RunRecord
from airflow_provider_wiro.recovery.sending import Loss, Sending
from tests.recovery.records import RECORD

if TYPE_CHECKING:
    from tests.operators.fakes import Work


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


#: As the version of 27 November 2026 wrote it.
EARLIER = {
    "version": 1,
    "fingerprint": "9df063225bbbd54e5d0c57e2cd6849f25e7305589f966189e4e86e2287b604bd",
    "intended_at": "2026-11-27T09:15:31.961307+00:00",
    "newest_before": "2228",
    "wiro_at": "2026-11-27T09:15:31.000000+00:00",
    "loss": "timeout",
    "lost_after": 0.011249360999499913,
    "lifetime": 2,
    "try_number": 1,
    "wiro_task_id": "2229",
    "is_spent": True,
    "earlier_task_ids": [],
    "writer": "a4b122d0d6950901",
    "references": "02ac75c9c62621dbd457c78e1c4e6987bed071509b4af07a67268bea10c4e5e1",
    "accepted_at": "2026-11-27T09:15:31.991073+00:00",
    "clears": 0,
}


def test_the_record_of_an_earlier_version_is_read_and_written_alike() -> None:
    found = RunRecord.from_json(EARLIER)

    assert (found.wiro_task_id, found.is_consumed, found.max_tries) == ("2229", True, 2)
    assert found.sending.loss is Loss.TIMEOUT
    assert json.loads(json.dumps(found.to_json())) == EARLIER


def test_a_run_has_the_fingerprint_that_an_earlier_version_gave_it(work: Work) -> None:
    work.run(parameters={"prompt": "task-pause", "samples": 1, "width": 64, "height": 64})

    assert work.store.record is not None
    for name in ("fingerprint", "references"):
        assert work.store.record[name] == EARLIER[name]

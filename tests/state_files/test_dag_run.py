"""Files of DAG runs with the same ids, which several Airflow deployments keep in one folder."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from airflow_provider_wiro.recovery.record_store import open_record_store
from airflow_provider_wiro.recovery.run_record import RecordStore, RunRecord
from airflow_provider_wiro.recovery.sending import Sending
from tests.operators.fakes import FakeDagRun, FakeTi

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 11, 23, 2, 0, 1, 123456, tzinfo=UTC)
#: Two schedulers start the same DAG run at about the same time.
LATER = START + timedelta(microseconds=400)


def opened(state_path: str, start: datetime, *, clears: int = 0, **ti: Any) -> RecordStore:
    """Return the store as a try of a DAG run opens it."""
    instance = FakeTi(dag_run=FakeDagRun(clears, start), **ti)
    found = open_record_store(instance.context, state_path=state_path)
    assert found is not None
    return found


def record(start: datetime | None, *, clears: int | None = 0, wiro_task_id: str = "2221") -> RunRecord:
    at = None if start is None else start.timestamp()
    return RunRecord("f", Sending(1.0), 2, 1, wiro_task_id=wiro_task_id, clears=clears, run_started_at=at)


@pytest.fixture(params=["path", "file://", "memory://"])
def state_path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    places = {
        "path": f"{tmp_path}",
        "file://": f"file://{tmp_path}",
        "memory://": f"memory://{uuid.uuid4()}",
    }
    return places[request.param]


def test_two_deployments_keep_a_record_each(state_path: str) -> None:
    mine, theirs = record(START), record(LATER, wiro_task_id="9")
    opened(state_path, START).write(mine)

    assert opened(state_path, LATER).read() is None
    opened(state_path, LATER).write(theirs)
    assert opened(state_path, START, try_number=2).read() == mine
    assert opened(state_path, LATER, try_number=2).read() == theirs

    opened(state_path, LATER).clear()
    assert opened(state_path, START, try_number=2).read() == mine


def test_two_deployments_keep_a_consumed_record_each(state_path: str) -> None:
    spent = [
        replace(record(START), is_consumed=True),
        replace(record(LATER, wiro_task_id="9"), is_consumed=True),
    ]
    for start, one in zip((START, LATER), spent, strict=True):
        opened(state_path, start).write(one)

    assert opened(state_path, START, try_number=2).read() == spent[0]
    assert opened(state_path, LATER, try_number=2).read() == spent[1]


def test_a_clear_of_a_finished_dag_run_finds_its_record_and_continues_that_file(state_path: str) -> None:
    opened(state_path, START).write(record(START))
    again, once_more = START + timedelta(hours=7), START + timedelta(hours=9)

    found = opened(state_path, again, clears=1, try_number=2)
    assert found.read() == record(START)
    found.write(record(again, clears=1))
    assert opened(state_path, again, clears=1, try_number=3).read() == record(again, clears=1)
    assert opened(state_path, once_more, clears=2, try_number=4).read() == record(again, clears=1)
    # The process of before the Clear, should it be alive, sees that the record is no longer its own.
    assert opened(state_path, START).read() == record(again, clears=1)


def test_a_clear_in_a_dag_run_that_runs_changes_no_name(state_path: str) -> None:
    opened(state_path, START).write(record(START))

    assert opened(state_path, START, clears=1, try_number=2).read() == record(START)


@pytest.mark.parametrize(
    "other",
    [
        record(START, clears=1),  # of another deployment, cleared there as well
        record(START, clears=2),
        record(START + timedelta(hours=8), clears=0),  # started after this DAG run was cleared
    ],
)
def test_after_a_clear_only_what_can_be_of_before_it_is_found(tmp_path: Path, other: RunRecord) -> None:
    other_start = datetime.fromtimestamp(other.run_started_at or 0, tz=UTC)
    opened(str(tmp_path), other_start, clears=other.clears or 0).write(other)

    assert opened(str(tmp_path), START + timedelta(hours=7), clears=1, try_number=2).read() is None


def test_after_a_clear_two_records_that_may_be_this_dag_runs_are_for_a_person(tmp_path: Path) -> None:
    for start in (START, LATER):
        opened(str(tmp_path), start).write(record(start))
    cleared = opened(str(tmp_path), START + timedelta(hours=7), clears=1, try_number=2)

    with pytest.raises(WiroOrphanedRunError, match=r"found -1~20261123T020001123456\.json, -1~2026"):
        cleared.read()


# Records of the version before, whose names had no start.


def named_as_before(state_path: Path, found: RunRecord) -> Path:
    instance = FakeTi()
    store = open_record_store(instance.context, state_path=str(state_path))
    assert store is not None
    store.write(found)
    return state_path / "dag/manual__2026-11-23/generate/-1.json"


@pytest.mark.parametrize("found", [record(START), record(None, clears=None)])
def test_a_record_of_the_version_before_is_found_and_kept_where_it_is(
    tmp_path: Path, found: RunRecord
) -> None:
    file = named_as_before(tmp_path, found)

    mine = opened(str(tmp_path), START, try_number=2)
    assert mine.read() == found
    mine.write(record(START, wiro_task_id="7"))

    assert list(tmp_path.rglob("*.json")) == [file]
    assert opened(str(tmp_path), START, try_number=3).read() == record(START, wiro_task_id="7")


def test_a_record_of_the_version_before_that_is_another_deployments_is_left_alone(tmp_path: Path) -> None:
    theirs = record(START + timedelta(seconds=0.4))
    file = named_as_before(tmp_path, theirs)
    body = file.read_bytes()

    mine = opened(str(tmp_path), START)
    assert mine.read() is None
    mine.write(record(START))

    assert file.read_bytes() == body


def test_a_consumed_record_of_an_earlier_version_is_found(tmp_path: Path) -> None:
    spent = replace(record(START), is_consumed=True)
    named_as_before(tmp_path, spent)

    assert opened(str(tmp_path), START, try_number=2).read() == spent


def test_where_no_start_is_known_names_are_as_before(tmp_path: Path) -> None:
    """``dag.test()`` gives each DAG run of a date the same start."""
    test = FakeDagRun()
    assert test.start_date == test.logical_date
    store = open_record_store(FakeTi(dag_run=test).context, state_path=str(tmp_path))
    assert store is not None

    store.write(record(None))

    assert [path.name for path in tmp_path.rglob("*.json")] == ["-1.json"]

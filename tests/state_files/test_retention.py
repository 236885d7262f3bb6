"""The record of a run whose result was returned: kept for a retry, then removed."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.recovery.record_store import (
    open_record_store,
)
from airflow_provider_wiro.state_files.retention import RetainedFile
from tests.operators.fakes import FakeTi
from tests.recovery.records import RECORD, context

if TYPE_CHECKING:
    from pathlib import Path


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class Clock:
    """A time that tests set; `random` says that each move looks for what has expired."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1795420800.0
        monkeypatch.setitem(RetainedFile.__init__.__kwdefaults__, "now", lambda: self.now)
        monkeypatch.setitem(RetainedFile.__init__.__kwdefaults__, "random", lambda: 0.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


SPENT = replace(RECORD, is_consumed=True)


@pytest.mark.parametrize("scheme", ["{path}", "file://{path}", "memory://spent-{name}"])
def test_a_retry_finds_a_consumed_record_and_a_new_dag_run_does_not(tmp_path: Path, scheme: str) -> None:
    state_path = scheme.format(path=tmp_path, name=uuid.uuid4())
    first, retry, other = (
        open_record_store(context(ti), state_path=state_path)
        for ti in (FakeTi(), FakeTi(try_number=2), FakeTi(try_number=2, map_index=1))
    )
    assert first is not None
    assert retry is not None
    assert other is not None

    first.write(RECORD)
    first.write(SPENT)

    assert retry.read() == SPENT
    assert first.read() is None
    assert other.read() is None


def test_a_consumed_record_leaves_no_file_and_no_folder_of_its_own(tmp_path: Path, clock: Clock) -> None:
    store = open_record_store(context(), state_path=str(tmp_path))
    assert store is not None
    store.write(RECORD)
    store.write(SPENT)

    assert [path.name for path in tmp_path.iterdir()] == ["~spent"]
    assert len(files(tmp_path)) == 1


def test_a_consumed_record_is_kept_for_four_hours_and_the_retry_delay(tmp_path: Path, clock: Clock) -> None:
    class Task:
        retry_delay = timedelta(hours=6)

    ti = FakeTi()
    store = open_record_store({**context(ti), "task": Task()}, state_path=str(tmp_path))
    assert store is not None
    store.write(SPENT)
    ti.try_number = 2
    retry = open_record_store({**context(ti), "task": Task()}, state_path=str(tmp_path))
    assert retry is not None

    clock.now += 10 * 3600
    assert retry.read() == SPENT


def test_consumed_records_are_removed_by_later_runs(tmp_path: Path, clock: Clock) -> None:
    for day in range(3):
        for run in range(50):
            ti = FakeTi(run_id=f"day {day}, run {run}")
            store = open_record_store(context(ti), state_path=str(tmp_path))
            assert store is not None
            store.write(replace(SPENT, fingerprint=f"{day}"))
        assert len(files(tmp_path)) == 50
        clock.now += 24 * 3600


def test_a_folder_that_cannot_be_cleaned_fails_no_run(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise PermissionError("no listing")

    monkeypatch.setattr("airflow_provider_wiro.storage.local_folder.LocalFolder.names", fail)
    store = open_record_store(context(), state_path=str(tmp_path))
    assert store is not None
    store.write(SPENT)


def test_a_folder_that_is_removed_while_another_task_writes_there_is_made_again(tmp_path: Path) -> None:
    """Tasks of one DAG run come and go in one folder."""
    stop = threading.Event()

    def come_and_go() -> None:
        store = open_record_store(context(FakeTi(map_index=1)), state_path=str(tmp_path))
        assert store is not None
        while not stop.is_set():
            store.write(RECORD)
            store.clear()

    store = open_record_store(context(), state_path=str(tmp_path))
    assert store is not None
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(come_and_go)
        try:
            for _ in range(50):
                store.write(RECORD)
                assert store.read() == RECORD
                store.clear()
        finally:
            stop.set()
        other.result()

"""Where a run's record is kept, by which key, and that "could not read" is never "no record"."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.exceptions import WiroOrphanedRunError, WiroRecordError
from airflow_provider_wiro.recovery.record_store import (
    FileRecordStore,
    TaskStateRecordStore,
    open_record_store,
)
from airflow_provider_wiro.recovery.run_record import RecordStore, RunRecord
from airflow_provider_wiro.recovery.sending import Sending
from tests.operators.fakes import DictStore, FakeTi
from tests.recovery.records import RECORD, context

if TYPE_CHECKING:
    from pathlib import Path

    from tests.input_files.object_storage import Bucket


@pytest.fixture(params=["state store", "path", "file://", "memory://"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RecordStore:
    if request.param == "state store":
        opened = open_record_store(context(store=DictStore()))
    else:
        places = {
            "path": str(tmp_path),
            "file://": f"file://{tmp_path}",
            "memory://": f"memory://{uuid.uuid4()}",
        }
        opened = open_record_store(context(), state_path=places[request.param])
    assert opened is not None
    return opened


def test_a_record_comes_back_as_it_was_kept(store: RecordStore) -> None:
    assert store.read() is None
    for kept in (RECORD, RunRecord("other", Sending(1.0), 0, 1)):
        store.write(kept)
        assert store.read() == kept
    store.clear()
    assert store.read() is None
    store.clear()  # once more is no error


@pytest.mark.airflow  # Before Airflow 3.2 an object-storage path is a Path as well.
def test_a_record_in_s3_comes_back_as_it_was_kept_on_every_airflow(bucket: Bucket) -> None:
    opened = open_record_store(context(), state_path=bucket.uri("wiro-runs"))
    assert opened is not None

    assert opened.read() is None
    opened.write(RECORD)
    assert opened.read() == RECORD
    assert bucket.keys == ["wiro-runs/dag/manual__2026-11-23/generate/-1.json"]
    opened.clear()
    assert opened.read() is None


# Which place.


def test_airflows_own_store_is_preferred_and_a_path_of_the_operator_beats_it(tmp_path: Path) -> None:
    assert isinstance(open_record_store(context(store=DictStore())), TaskStateRecordStore)
    given = open_record_store(context(store=DictStore()), state_path=str(tmp_path))
    assert isinstance(given, FileRecordStore)


# Which key.


@pytest.mark.parametrize(
    "other",
    [
        {"dag_id": "dag2"},
        {"run_id": "run2"},
        {"task_id": "group.generate"},
        {"map_index": 0},
        {"map_index": 1},
        {"run_id": ".."},
        {"run_id": "a/b"},
        {"dag_id": "dag/manual__2026-11-23"},
        {"task_id": "ü" * 250},
    ],
)
def test_no_task_instance_sees_the_record_of_another(tmp_path: Path, other: dict[str, Any]) -> None:
    state_path = str(tmp_path / "records")
    mine = open_record_store(context(), state_path=state_path)
    theirs = open_record_store(context(FakeTi(**other)), state_path=state_path)
    assert mine is not None
    assert theirs is not None

    theirs.write(RECORD)

    assert mine.read() is None
    assert theirs.read() == RECORD
    assert [path.name for path in tmp_path.iterdir()] == ["records"]  # and nothing outside
    assert len(list((tmp_path / "records").iterdir())) == 1


def test_long_keys_with_equal_beginnings_are_distinguished(tmp_path: Path) -> None:
    stores = [
        open_record_store(context(FakeTi(task_id="ü" * 240 + end)), state_path=str(tmp_path)) for end in "ab"
    ]
    assert stores[0] is not None
    assert stores[1] is not None

    stores[0].write(RECORD)

    assert stores[1].read() is None


def test_the_same_task_instance_finds_its_record_in_another_try(tmp_path: Path) -> None:
    first, second = (
        open_record_store(context(FakeTi(try_number=number)), state_path=str(tmp_path)) for number in (1, 2)
    )
    assert first is not None
    assert second is not None

    first.write(RECORD)

    assert second.read() == RECORD


# Trouble.


def test_a_store_that_fails_is_retryable_and_says_that_nothing_was_started() -> None:
    state = DictStore()
    opened = TaskStateRecordStore(state)
    state.fails = {"get", "set", "delete"}

    with pytest.raises(WiroRecordError, match="Nothing was started"):
        opened.read()
    with pytest.raises(WiroRecordError, match="Can't write"):
        opened.write(RECORD)
    with pytest.raises(WiroRecordError, match="Can't write"):
        opened.clear()


def test_a_place_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")

    with pytest.raises(WiroRecordError):
        FileRecordStore(f"{blocked}/record.json").read()
    with pytest.raises(WiroRecordError):
        FileRecordStore(f"{blocked}/record.json").write(RECORD)
    with pytest.raises(WiroRecordError):
        FileRecordStore("nosuchscheme://bucket/record.json").read()


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"\xff\xfe\x00", b"{}"])
def test_a_file_that_was_damaged_is_for_a_person(tmp_path: Path, body: bytes) -> None:
    file = tmp_path / "record.json"
    file.write_bytes(body)

    with pytest.raises(WiroOrphanedRunError, match="delete the record"):
        FileRecordStore(str(file)).read()


def test_a_crash_while_writing_leaves_the_record_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "record.json"
    opened = FileRecordStore(str(file))
    opened.write(RECORD)

    def crash(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", crash)
    with pytest.raises(WiroRecordError, match="no space left"):
        opened.write(RunRecord("other", Sending(1.0), 0, 1))

    assert opened.read() == RECORD

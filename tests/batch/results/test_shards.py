"""The results of items: kept in parts that nobody else writes, and in the manifest each item has its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.batch.results.item_result import item_result
from airflow_provider_wiro.batch.results.manifest import write_manifest
from airflow_provider_wiro.batch.results.shards import ResultShards
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.batch_state import BatchState
from airflow_provider_wiro.batch.state.items import Attempt
from airflow_provider_wiro.exceptions import WiroRecordError
from airflow_provider_wiro.recovery.sending import Sending
from tests.operators.fakes import FakeLog

if TYPE_CHECKING:
    from pathlib import Path


def results(*ids: str) -> list[dict[str, object]]:
    return [item_result("succeeded", 1, None, wiro_task_id=wiro_task_id) for wiro_task_id in ids]


def done(*places: tuple[int, int]) -> BatchState:
    record = BatchState(len(places), try_number=1)
    for item, place in enumerate(places):
        record.apply(entries.run_intended(item, Attempt("digest", Sending(1_795_756_205.0), 1)))
        record.apply(entries.item_done(item, place, cost=None, size=None))
    return record


def test_two_live_processes_of_a_task_never_write_the_same_part(tmp_path: Path) -> None:
    """A worker whose heartbeat was lost, and its retry: both have listed the folder when it was empty."""
    first, second = ResultShards(str(tmp_path)), ResultShards(str(tmp_path))
    mine, theirs = first.take_number(), second.take_number()
    first.write(mine, results("mine"))
    second.write(theirs, results("theirs"))

    assert json.loads(first.pick(mine, {0: 0})[0])["wiro_task_id"] == "mine"
    assert json.loads(second.pick(theirs, {0: 0})[0])["wiro_task_id"] == "theirs"


def test_the_record_takes_the_largest_number_that_a_part_can_have(tmp_path: Path) -> None:
    largest = (2**42 - 1 << 20) + 2**20 - 1

    assert done((largest, 3)).result_location(0) == (largest, 3)


def test_two_deployments_that_try_one_place_at_once_both_find_it_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = ResultShards(str(tmp_path)), ResultShards(str(tmp_path))
    read = type(first._folder).read

    def read_late(place: Any, name: str) -> bytes | None:
        if place is first._folder:
            second.try_storage(FakeLog())
        return read(place, name)

    monkeypatch.setattr(type(first._folder), "read", read_late)
    first.try_storage(FakeLog())

    assert not list(tmp_path.iterdir())


def test_parts_of_a_try_are_found_by_the_next_one(tmp_path: Path) -> None:
    first = ResultShards(str(tmp_path))
    numbers = [first.take_number() for _ in range(3)]
    for number in numbers:
        first.write(number, results("a"))

    assert ResultShards(str(tmp_path)).numbers == set(numbers)


def test_a_manifest_is_not_put_when_the_last_check_before_it_fails(tmp_path: Path) -> None:
    """Another process may have taken the batch over while it was put together."""
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise WiroRecordError("overtaken")

    parts = ResultShards(f"{tmp_path}/parts")
    number = parts.take_number()
    parts.write(number, results("a"))

    with pytest.raises(WiroRecordError, match="overtaken"):
        write_manifest(f"{tmp_path}/manifest.jsonl", done((number, 0)), parts, check)

    assert not (tmp_path / "manifest.jsonl").exists()


def test_a_part_with_fewer_results_than_the_journal_tells_of_is_named(tmp_path: Path) -> None:
    parts = ResultShards(f"{tmp_path}/parts")
    number = parts.take_number()
    parts.write(number, results("a", "b"))

    with pytest.raises(WiroRecordError, match=f"Expected 3 results in part {number} .*, found 2. Delete"):
        write_manifest(f"{tmp_path}/manifest.jsonl", done((number, 0), (number, 2)), parts, lambda: None)

    assert not (tmp_path / "manifest.jsonl").exists()

"""The journal: what was durable before a crash is there after it, and damage is never taken for nothing."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.batch.group_commit import GroupCommit
from airflow_provider_wiro.batch.journal import LocalJournal, PlaceSlots, SegmentedJournal, TaskStateSlots
from airflow_provider_wiro.batch.places import open_place
from airflow_provider_wiro.exceptions import WiroOrphanedRunError, WiroRecordError
from tests.operators.fakes import DictStore
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_wiro.batch.journal import JournalStore

Entries = list[dict[str, Any]]


def entries(count: int, start: int = 0) -> Entries:
    return [{"what": "gone", "item": number} for number in range(start, start + count)]


@pytest.fixture(params=["file", "folder", "task state", "s3"])
def open_again(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], JournalStore]:
    """Return what opens the same journal as another process would."""
    if request.param == "file":
        return lambda: LocalJournal(tmp_path / "a" / "b.jsonl")
    if request.param == "folder":
        return lambda: SegmentedJournal(PlaceSlots(open_place(f"{tmp_path}/a")), 500)
    if request.param == "task state":
        store = DictStore()
        return lambda: SegmentedJournal(TaskStateSlots(store), 500)
    request.getfixturevalue("s3")
    return lambda: SegmentedJournal(PlaceSlots(open_place(f"s3://aws_default@{BUCKET}/a/b")), 500)


def begun(journal: JournalStore, first: Entries) -> JournalStore:
    assert list(journal.read()) == []
    journal.replace(first)
    return journal


def test_what_was_appended_is_read_again_in_its_order(open_again: Callable[[], JournalStore]) -> None:
    journal = begun(open_again(), entries(1))
    expected = entries(1)
    for number in range(1, 30):
        journal.append(entries(number % 4, start=number * 10))
        expected += entries(number % 4, start=number * 10)

    assert list(open_again().read()) == expected


def test_another_process_goes_on_where_one_ended(open_again: Callable[[], JournalStore]) -> None:
    begun(open_again(), entries(1)).append(entries(30, start=1))
    second = open_again()
    assert len(list(second.read())) == 31
    second.append(entries(2, start=31))

    assert list(open_again().read()) == entries(33)


def test_a_journal_that_is_begun_anew_has_nothing_of_the_one_before(
    open_again: Callable[[], JournalStore],
) -> None:
    begun(open_again(), entries(1)).append(entries(60, start=1))
    second = open_again()
    list(second.read())
    second.replace(entries(40, start=1000))
    second.append(entries(1, start=2000))

    assert list(open_again().read()) == [*entries(40, start=1000), *entries(1, start=2000)]


def test_a_group_larger_than_a_segment_is_kept(open_again: Callable[[], JournalStore]) -> None:
    begun(open_again(), entries(1)).append(entries(200, start=1))

    assert list(open_again().read()) == entries(201)


# A file.


def test_a_file_cut_off_at_any_byte_has_all_entries_but_the_one_that_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    begun(LocalJournal(path), entries(4))
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        journal = LocalJournal(path)
        found = list(journal.read())
        assert found == entries(whole[:length].count(b"\n"))
        journal.append(entries(1, start=9))
        assert list(LocalJournal(path).read()) == [*found, *entries(1, start=9)]


@pytest.mark.parametrize(
    "damage", [b'{"what":"gone","ite\n', b"\x00\x00\x00\n", b"[1]\n", b"null\n"], ids=repr
)
def test_a_damaged_line_is_an_error_and_not_the_end(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    begun(LocalJournal(path), entries(2))
    path.write_bytes(path.read_bytes() + damage + b'{"what":"gone","item":7}\n')

    with pytest.raises(WiroOrphanedRunError, match="Expected an entry of a batch's journal"):
        list(LocalJournal(path).read())


def test_a_file_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()

    with pytest.raises(WiroRecordError, match="Nothing was started"):
        list(LocalJournal(tmp_path / "journal.jsonl").read())


def test_a_write_that_fails_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.jsonl"
    journal = begun(LocalJournal(path), entries(2))

    def disk_full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", disk_full)
        with pytest.raises(WiroRecordError, match="No space left"):
            journal.append(entries(5, start=2))
    journal.append(entries(1, start=2))

    assert list(LocalJournal(path).read()) == entries(3)


def test_two_processes_cannot_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    first = begun(LocalJournal(path), entries(2))
    second = LocalJournal(path)
    list(second.read())
    second.append(entries(1, start=2))

    with pytest.raises(WiroRecordError, match="Another process writes the journal"):
        first.append(entries(1, start=3))

    assert list(LocalJournal(path).read()) == entries(3)


# Segments.


def test_a_segment_that_is_gone_is_an_error() -> None:
    store = DictStore()
    begun(SegmentedJournal(TaskStateSlots(store), 100), entries(20))
    store.delete("wiro_batch_1-000003")

    with pytest.raises(WiroOrphanedRunError, match="no segment 3"):
        list(SegmentedJournal(TaskStateSlots(store), 100).read())


def test_half_a_segment_is_an_error() -> None:
    """A store that doesn't put as a whole, such as a file system behind sftp://, can leave one."""
    store = DictStore()
    begun(SegmentedJournal(TaskStateSlots(store), 1000), entries(20))
    text = json.loads(store.values["wiro_batch_1-000001"])
    for cut in (text[: len(text) // 2], text[: text.rindex("\n", 0, -1) + 1], text[:-1], ""):
        store.values["wiro_batch_1-000001"] = json.dumps(cut)
        with pytest.raises(WiroOrphanedRunError):
            list(SegmentedJournal(TaskStateSlots(store), 1000).read())


@pytest.mark.parametrize("does_it_all_the_same", [False, True])
def test_a_put_that_fails_leaves_nothing_that_shows_up_later(does_it_all_the_same: bool) -> None:
    store = DictStore()
    journal = begun(SegmentedJournal(TaskStateSlots(store), 60), entries(2))

    def fail(key: str, value: Any) -> None:
        if does_it_all_the_same:
            store.values[key] = json.dumps(value)
        raise RuntimeError("API_SERVER_ERROR")

    put, store.set = store.set, fail  # type: ignore[method-assign]
    with pytest.raises(WiroRecordError, match="API_SERVER_ERROR"):
        journal.append(entries(1, start=77))
    store.set = put  # type: ignore[method-assign]
    journal.append(entries(3, start=2))

    assert list(SegmentedJournal(TaskStateSlots(store), 60).read()) == entries(5)


def test_a_crash_while_a_journal_is_begun_anew_leaves_the_one_before() -> None:
    """Whatever such a crash leaves behind shows up in no later one either."""
    for crash_at in range(1, 12):
        store = DictStore()
        begun(SegmentedJournal(TaskStateSlots(store), 60), entries(9))
        left = iter(range(crash_at))

        def crash(key: str, value: Any, store: DictStore = store, left: Any = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            DictStore.set(store, key, value)

        store.set = crash  # type: ignore[method-assign]
        journal = SegmentedJournal(TaskStateSlots(store), 60)
        list(journal.read())
        try:
            journal.replace(entries(20, start=100))
        except KeyboardInterrupt:
            del store.set
            again = SegmentedJournal(TaskStateSlots(store), 60)
            assert list(again.read()) == entries(9)
            again.replace(entries(3, start=200))
            assert list(SegmentedJournal(TaskStateSlots(store), 60).read()) == entries(3, start=200)


@pytest.mark.parametrize("call", ["get", "set"])
def test_a_store_that_fails_is_not_taken_for_an_empty_one(call: str) -> None:
    store = DictStore()
    store.fails.add(call)
    journal = SegmentedJournal(TaskStateSlots(store), 60)

    with pytest.raises(WiroRecordError, match="API_SERVER_ERROR"):
        begun(journal, entries(1))


def test_no_value_is_larger_than_airflow_takes() -> None:
    from airflow_provider_wiro.batch.journal import TASK_STATE_SEGMENT_BYTES

    store = DictStore()
    journal = begun(SegmentedJournal(TaskStateSlots(store), TASK_STATE_SEGMENT_BYTES), [])
    for start in range(0, 3000, 7):
        journal.append(
            [{"what": "id", "item": number, "id": f"id-{number}"} for number in range(start, start + 7)]
        )

    assert max(map(len, store.values.values())) < 65_535


# What the loop sees of it.


class Slow:
    """A store whose writes take as long as a test wants."""

    def __init__(self) -> None:
        self.groups: list[Entries] = []
        self.fails = False

    def append(self, group: Entries) -> None:
        if self.fails:
            raise WiroRecordError("disk full")
        self.groups.append(group)


async def test_what_comes_while_a_write_is_under_way_goes_out_together() -> None:
    store = Slow()
    with ThreadPoolExecutor(1) as executor:
        journal = GroupCommit(store, executor)  # type: ignore[arg-type]
        await asyncio.gather(*(journal.write(entry) for entry in entries(50)))

    assert [entry for group in store.groups for entry in group] == entries(50)
    assert len(store.groups) <= 3


async def test_what_is_noted_goes_out_with_the_next_write_and_stays_until_it_could() -> None:
    store = Slow()
    with ThreadPoolExecutor(1) as executor:
        journal = GroupCommit(store, executor)  # type: ignore[arg-type]
        journal.note(*entries(2))
        store.fails = True
        with pytest.raises(WiroRecordError):
            await journal.write(*entries(1, start=7))
        store.fails = False
        journal.note(*entries(1, start=2))
        await journal.write()

    assert store.groups == [entries(3)]


async def test_without_a_store_nothing_is_kept_and_nothing_waits() -> None:
    with ThreadPoolExecutor(1) as executor:
        journal = GroupCommit(None, executor)
        journal.note(*entries(2))
        await journal.write(*entries(1))

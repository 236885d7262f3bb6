"""The journal: what was durable before a crash is there after it, and damage is never taken for nothing."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.batch.journal.group_commit import GroupCommit
from airflow_provider_wiro.batch.journal.interface import JournalFencedError
from airflow_provider_wiro.batch.journal.segmented import TASK_STATE_SEGMENT_BYTES, SegmentedJournal
from airflow_provider_wiro.exceptions import WiroOrphanedRunError, WiroRecordError, WiroUsageError
from airflow_provider_wiro.storage.open_folder import open_folder, split_uri
from airflow_provider_wiro.storage.s3.folder import S3Folder
from tests.operators.fakes import DictStore
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_wiro.batch.journal.interface import Journal
    from tests.transfers.s3 import S3

Entries = list[dict[str, Any]]


def entries(count: int, start: int = 0) -> Entries:
    return [{"what": "gone", "item": number} for number in range(start, start + count)]


@pytest.fixture(params=["folder", "task state", "s3", "seaweedfs"])
def open_again(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Journal]:
    """Return what opens the same journal as another process would."""
    if request.param == "folder":
        return lambda: SegmentedJournal.in_folder(open_folder(f"{tmp_path}/a"), 500)
    if request.param == "task state":
        store = DictStore()
        return lambda: SegmentedJournal.in_task_state(store, 500)
    request.getfixturevalue("s3" if request.param == "s3" else "bucket")
    return lambda: SegmentedJournal.in_folder(open_folder(f"s3://aws_default@{BUCKET}/a/b"), 500)


def begun(journal: Journal, first: Entries) -> Journal:
    assert list(journal.read()) == []
    journal.replace(first)
    return journal


def test_what_was_appended_is_read_again_in_its_order(open_again: Callable[[], Journal]) -> None:
    journal = begun(open_again(), entries(1))
    expected = entries(1)
    for number in range(1, 30):
        journal.append(entries(number % 4, start=number * 10))
        expected += entries(number % 4, start=number * 10)

    assert list(open_again().read()) == expected


def test_another_process_goes_on_where_one_ended(open_again: Callable[[], Journal]) -> None:
    begun(open_again(), entries(1)).append(entries(30, start=1))
    second = open_again()
    assert len(list(second.read())) == 31
    second.append(entries(2, start=31))

    assert list(open_again().read()) == entries(33)


def test_a_journal_that_is_begun_anew_has_nothing_of_the_one_before(
    open_again: Callable[[], Journal],
) -> None:
    begun(open_again(), entries(1)).append(entries(60, start=1))
    second = open_again()
    list(second.read())
    second.replace(entries(40, start=1000))
    second.append(entries(1, start=2000))

    assert list(open_again().read()) == [*entries(40, start=1000), *entries(1, start=2000)]


def test_a_group_larger_than_a_segment_is_kept(open_again: Callable[[], Journal]) -> None:
    begun(open_again(), entries(1)).append(entries(200, start=1))

    assert list(open_again().read()) == entries(201)


# Two processes of one task instance: a worker whose heartbeat was lost, and its retry.


def test_who_reads_a_journal_takes_it_over(open_again: Callable[[], Journal]) -> None:
    first = begun(open_again(), entries(3))
    second = open_again()
    assert list(second.read()) == entries(3)

    with pytest.raises(JournalFencedError, match="Another process writes this batch's journal"):
        first.append(entries(1, start=77))
    with pytest.raises(JournalFencedError):
        first.check()
    with pytest.raises(JournalFencedError):
        first.replace(entries(1, start=78))
    second.check()
    second.append(entries(2, start=3))
    with pytest.raises(JournalFencedError):
        first.append(entries(1, start=79))

    assert list(open_again().read()) == entries(5)


def test_of_two_that_begin_a_journal_at_once_one_does(open_again: Callable[[], Journal]) -> None:
    first, second = open_again(), open_again()
    assert list(first.read()) == list(second.read()) == []
    first.replace(entries(2))

    with pytest.raises(JournalFencedError):
        second.replace(entries(2, start=50))

    first.append(entries(1, start=2))
    assert list(open_again().read()) == entries(3)


class Interrupted:
    """One process's view of a store: another process acts before the operation with a given number."""

    location = "memory"

    def __init__(
        self, texts: dict[str, str], turn: Callable[[], None] | None = None, at: int | None = None
    ) -> None:
        self.operations = 0
        self._texts = texts
        self._turn = turn
        self._at = at

    def _operate(self) -> None:
        self.operations += 1
        if self.operations == self._at and self._turn is not None:
            self._turn()

    def describe(self, key: str) -> str:
        return key

    def get(self, key: str) -> str | None:
        self._operate()
        return self._texts.get(key)

    def put(self, key: str, text: str) -> None:
        self._operate()
        self._texts[key] = text

    def compare_and_swap(self, key: str, text: str, expected: str | None) -> bool:
        self._operate()
        if self._texts.get(key) not in {expected, text}:
            return False
        self._texts[key] = text
        return True

    def delete(self, key: str) -> None:
        self._operate()
        self._texts.pop(key, None)


@pytest.mark.parametrize("earlier", [0, 9], ids=["own segments", "segments of another before"])
def test_whoever_takes_over_at_any_moment_knows_every_entry_that_was_not_refused(earlier: int) -> None:
    refused = accepted = 0
    for at in range(1, 100):
        texts: dict[str, str] = {}
        begun(SegmentedJournal(Interrupted(texts), 60), entries(1 + earlier))
        found: list[Any] = []

        def turn(texts: dict[str, str] = texts, found: list[Any] = found) -> None:
            second = SegmentedJournal(Interrupted(texts), 60)
            found.extend(second.read())
            second.append(entries(2, start=500))

        slots = Interrupted(texts)
        first = SegmentedJournal(slots, 60)
        list(first.read())
        slots.operations, slots._turn, slots._at = 0, turn, at
        try:
            first.append(entries(2, start=100))
        except JournalFencedError:
            refused += 1
        else:
            accepted += 1
            assert not found or entries(2, start=100)[-1] in found
        if not found:
            break
        again = list(SegmentedJournal(Interrupted(texts), 60).read())
        assert again == [*found, *entries(2, start=500)]
    else:
        raise AssertionError("an append has no end")
    assert refused > 2
    assert accepted == 1


def test_of_two_that_open_a_journal_at_once_only_one_goes_on() -> None:
    for at in range(1, 100):
        texts: dict[str, str] = {}
        begun(SegmentedJournal(Interrupted(texts), 60), entries(5))
        others: list[SegmentedJournal] = []

        def turn(texts: dict[str, str] = texts, others: list[SegmentedJournal] = others) -> None:
            second = SegmentedJournal(Interrupted(texts), 60)
            assert list(second.read()) == entries(5)
            second.append(entries(1, start=500))
            others.append(second)

        first = SegmentedJournal(Interrupted(texts, turn, at), 60)
        found = list(first.read())
        if not others:
            break
        goes_on = []
        for journal, number in ((first, 600), (others[0], 700)):
            try:
                journal.append(entries(1, start=number))
            except JournalFencedError:
                continue
            goes_on.append(number)
        assert len(goes_on) == 1
        known = [*entries(5), *entries(1, start=500)]
        assert goes_on == [700] or found == known
        again = list(SegmentedJournal(Interrupted(texts), 60).read())
        assert again == [*known, *entries(1, start=goes_on[0])]
    assert at > 5


def test_a_journal_that_is_opened_often_does_not_become_many_segments() -> None:
    """A deferrable batch opens it each time it comes back."""
    store = DictStore()
    begun(SegmentedJournal.in_task_state(store, 1000), entries(1))
    for number in range(1, 200):
        journal = SegmentedJournal.in_task_state(store, 1000)
        assert len(list(journal.read())) == number
        journal.append(entries(1, start=number))

    assert len(store.values) < 12
    assert list(SegmentedJournal.in_task_state(store, 1000).read()) == entries(200)


def test_a_journal_whose_segments_are_gone_is_not_taken_for_none() -> None:
    store = DictStore()
    begun(SegmentedJournal.in_task_state(store, 1000), entries(2))
    for key in [key for key in store.values if key != "wiro_batch_head"]:
        store.delete(key)

    with pytest.raises(WiroOrphanedRunError, match="no segment"):
        list(SegmentedJournal.in_task_state(store, 1000).read())


# A conditional put in S3.


def test_a_folder_in_s3_without_a_name_is_another_one(s3: S3, tmp_path: Path) -> None:
    """`in//x` and `in/x` are two objects."""
    s3.put("in/x", b"wrong")
    s3.put("in//x", b"right")
    folder, name = split_uri(f"s3://aws_default@{BUCKET}/in//x")
    place = open_folder(folder)
    assert place.read(name) == b"right"
    assert place.names() == {"x"}
    place.delete(name)
    assert s3.keys == ["in/x"]


@pytest.mark.parametrize("uri", ["gs://google@bucket/in//x", "gs://google@bucket/in//y/x", "memory:///in//x"])
def test_a_folder_without_a_name_is_refused_where_stores_differ(uri: str) -> None:
    with pytest.raises(WiroUsageError, match="without '//'"):
        open_folder(split_uri(uri)[0])


def test_s3_swaps_only_what_is_still_there(s3: S3) -> None:
    place = open_folder(f"s3://aws_default@{BUCKET}/a")

    assert place.compare_and_swap("head", b"1", None)
    assert not place.compare_and_swap("head", b"2", None)
    assert not place.compare_and_swap("head", b"2", b"0")
    assert place.compare_and_swap("head", b"2", b"1")
    assert place.compare_and_swap("head", b"2", b"1"), "it is there already"
    assert not place.compare_and_swap("none", b"2", b"1")


@pytest.mark.parametrize("before", [None, b"before"], ids=["of none", "of another"])
def test_a_swap_in_s3_that_another_forestalls_is_refused_by_the_server(s3: S3, before: bytes | None) -> None:
    place = open_folder(f"s3://aws_default@{BUCKET}/a")
    assert isinstance(place, S3Folder)
    if before is not None:
        place.write("head", before)
    put = place._client.put_object

    def late(**arguments: Any) -> Any:
        s3.put("a/head", b"theirs")
        return put(**arguments)

    place._client.put_object = late

    assert not place.compare_and_swap("head", b"mine", before)
    assert s3.get("a/head") == b"theirs"


def test_a_swap_in_s3_whose_answer_was_lost_is_not_taken_for_another_process(s3: S3) -> None:
    """Boto3 puts it again, and is refused by what it has put itself."""
    place = open_folder(f"s3://aws_default@{BUCKET}/a")
    assert isinstance(place, S3Folder)
    put = place._client.put_object

    def twice(**arguments: Any) -> Any:
        put(**arguments)
        return put(**arguments)

    place._client.put_object = twice

    assert place.compare_and_swap("head", b"1", None)
    assert place.compare_and_swap("head", b"2", b"1")


def test_a_server_without_conditional_puts_swaps_as_well_as_it_can(s3: S3) -> None:
    from botocore.exceptions import ClientError

    place = open_folder(f"s3://aws_default@{BUCKET}/a")
    assert isinstance(place, S3Folder)
    put = place._client.put_object

    def old(**arguments: Any) -> Any:
        if {"IfMatch", "IfNoneMatch"} & set(arguments):
            raise ClientError({"Error": {"Code": "NotImplemented"}}, "PutObject")
        return put(**arguments)

    place._client.put_object = old

    assert place.compare_and_swap("head", b"1", None)
    assert place.compare_and_swap("head", b"2", b"1")
    assert not place.compare_and_swap("head", b"3", b"1")


# Segments.


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "head.jsonl").mkdir()

    with pytest.raises(WiroRecordError, match="Nothing was started"):
        list(SegmentedJournal.in_folder(open_folder(str(tmp_path))).read())


def test_a_write_to_disk_that_fails_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = begun(SegmentedJournal.in_folder(open_folder(str(tmp_path))), entries(2))

    def disk_full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", disk_full)
        with pytest.raises(WiroRecordError, match="No space left"):
            journal.append(entries(5, start=2))
    journal.append(entries(1, start=2))

    assert list(SegmentedJournal.in_folder(open_folder(str(tmp_path))).read()) == entries(3)


@pytest.mark.parametrize("damage", ['{"what":"gone","ite\n', "\x00\x00\x00\n", "[1]\n", "null\n"], ids=repr)
def test_a_damaged_line_is_an_error_that_names_it_and_not_the_end(tmp_path: Path, damage: str) -> None:
    begun(SegmentedJournal.in_folder(open_folder(str(tmp_path))), entries(2))
    [segment] = tmp_path.glob("*-000001.jsonl")
    _, first, second = segment.read_text().splitlines(keepends=True)
    segment.write_text('{"lines":4}\n' + first + second + damage + first)

    with pytest.raises(WiroOrphanedRunError, match=f"line 4 of {segment}, found .* paid for again"):
        list(SegmentedJournal.in_folder(open_folder(str(tmp_path))).read())


def test_a_segment_that_is_gone_is_an_error() -> None:
    store = DictStore()
    begun(SegmentedJournal.in_task_state(store, 100), entries(20))
    [third] = (key for key in store.values if key.endswith("-000003"))
    store.delete(third)

    with pytest.raises(WiroOrphanedRunError, match=f"at {third} in .*no such segment"):
        list(SegmentedJournal.in_task_state(store, 100).read())


def test_a_damaged_line_of_a_segment_is_named() -> None:
    store = DictStore()
    begun(SegmentedJournal.in_task_state(store, 1000), entries(20))
    [segment] = (key for key in store.values if key.endswith("-000001"))
    store.values[segment] = store.values[segment].replace("13}", "13")

    with pytest.raises(WiroOrphanedRunError, match=f"at line 15 of {segment} in Airflow's task state store"):
        list(SegmentedJournal.in_task_state(store, 1000).read())


def test_half_a_segment_is_an_error() -> None:
    """A store that doesn't put as a whole, such as a file system behind sftp://, can leave one."""
    store = DictStore()
    begun(SegmentedJournal.in_task_state(store, 1000), entries(20))
    [segment] = (key for key in store.values if key.endswith("-000001"))
    text = json.loads(store.values[segment])
    for cut in (text[: len(text) // 2], text[: text.rindex("\n", 0, -1) + 1], text[:-1], ""):
        store.values[segment] = json.dumps(cut)
        with pytest.raises(WiroOrphanedRunError):
            list(SegmentedJournal.in_task_state(store, 1000).read())


@pytest.mark.parametrize("does_it_all_the_same", [False, True])
def test_a_put_that_fails_leaves_nothing_that_shows_up_later(does_it_all_the_same: bool) -> None:
    store = DictStore()
    journal = begun(SegmentedJournal.in_task_state(store, 60), entries(2))

    def fail(key: str, value: Any) -> None:
        if does_it_all_the_same:
            store.values[key] = json.dumps(value)
        raise RuntimeError("API_SERVER_ERROR")

    put, store.set = store.set, fail  # type: ignore[method-assign]
    with pytest.raises(WiroRecordError, match="API_SERVER_ERROR"):
        journal.append(entries(1, start=77))
    store.set = put  # type: ignore[method-assign]
    journal.append(entries(3, start=2))

    assert list(SegmentedJournal.in_task_state(store, 60).read()) == entries(5)


def test_a_crash_while_a_journal_is_begun_anew_leaves_the_one_before() -> None:
    """Whatever such a crash leaves behind shows up in no later one either."""
    for crash_at in range(1, 12):
        store = DictStore()
        begun(SegmentedJournal.in_task_state(store, 60), entries(9))
        left = iter(range(crash_at))

        def crash(key: str, value: Any, store: DictStore = store, left: Any = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            DictStore.set(store, key, value)

        store.set = crash  # type: ignore[method-assign]
        journal = SegmentedJournal.in_task_state(store, 60)
        list(journal.read())
        try:
            journal.replace(entries(20, start=100))
        except KeyboardInterrupt:
            del store.set
            again = SegmentedJournal.in_task_state(store, 60)
            assert list(again.read()) == entries(9)
            again.replace(entries(3, start=200))
            assert list(SegmentedJournal.in_task_state(store, 60).read()) == entries(3, start=200)


@pytest.mark.parametrize("call", ["get", "set"])
def test_a_store_that_fails_is_not_taken_for_an_empty_one(call: str) -> None:
    store = DictStore()
    store.fails.add(call)
    journal = SegmentedJournal.in_task_state(store, 60)

    with pytest.raises(WiroRecordError, match="API_SERVER_ERROR"):
        begun(journal, entries(1))


def test_no_value_is_larger_than_airflow_takes() -> None:
    store = DictStore()
    journal = begun(SegmentedJournal.in_task_state(store, TASK_STATE_SEGMENT_BYTES), [])
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

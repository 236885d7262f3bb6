"""Pages of a manifest: each line is on exactly one of them, and few bytes are read for each."""

from __future__ import annotations

import bisect
import contextlib
import itertools
import json
import random
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.gallery.manifests.blocks import KEPT_BYTES, KEPT_SECONDS, BlockCache
from airflow_provider_wiro.gallery.manifests.manifest import PAGE_BYTES, Manifest
from airflow_provider_wiro.gallery.manifests.page import ManifestPage, UnreadableManifestError
from airflow_provider_wiro.gallery.page import PAGE_SIZE
from airflow_provider_wiro.gallery.ranged.ranged_object import StoredFacts
from tests.gallery.manifests.stored_lines import StoredLines, batch, batch_line, export_line


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> BlockCache:
    return BlockCache(clock)


def manifest_of(body: bytes | None, cache: BlockCache | None = None) -> tuple[Manifest, StoredLines]:
    stored = StoredLines(body)
    return Manifest(stored, "s3://b/m.jsonl", cache or BlockCache()), stored


def items(page: ManifestPage) -> list[int]:
    return [line.value["item"] for line in page.lines if line.value is not None]


def test_pages_of_sixty_follow_each_other_to_the_end_and_back() -> None:
    manifest, _ = manifest_of(batch(150))
    first = manifest.page()
    second = manifest.page(str(first.next))
    third = manifest.page(str(second.next))
    assert [*items(first), *items(second), *items(third)] == list(range(150))
    assert [len(page.lines) for page in (first, second, third)] == [60, 60, 30]
    assert [page.first for page in (first, second, third)] == [1, 61, 121]
    assert [page.here for page in (first, second, third)] == ["", "item-61", "item-121"]
    assert (first.previous, third.next) == (None, None)
    assert items(manifest.page(str(third.previous))) == items(second)
    assert manifest.page(str(second.previous)) == first
    assert first.jumps


@pytest.mark.parametrize("at", ["b99999999", "b{end}", "e{end}"])
def test_a_page_without_lines_says_so(at: str) -> None:
    """Someone has turned to a page of a manifest that a shorter one, or one of blank lines, has replaced."""
    body = batch(3) + b"\n" * 200
    manifest, _ = manifest_of(body)
    page = manifest.page(at.format(end=len(body)))
    assert (page.lines, page.note) == ((), "The manifest has no lines here.")


@pytest.mark.parametrize("number", [1, 2, 60, 61, 777, 2999, 3000])
def test_a_page_begins_with_the_item_that_is_asked_for(number: int) -> None:
    manifest, _ = manifest_of(batch(3000))
    page = manifest.page(f"item-{number}")
    assert items(page) == list(range(number - 1, min(number + 59, 3000)))
    assert (page.first, page.total) == (number, 3000)


def test_an_item_beyond_the_end_is_the_last_page() -> None:
    manifest, _ = manifest_of(batch(100))
    assert items(manifest.page("item-101")) == list(range(40, 100))
    assert items(manifest.page("item-999999999999999")) == list(range(40, 100))


@pytest.mark.parametrize("total", [10_000])
def test_any_item_of_ten_thousand_takes_at_most_four_requests(total: int) -> None:
    body = batch(total)
    chance = random.Random(5)
    for number in [1, total // 2, total, *(chance.randint(1, total) for _ in range(20))]:
        manifest, stored = manifest_of(body)
        assert items(manifest.page(f"item-{number}"))[0] == number - 1
        assert len(stored.requests) <= 4, (number, stored.requests)


class MillionLines(StoredLines):
    """A million lines, which are made when they are read; their lengths change every thousand lines."""

    TOTAL = 1_000_000
    STRETCH = 1000

    def __init__(self, seed: int) -> None:
        super().__init__(b"")
        chance = random.Random(seed)
        self._lengths = [chance.choice([60, 300, 900, 1700]) for _ in range(self.TOTAL // self.STRETCH)]
        self._begins = list(
            itertools.accumulate((length * self.STRETCH for length in self._lengths), initial=0)
        )

    def read(self, start: int, stop: int, version: str | None = None) -> tuple[bytes, StoredFacts]:
        self.requests.append((start, stop))
        size = self._begins[-1]
        stretch = bisect.bisect_right(self._begins, start) - 1
        begin, lines = self._begins[stretch], []
        while begin < min(stop, size):
            length = self._lengths[stretch]
            numbers = range(stretch * self.STRETCH, (stretch + 1) * self.STRETCH)
            lines += [
                (b'{"item":%d,"status":"failed"' % number).ljust(length - 2) + b"}\n" for number in numbers
            ]
            stretch += 1
            begin = self._begins[stretch]
        body = b"".join(lines)
        skipped = start - (begin - len(body))
        return body[skipped : skipped + stop - start], StoredFacts(size, self.version)

    def read_tail(self, size: int) -> tuple[bytes, StoredFacts]:
        return self.read(self._begins[-1] - size, self._begins[-1])


@pytest.mark.parametrize("seed", range(3))
def test_any_item_of_a_million_takes_at_most_eight_requests(seed: int) -> None:
    chance = random.Random(seed)
    for number in [1, 500_000, 1_000_000, *(chance.randint(1, 1_000_000) for _ in range(10))]:
        stored = MillionLines(seed)
        manifest = Manifest(stored, "s3://b/m.jsonl", BlockCache())
        assert items(manifest.page(f"item-{number}"))[0] == number - 1
        assert len(stored.requests) <= 8, (number, stored.requests)


def test_the_first_page_takes_one_request_and_the_next_ones_little_more() -> None:
    manifest, stored = manifest_of(batch(10_000))
    page = manifest.page()
    assert stored.requests == [(0, 256 * 1024)]
    for _ in range(9):
        page = manifest.page(str(page.next))
    assert page.first == 541
    assert len(stored.requests) <= 3


def test_what_a_page_shows_is_found_again_without_a_request() -> None:
    manifest, stored = manifest_of(batch(10_000))
    page = manifest.page("item-5000")
    known = len(stored.requests)
    found = [manifest.line(line.place) for line in page.lines]
    assert found == [line.value for line in page.lines]
    assert len(stored.requests) == known


@pytest.mark.parametrize("total", [1, 59, 60, 61, 1000])
def test_pages_of_an_export_go_by_bytes(total: int) -> None:
    body = b"".join(export_line(number, number % 50) for number in range(total))
    manifest, _ = manifest_of(body)
    seen: list[str] = []
    at: str | None = ""
    pages = 0
    while at is not None:
        page = manifest.page(at)
        assert (page.first, page.total, page.jumps) == (None, None, False)
        assert manifest.page(page.here) == page
        assert [manifest.line(line.place) for line in page.lines] == [line.value for line in page.lines]
        seen += [str(line.value["wiro_task_id"]) for line in page.lines if line.value]
        at = page.next
        pages += 1
    assert seen == [str(number) for number in range(total)]
    assert pages == -(-total // PAGE_SIZE)


def test_a_byte_in_the_middle_of_a_line_leads_to_the_next_line() -> None:
    body = batch(10)
    second = body.index(b"\n") + 1
    manifest, _ = manifest_of(body)
    for byte in range(1, second + 1):
        assert items(manifest.page(f"b{byte}")) == list(range(1, 10))
    assert items(manifest.page(f"b{second + 1}")) == list(range(2, 10))
    assert manifest.page(f"b{len(body) + 5}").lines == ()


@pytest.mark.parametrize("place", ["b1", "b999999999999", "10", "-1", "b-1", "", "b", "x", "1" * 30, "٣"])
def test_a_place_where_no_line_begins_names_none(place: str) -> None:
    manifest, _ = manifest_of(batch(10))
    with pytest.raises(LookupError):
        manifest.line(place)


@pytest.mark.parametrize(
    "at", ["x", "item-", "item-b5", "b", "-1", "item--1", "0" * 500, "b1.5", "\0", "item-0"]
)
def test_what_names_no_page_is_the_first_page(at: str) -> None:
    manifest, _ = manifest_of(batch(100))
    assert items(manifest.page(at)) == list(range(60))


# -- what a file can be instead of a manifest


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (b"", "is empty"),
        (b"\n\n  \r\n", "is empty"),
        (b"<html>\n<body>\n", "no manifest"),
        (b"\x00\xff\xfe" * 1000, "no manifest"),
        (b'{"a": 1}\n{"b": 2}\n', "no manifest"),
        (b"[" * 100_000 + b"\n", "no manifest"),
        (b'"item"\n17\nnull\n', "no manifest"),
        (b'{"item": true, "status": "succeeded"}\n', "no manifest"),
        (b'{"password": "hunter2", "item": 0, "status": "secret"}\n', ""),
    ],
)
def test_what_is_no_manifest_shows_nothing_of_itself_but_a_note(body: bytes, note: str) -> None:
    manifest, _ = manifest_of(body)
    page = manifest.page()
    assert all(line.value is None and line.note for line in page.lines)
    assert note in page.note
    assert "hunter2" not in repr(page)


def test_line_breaks_of_windows_and_blank_lines_change_nothing() -> None:
    lines = batch(70).splitlines()
    manifest, _ = manifest_of(b"\r\n\r\n".join(lines) + b"\r\n")
    assert items(manifest.page()) == list(range(60))
    assert items(manifest.page("item-65")) == list(range(64, 70))


def test_numbers_that_are_none_are_null() -> None:
    manifest, _ = manifest_of(b'{"item":0,"status":"succeeded","elapsed_seconds":NaN,"usage":[-Infinity]}\n')
    (line,) = manifest.page().lines
    assert line.value == {"item": 0, "status": "succeeded", "elapsed_seconds": None, "usage": [None]}


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_line_that_is_cut_off_is_noted_and_the_others_are_shown(cut: int) -> None:
    manifest, _ = manifest_of(batch(5)[:-cut])
    page = manifest.page()
    if cut == 1:  # only the line break is missing
        assert items(page) == [0, 1, 2, 3, 4]
    else:
        assert items(page) == [0, 1, 2, 3]
        assert "cut off" in page.lines[4].note
    assert items(manifest.page("item-3")) == items(page)[2:]


def test_items_whose_number_comes_last_are_found_too() -> None:
    lines = [{"status": "failed", "error": "e" * 300, "item": item} for item in range(3000)]
    manifest, _ = manifest_of("".join(json.dumps(line) + "\n" for line in lines).encode())
    assert items(manifest.page("item-2500"))[0] == 2499


def test_lines_in_no_order_end_the_search() -> None:
    lines = [batch_line(item, 500) for item in range(5000)]
    random.Random(1).shuffle(lines)
    manifest, stored = manifest_of(b"".join(lines))
    manifest.page("item-2500")
    assert len(stored.requests) < 70


# -- long lines


def test_a_page_of_long_answers_ends_early_and_loses_none() -> None:
    body = b"".join(batch_line(item, 300_000) for item in range(40))
    manifest, _ = manifest_of(body)
    seen: list[int] = []
    at: str | None = ""
    while at is not None:
        page = manifest.page(at)
        assert sum(len(json.dumps(line.value)) for line in page.lines) <= PAGE_BYTES
        seen += items(page)
        at = page.next
    assert seen == list(range(40))
    assert items(manifest.page("e" + str(len(body))))[-1] == 39


@pytest.mark.parametrize("size", [1024**2 + 1, 3 * 1024**2, 20 * 1024**2])
def test_a_line_that_is_too_long_is_noted_by_its_number_and_passed(size: int) -> None:
    body = batch(20) + batch_line(20, size) + b"".join(batch_line(item) for item in range(21, 40))
    manifest, _ = manifest_of(body)
    seen: list[int] = []
    notes: dict[str, str] = {}
    at: str | None = ""
    while at is not None:
        page = manifest.page(at)
        seen += items(page)
        notes |= {line.place: line.note for line in page.lines if line.value is None}
        at = page.next
    assert seen == [*range(20), *range(21, 40)]
    assert list(notes) == ["20"]
    assert "too long" in notes["20"]
    with pytest.raises((LookupError, UnreadableManifestError)):  # it is not looked for through many MiB
        manifest.line("20")


def test_items_around_a_long_line_are_found() -> None:
    middle = batch_line(500, 3 * 1024**2)
    body = b"".join(
        [*(batch_line(n, 300) for n in range(500)), middle, *(batch_line(n) for n in range(501, 900))]
    )
    for number in [1, 499, 500, 502, 503, 700, 900]:
        manifest, _ = manifest_of(body)
        assert items(manifest.page(f"item-{number}"))[0] == number - 1
    page = manifest_of(body)[0].page("item-501")
    assert (page.lines[0].place, page.lines[0].value) == ("500", None)


def test_a_file_of_one_endless_line_takes_little_memory() -> None:
    manifest, stored = manifest_of(b"x" * 200 * 1024**2)
    tracemalloc.start()
    try:
        for at in ("", "b100000000", "e150000000", "item-5"):
            with contextlib.suppress(UnreadableManifestError):
                manifest.page(at)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < KEPT_BYTES + 24 * 1024**2
    assert sum(stop - start for start, stop in stored.requests) < 200 * 1024**2


# -- what changes meanwhile


def test_a_manifest_that_is_replaced_between_two_requests_is_read_from_its_beginning(
    cache: BlockCache,
) -> None:
    manifest, stored = manifest_of(batch(5000), cache)
    manifest.page()
    stored.replace(batch(5000, seed=2))
    page = manifest.page("item-4000")
    assert items(page) == list(range(3999, 4059))
    new = [json.loads(line) for line in stored.body.splitlines()[3999:4059]] if stored.body else []
    assert [line.value for line in page.lines] == new


def test_a_replaced_manifest_is_seen_after_a_short_time(cache: BlockCache, clock: Clock) -> None:
    manifest, stored = manifest_of(batch(3), cache)
    assert items(manifest.page()) == [0, 1, 2]
    stored.replace(batch(5))
    clock.now += KEPT_SECONDS
    assert items(manifest.page()) == [0, 1, 2, 3, 4]


def test_a_manifest_that_is_replaced_all_the_time_is_an_error_and_no_mixture() -> None:
    class Restless(StoredLines):
        def read(self, start: int, stop: int, version: str | None = None) -> tuple[bytes, StoredFacts]:
            self.version += "+"
            return super().read(start, stop, version)

    stored = Restless(batch(5000))
    with pytest.raises(UnreadableManifestError, match="replaced"):
        Manifest(stored, "s3://b/m.jsonl", BlockCache()).page("item-2500")


def test_a_manifest_that_is_gone_is_said_by_its_place() -> None:
    manifest, _ = manifest_of(None)
    with pytest.raises(
        UnreadableManifestError, match=r"s3://b/m.jsonl can't be shown. It is not in its bucket"
    ):
        manifest.page()


def test_many_manifests_take_a_limited_amount_of_memory(cache: BlockCache) -> None:
    body = batch(500)
    for number in range(300):
        stored = StoredLines(body, name=f"s3://b/{number}")
        Manifest(stored, "s3://b/m.jsonl", cache).page()
    assert cache.blocks.used <= KEPT_BYTES


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=200), st.integers(0, 400_000), st.data())
def test_whatever_the_lengths_of_lines_are_each_line_is_on_one_page(
    paddings: list[int], byte: int, data: Any
) -> None:
    body = b"".join(batch_line(item, padding) for item, padding in enumerate(paddings))
    manifest, _ = manifest_of(body)
    forward: list[int] = []
    at: str | None = ""
    while at is not None:
        page = manifest.page(at)
        forward += items(page)
        at = page.next
    assert forward == list(range(len(paddings)))
    page = manifest.page(f"b{byte}")
    backward = items(page)
    while page.previous is not None and page.here:
        before = manifest.page(page.previous)
        # The first page is a whole one: it can have lines of the page after it.
        backward = [item for item in items(before) if not backward or item < backward[0]] + backward
        page = before
    assert backward == list(range(backward[-1] + 1)) if backward else byte >= len(body) - 1
    number = data.draw(st.integers(1, len(paddings)))
    assert items(manifest.page(f"item-{number}"))[0] == number - 1

"""Which part to ask for, what an answer to that is worth, and when to stop asking."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wiro.api.models import Output
from airflow_provider_wiro.downloads import ranges
from airflow_provider_wiro.downloads.ranges import NextAction, Representation, StallTimeout
from airflow_provider_wiro.exceptions import (
    WiroOutputError,
    WiroOutputRefusedError,
    WiroOutputUnavailableError,
)


@pytest.fixture(autouse=True)
def _short_pauses() -> None:
    """Keep the real ones, which other tests of downloads shorten."""


OUTPUT = Output(index=0, name="0.png", content_type="image/png", size=100, url="https://cdn1.wiro.ai/0.png")
CHANGED = "Sat, 01 Aug 2026 10:00:00 GMT"
SOON = "Sat, 01 Aug 2026 10:00:59 GMT"
LATER = "Sat, 01 Aug 2026 10:01:00 GMT"
UNKNOWN = Output(index=0, name="0.png", content_type="image/png", size=None, url="https://cdn1.wiro.ai/0.png")


def representation(etag: str = '"a"', last_modified: str = "", **more: Any) -> Representation:
    return Representation(
        **{"size": 100, "announced": 100, "is_ranged": True, **more}, etag=etag, last_modified=last_modified
    )


@pytest.mark.parametrize(
    ("start", "stop", "known", "headers"),
    [
        (0, None, None, {}),
        (0, 10, None, {"range": "bytes=0-9"}),
        (10, 20, representation(), {"range": "bytes=10-19", "if-range": '"a"'}),
        (10, None, representation(), {"range": "bytes=10-", "if-range": '"a"'}),
        (0, None, representation(), {}),
        (10, 20, representation('W/"a"', CHANGED, date=LATER), {"range": "bytes=10-19"}),
        (10, 20, representation("", CHANGED, date=LATER), {"range": "bytes=10-19", "if-range": CHANGED}),
        (10, 20, representation(""), {"range": "bytes=10-19"}),
    ],
)
def test_what_is_asked_for(
    start: int, stop: int | None, known: Representation | None, headers: dict[str, str]
) -> None:
    assert ranges.request_headers(start, stop, known) == {"accept-encoding": "identity", **headers}


@pytest.mark.parametrize(
    ("etag", "last_modified", "date", "validator"),
    [
        ('"a"', "", "", '"a"'),
        ('""', "", "", '""'),
        ('W/"a"', "", "", None),
        ('w/"a"', CHANGED, LATER, None),
        ("a", CHANGED, LATER, None),  # no ETag by the grammar: a server would take it for a date
        ("", CHANGED, LATER, CHANGED),
        ("", CHANGED, SOON, None),  # it may have changed again within the second, or the clocks differ
        ("", LATER, CHANGED, None),  # a file from the future
        ("", CHANGED, "", None),
        ("", CHANGED, "now", None),
        ("", "yesterday", LATER, None),
        ("", "", LATER, None),
    ],
)
def test_only_a_strong_validator_is_one(
    etag: str, last_modified: str, date: str, validator: str | None
) -> None:
    assert representation(etag, last_modified, date=date).validator == validator


def test_only_what_is_larger_than_a_part_is_asked_for_in_parts() -> None:
    assert not ranges.wants_ranges(OUTPUT, 100)
    assert ranges.wants_ranges(OUTPUT, 99)
    assert ranges.wants_ranges(UNKNOWN, 10**12)


@pytest.mark.parametrize(
    ("status", "start", "known", "headers", "step"),
    [
        *[(status, 0, None, {}, NextAction.RENEW) for status in (401, 403, 404, 410)],
        *[(status, 5, representation(), {}, NextAction.REPEAT) for status in (408, 425, 429, 500, 503, 599)],
        (200, 0, None, {}, NextAction.READ),  # the first answer: this CDN has no parts
        (206, 0, None, {}, NextAction.READ),
        (206, 5, representation(), {"etag": '"a"'}, NextAction.READ),
        (206, 5, representation(), {}, NextAction.RESTART),  # it doesn't say of which version it is
        (206, 5, representation(), {"etag": '"b"'}, NextAction.RESTART),
        (206, 5, representation(), {"etag": 'W/"a"'}, NextAction.RESTART),
        (206, 5, representation('W/"a"'), {"etag": 'W/"a"'}, NextAction.RESTART),
        (206, 5, representation(""), {}, NextAction.RESTART),
        (206, 5, representation("", CHANGED, date=LATER), {"last-modified": SOON}, NextAction.RESTART),
        (206, 5, representation("", CHANGED, date=LATER), {}, NextAction.RESTART),
        (206, 5, representation("", CHANGED, date=SOON), {"last-modified": CHANGED}, NextAction.RESTART),
        (
            206,
            5,
            representation("", CHANGED, date=LATER),
            {"last-modified": CHANGED, "etag": '"n"'},
            NextAction.READ,
        ),
        (200, 5, representation(), {"etag": '"a"'}, NextAction.RESTART),
        (200, 5, representation(), {"etag": '"b"'}, NextAction.RESTART),
        (416, 0, None, {}, NextAction.RESTART),
        (416, 5, representation(), {}, NextAction.RESTART),
        (302, 5, representation(), {}, NextAction.READ),  # and refused when it is read
    ],
)
def test_what_to_do_with_a_response(
    status: int, start: int, known: Representation | None, headers: dict[str, str], step: NextAction
) -> None:
    assert ranges.next_action(status, headers, is_ranged=True, start=start, representation=known) is step


@pytest.mark.parametrize(
    ("shown", "size"), [("bytes 0-9/100", 100), ("BYTES 0-9/100", 100), ("bytes 0-9/*", 100)]
)
def test_a_first_part_describes_the_whole(shown: str, size: int) -> None:
    found = ranges.read_first(OUTPUT, 10, 206, {"content-range": shown, "etag": '"a"'})
    assert (found.size, found.is_ranged, found.validator) == (size, True, '"a"')


def test_a_file_shorter_than_a_part_is_described_as_such() -> None:
    found = ranges.read_first(
        UNKNOWN, 1000, 206, {"content-range": "bytes 0-99/100", "content-length": "100"}
    )
    assert found.size == 100


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, WiroOutputUnavailableError),
        ({"content-range": "bytes 0-9"}, WiroOutputUnavailableError),
        ({"content-range": "bytes */100"}, WiroOutputUnavailableError),
        ({"content-range": "bytes 1-9/100"}, WiroOutputUnavailableError),
        ({"content-range": "bytes 0-8/100", "content-length": "10"}, WiroOutputUnavailableError),
        ({"content-range": "bytes 0-10/100"}, WiroOutputUnavailableError),
        ({"content-range": "bytes \u0660-9/100"}, WiroOutputUnavailableError),
        ({"content-range": "bytes 0-9/101"}, WiroOutputRefusedError),
        ({"content-range": "bytes 0-9/100", "content-length": "11"}, WiroOutputUnavailableError),
        ({"content-range": "bytes 0-9/100", "content-encoding": "gzip"}, WiroOutputRefusedError),
        ({"content-range": "bytes 0-9/100", "content-type": "text/html"}, WiroOutputRefusedError),
    ],
)
def test_a_first_part_that_is_not_what_was_asked_for(
    headers: dict[str, str], error: type[WiroOutputError]
) -> None:
    with pytest.raises(error):
        ranges.read_first(OUTPUT, 10, 206, headers)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"content-length": "90"}),
        (204, {}),
        (304, {}),
        (206, {"content-range": "bytes 10-9/100"}),
        (206, {"content-range": "bytes 10-20/100"}),
        (206, {"content-range": "bytes 11-19/100"}),
        (206, {"content-range": "bytes 0-9/100"}),
        (206, {"content-range": "bytes 10-19/99"}),
        (206, {"content-range": "bytes 10-19/100", "content-length": "100"}),
    ],
)
def test_a_further_part_that_is_not_what_was_asked_for(status: int, headers: dict[str, str]) -> None:
    with pytest.raises(WiroOutputError):
        ranges.check_further(OUTPUT, representation(), 10, 20, status, headers)


def test_a_part_may_be_shorter_than_was_asked_for() -> None:
    found = ranges.read_first(OUTPUT, 10, 206, {"content-range": "bytes 0-8/100", "content-length": "9"})
    assert (found.size, found.is_ranged) == (100, True)
    ranges.check_further(OUTPUT, representation(), 10, 20, 206, {"content-range": "bytes 10-10/100"})


def test_all_of_it_may_come_as_a_part() -> None:
    """Some say 206 even to a request without a range; such a file is not known to be served in parts."""
    whole = {"content-range": "bytes 0-99/100", "content-length": "100"}
    found = ranges.read_first(OUTPUT, None, 206, whole)
    assert (found.size, found.is_ranged) == (100, False)
    ranges.check_further(OUTPUT, representation(), 0, None, 206, whole)


def test_a_renewed_link_is_to_the_same_file() -> None:
    fresh = Output(0, "0.png", "image/png", 100, "https://cdn1.wiro.ai/fresh")
    assert ranges.check_renewed(OUTPUT, fresh) is fresh
    unsized = Output(0, "0.png", "image/png", None, "https://cdn1.wiro.ai/fresh")
    assert ranges.check_renewed(OUTPUT, unsized) == fresh
    assert ranges.check_renewed(unsized, fresh) is fresh
    for other in (Output(0, "1.png", "", 100, "https://x"), Output(0, "0.png", "", 7, "https://x")):
        with pytest.raises(WiroOutputRefusedError, match="no fresh one"):
            ranges.check_renewed(OUTPUT, other)
    with pytest.raises(WiroOutputUnavailableError, match="at the moment"):
        ranges.check_renewed(OUTPUT, None)


@pytest.mark.parametrize("early", [("", "", None), ("0.png?Expires=1", "image/png", 7), ("x", "", 100)])
def test_what_had_no_link_yet_can_get_another_name_and_size_with_it(
    early: tuple[str, str, int | None],
) -> None:
    fresh = Output(0, "0.png", "image/png", 100, "https://cdn1.wiro.ai/fresh")
    assert ranges.check_renewed(Output(0, *early, None), fresh) is fresh


def test_the_query_of_a_name_changes_with_the_link() -> None:
    old = Output(0, "0.png?Expires=1", "image/png", 100, "https://cdn1.wiro.ai/old")
    fresh = Output(0, "0.png?Expires=2", "image/png", 100, "https://cdn1.wiro.ai/fresh")
    assert ranges.check_renewed(old, fresh) is fresh


def test_the_first_try_after_a_cut_is_at_once_and_later_ones_wait_longer_and_longer() -> None:
    patience = StallTimeout(0.0)
    pauses = [patience.pause(0.0, 0.999) for _ in range(6)]
    assert pauses[0] == 0
    assert pauses[1:] == sorted(pauses[1:], key=float)
    patience.note(ranges.PROGRESS_BYTES, 1.0)
    assert patience.pause(1.0, 0.5) == 0


def test_a_busy_cdn_is_left_alone_for_as_long_as_it_asks() -> None:
    assert (StallTimeout(0.0).pause(0.0, 0.5, asked=7.0)) == 7.0
    assert (StallTimeout(0.0).pause(0.0, 0.5, asked=0.0) or 0) > 0


def test_a_cdn_that_asks_for_a_day_is_asked_again_within_the_minute() -> None:
    patience = StallTimeout(0.0)
    assert patience.pause(0.0, 0.5, asked=86_400.0) == 45.0
    assert patience.pause(45.0, 0.5, asked=86_400.0) is None


def test_after_the_first_cut_there_is_another_try_however_long_it_was_idle() -> None:
    """So does each that follows upon progress, but not a connection that is silent again."""
    patience, long = StallTimeout(0.0), ranges.PATIENCE_SECONDS * 3
    assert patience.pause(long, 0.5) == 0
    assert not patience.is_over(long)
    assert patience.pause(2 * long, 0.5) is None
    patience.note(ranges.PROGRESS_BYTES, 2 * long)
    assert patience.pause(3 * long, 0.5) == 0


def test_an_idle_connection_leaves_time_for_others() -> None:
    assert 2 * ranges.idle_seconds(3600.0) < ranges.PATIENCE_SECONDS
    assert ranges.idle_seconds(5.0) == 5.0


def test_progress_adds_up_over_connections_that_bring_little() -> None:
    """100 kB in pieces of 5 kB: no cut is waited for longer than the one before, and it never ends."""
    patience, now = StallTimeout(0.0), 0.0
    for received in range(5_000, 100_000, 5_000):
        patience.note(received, now)
        pause = patience.pause(now, 0.999)
        assert pause is not None
        assert pause <= 1.0
        now += pause


def test_a_cdn_that_brings_next_to_nothing_on_each_connection_is_given_up() -> None:
    patience, now = StallTimeout(0.0), 0.0
    for received in range(10, 10_000, 10):
        now += 1.0
        patience.note(received, now)
        pause = patience.pause(now, 0.5)
        if pause is None:
            break
        now += pause
    assert now < 3 * ranges.PATIENCE_SECONDS


def test_a_trickle_is_no_progress() -> None:
    patience = StallTimeout(0.0)
    for second in range(100):
        patience.note(second * 10, float(second))
    assert patience.is_over(99.0)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.retry import (
    RateGate,
    backoff_seconds,
    certainly_not_started,
    retry_after_seconds,
)
from airflow_provider_wiro.exceptions import (
    WiroConcurrencyLimitError,
    WiroConnectionError,
    WiroRateLimitError,
    WiroResponseError,
    WiroServerError,
    WiroValidationError,
)
from tests.api.fake_transport import NOON, quick


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("99999999999999999999", 999_999_999.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 13:00:30 +0100", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(header: str, seconds: float) -> None:
    assert retry_after_seconds({"retry-after": header}, NOON) == seconds


@pytest.mark.parametrize(
    "header",
    ["", "-5", "soon", "1.5", "²", "٣", "Mon, 23 Nov 2026 12:00:30", "Mon, 99 Nov 2026 12:00:30 GMT", "NaN"],
)
def test_a_retry_after_that_cannot_be_read_asks_for_nothing(header: str) -> None:
    assert retry_after_seconds({"retry-after": header}, NOON) is None


def test_no_retry_after_asks_for_nothing() -> None:
    assert retry_after_seconds({}, NOON) is None


@quick
@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,4} [A-Z][a-z]{2} \d{1,6} \d+:\d+:\d+ .{0,6}"))
def test_no_retry_after_is_an_error(header: str) -> None:
    seconds = retry_after_seconds({"retry-after": header}, NOON)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("attempt", "least", "most"),
    [(1, 0.5, 1.0), (2, 1.0, 2.0), (3, 2.0, 4.0), (5, 8.0, 16.0), (6, 15.0, 30.0), (10_000, 15.0, 30.0)],
)
def test_pauses_double_up_to_half_a_minute_and_spread(attempt: int, least: float, most: float) -> None:
    assert backoff_seconds(attempt, 0.0) == least
    assert backoff_seconds(attempt, 1.0) == most
    assert least < backoff_seconds(attempt, 0.5) < most


@pytest.mark.parametrize(
    "error",
    [
        WiroValidationError("", code=0, http_status=200),
        WiroRateLimitError("", http_status=429),
        WiroConcurrencyLimitError("", code=96, http_status=200),
        WiroConcurrencyLimitError("", code=96, http_status=500),
        WiroServerError("", http_status=503),
    ],
)
def test_a_run_that_was_explicitly_refused_has_not_started(error: WiroServerError) -> None:
    assert certainly_not_started(error, was_sent=True)


@pytest.mark.parametrize(
    "error",
    [
        WiroServerError("", http_status=500),
        WiroServerError("", http_status=502),
        WiroServerError("", http_status=504),
        WiroResponseError("an empty body"),
        WiroConnectionError("timeout"),
    ],
)
def test_any_other_failure_of_a_sent_run_leaves_open_whether_it_started(error: WiroServerError) -> None:
    assert not certainly_not_started(error, was_sent=True)


def test_a_run_that_never_left_has_not_started() -> None:
    assert certainly_not_started(WiroConnectionError("refused"), was_sent=False)


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_an_open_gate_lets_through_at_once() -> None:
    assert RateGate(Clock()).wait_seconds() == 0.0


def test_a_closed_gate_opens_by_itself() -> None:
    clock = Clock()
    gate = RateGate(clock)
    gate.close(10)

    assert gate.wait_seconds() == 10.0
    clock.seconds += 4
    assert gate.wait_seconds() == 6.0
    clock.seconds += 6
    assert gate.wait_seconds() == 0.0


def test_a_shorter_wait_does_not_open_a_gate_early() -> None:
    gate = RateGate(Clock())
    gate.close(10)
    gate.close(2)
    assert gate.wait_seconds() == 10.0


@pytest.mark.parametrize("asked", [61.0, 86_400.0, 999_999_999.0])
def test_no_server_delays_the_other_calls_for_more_than_a_minute(asked: float) -> None:
    gate = RateGate(Clock())
    gate.close(asked)
    assert gate.wait_seconds() == 45.0


def test_an_urgent_call_bypasses_a_closed_gate_and_leaves_it_closed() -> None:
    gate = RateGate(Clock())
    gate.close(10)

    assert gate.bypass().wait_seconds() == 0.0
    gate.bypass().close(50)
    assert gate.wait_seconds() == 10.0

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.polling import Polling, check_poll_interval, slot_pause_seconds
from airflow_provider_wiro.exceptions import WiroUsageError
from tests.api.fake_transport import NOON, quick


def _after(seconds: float) -> Any:
    return NOON + timedelta(seconds=seconds)


@quick
@given(st.floats(0, 10**7), st.floats(0, 1, exclude_max=True))
def test_an_adaptive_pause_is_never_under_0_8_and_never_over_30_seconds(age: float, chance: float) -> None:
    assert 0.8 <= Polling(NOON).pause_seconds(_after(age), chance) <= 30.0


@pytest.mark.parametrize(
    ("age", "shortest", "longest"),
    [(0, 0.8, 1.0), (60, 8.64, 10.8), (3600, 24.0, 30.0), (86_400, 24.0, 30.0)],
)
def test_an_adaptive_pause_grows_with_the_tasks_age(age: float, shortest: float, longest: float) -> None:
    assert Polling(NOON).pause_seconds(_after(age), 0.0) == pytest.approx(shortest)
    assert Polling(NOON).pause_seconds(_after(age), 1.0) == pytest.approx(longest)


def test_a_fixed_interval_is_kept_whatever_the_age() -> None:
    polling = Polling(NOON, interval_seconds=7.5)
    assert [polling.pause_seconds(_after(age), 0.3) for age in (0, 60, 86_400)] == [7.5, 7.5, 7.5]


def test_no_pause_goes_beyond_the_deadline() -> None:
    polling = Polling(NOON, deadline=_after(100), interval_seconds=60)
    assert polling.pause_seconds(_after(30), 0.5) == 60.0
    assert polling.pause_seconds(_after(97), 0.5) == 3.0
    assert polling.pause_seconds(_after(500), 0.5) == 0.0


def test_it_is_over_at_the_deadline_and_never_without_one() -> None:
    polling = Polling(NOON, deadline=_after(100))
    assert not polling.is_over(_after(99.9))
    assert polling.is_over(_after(100))
    assert not Polling(NOON).is_over(_after(10**9))


def test_a_clock_before_the_start_counts_as_no_age() -> None:
    assert Polling(NOON).age_seconds(_after(-3600)) == 0.0
    assert Polling(NOON).pause_seconds(_after(-3600), 0.5) == pytest.approx(0.9)


def _polls(run_seconds: float, chance: random.Random) -> tuple[int, float]:
    """Return how many polls a task takes, and how late its end is detected."""
    age, polls = 0.0, 0
    while True:
        age += Polling(NOON).pause_seconds(_after(age), chance.random())
        polls += 1
        if age >= run_seconds:
            return polls, age - run_seconds


def test_the_end_is_detected_on_average_a_tenth_of_the_run_time_late() -> None:
    chance = random.Random(20261123)
    shares = []
    for _ in range(1500):
        run_seconds = chance.uniform(10, 600)
        _, late = _polls(run_seconds, chance)
        assert late <= 30
        shares.append(late / run_seconds)
    assert sum(shares) / len(shares) <= 0.10
    assert sorted(shares)[len(shares) // 2] <= 0.10


def test_a_task_of_a_minute_takes_about_20_polls_and_one_of_an_hour_less_than_200() -> None:
    chance = random.Random(20261123)
    assert max(_polls(60, chance)[0] for _ in range(200)) <= 25
    assert max(_polls(3600, chance)[0] for _ in range(50)) <= 170


@pytest.mark.parametrize(("given_", "taken"), [(None, None), (5, 5.0), (0.2, 0.2), (86_400, 86_400.0)])
def test_a_poll_interval_is_a_number_of_seconds(given_: float | None, taken: float | None) -> None:
    assert check_poll_interval(given_) == taken


@pytest.mark.parametrize(
    "bad", [0, -1, 86_401, float("inf"), float("nan"), True, "5", [5], timedelta(seconds=5)]
)
def test_anything_else_is_no_poll_interval(bad: Any) -> None:
    with pytest.raises(WiroUsageError, match="Expected poll_interval as a positive number of seconds"):
        check_poll_interval(bad)


@pytest.mark.parametrize(
    ("attempt", "least", "most"), [(1, 2.5, 5.0), (2, 5.0, 10.0), (5, 30.0, 60.0), (10_000, 30.0, 60.0)]
)
def test_pauses_between_tries_for_a_slot_grow(attempt: int, least: float, most: float) -> None:
    assert slot_pause_seconds(attempt, 0.0) == least
    assert slot_pause_seconds(attempt, 1.0) == most

"""The limit of runs in flight; the clock is an argument."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.batch.concurrency import RAISE_AFTER_SECONDS, ActiveLimit
from tests.api.fake_transport import quick

NOW = 1_000_000.0


def limit(most: int = 20, **settings: int) -> ActiveLimit:
    return ActiveLimit(most, lambda: 1.0, **settings)


def test_without_a_refusal_the_limit_is_the_users() -> None:
    assert limit(20).allows(19, NOW)
    assert not limit(20).allows(20, NOW)


def test_a_refusal_lowers_the_limit_to_the_runs_in_flight() -> None:
    found = limit()
    found.refused(5, NOW)

    assert not found.allows(5, NOW)
    assert found.allows(4, NOW)


def test_time_without_a_refusal_raises_the_limit_in_doubling_steps_to_the_users() -> None:
    found = limit(20)
    found.refused(5, NOW)
    for step, raised in enumerate([6, 8, 12, 20, 20], 1):
        found.allows(0, NOW + step * RAISE_AFTER_SECONDS)
        assert found.current == raised
        found.allows(0, NOW + step * RAISE_AFTER_SECONDS + 1)
        assert found.current == raised
    assert found.next_change_at(20) is None


def test_hundreds_are_back_two_minutes_after_the_last_refusal() -> None:
    found = limit(500)
    found.refused(1, NOW)
    for second in range(136):
        found.allows(0, NOW + second)

    assert found.current == 500


def test_after_a_refusal_the_steps_are_small_again() -> None:
    found = limit(100)
    found.refused(5, NOW)
    for step in (1, 2, 3):
        found.allows(0, NOW + step * RAISE_AFTER_SECONDS)
    found.refused(9, NOW + 50)
    found.allows(0, NOW + 50 + RAISE_AFTER_SECONDS)

    assert found.current == 10


def test_a_probe_that_is_refused_lowers_it_again() -> None:
    found = limit()
    found.refused(5, NOW)
    assert found.allows(5, NOW + RAISE_AFTER_SECONDS)
    found.refused(5, NOW + RAISE_AFTER_SECONDS)

    assert not found.allows(5, NOW + 2 * RAISE_AFTER_SECONDS - 1)
    assert found.next_change_at(5) == NOW + 2 * RAISE_AFTER_SECONDS


def test_many_refusals_at_once_leave_the_slots_that_were_taken() -> None:
    """Eight were sent while two ran; Wiro accepts three of the eight and refuses five."""
    found = limit()
    for others in (9, 8, 7, 6, 5):
        found.refused(others, NOW)

    assert found.current == 5


def test_with_no_run_in_flight_it_waits_longer_and_longer() -> None:
    found = limit()
    moments = []
    now = NOW
    for _ in range(6):
        assert found.allows(0, now)
        found.refused(0, now)
        assert not found.allows(0, now)
        moments.append((found.next_change_at(0) or 0) - now)
        now = found.next_change_at(0) or 0
    assert moments == [5, 10, 20, 40, 60, 60]
    found.accepted()
    found.refused(0, now)
    assert (found.next_change_at(0) or 0) - now == 5


def test_the_limit_from_before_a_deferral_is_kept_and_raised_for_the_time_since() -> None:
    """Between two deferrals it only fills free slots, for a second: otherwise the limit would never rise."""
    found = limit(20, current=4)

    assert found.allows(5, NOW)
    assert not found.allows(6, NOW)
    assert limit(20, current=50).current == 20
    assert limit(20, current=0).current == 1


@given(st.lists(st.tuples(st.sampled_from(["refuse", "accept", "wait"]), st.integers(0, 30)), max_size=60))
@quick
def test_the_limit_always_stays_between_one_and_the_users(steps: list[tuple[str, int]]) -> None:
    found, now = limit(10), NOW
    for what, number in steps:
        if what == "refuse":
            found.refused(number, now)
        elif what == "accept":
            found.accepted()
        now += number
        found.allows(number, now)
        assert 1 <= found.current <= 10
        change_at = found.next_change_at(0)
        assert change_at is not None
        assert found.allows(0, max(now, change_at))

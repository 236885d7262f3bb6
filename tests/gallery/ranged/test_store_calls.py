"""A slow store, or one that is out, takes few of the API server's threads, and none for long."""

from __future__ import annotations

import pytest

from airflow_provider_wiro.gallery.ranged.store_calls import OUT_SECONDS, BusyError, StoreCalls


def test_more_calls_than_allowed_are_refused_and_not_queued_for_long() -> None:
    calls = StoreCalls(most=2, patience=0.01)
    with (
        calls.one("a"),
        calls.one("b"),
        pytest.raises(BusyError, match="Too many outputs"),
        calls.one("c"),
    ):
        raise AssertionError
    with calls.one("a"):
        pass


def test_a_call_that_fails_makes_room_again() -> None:
    calls = StoreCalls(most=1, patience=0.01)
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), calls.one("a"):
            raise ValueError("x")


def test_a_store_that_is_out_is_asked_again_after_a_short_time_and_others_at_once() -> None:
    clock = [0.0]
    calls = StoreCalls(lambda: clock[0])
    calls.note_out("a", "It is out.")
    with pytest.raises(BusyError, match="It is out") as caught, calls.one("a"):
        pass
    assert caught.value.status == 503
    with calls.one("b"):
        pass
    clock[0] = OUT_SECONDS
    with calls.one("a"):
        pass

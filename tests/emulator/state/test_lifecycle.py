from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.emulator.catalog.model import Timing
from airflow_provider_wiro.emulator.state.lifecycle import (
    TERMINAL,
    TRANSITIONS,
    Detour,
    Status,
    plan_lifecycle,
)

moments = st.floats(min_value=0, max_value=100, allow_nan=False)
LADDER = [
    "task_queue",
    "task_accept",
    "task_preprocess_start",
    "task_preprocess_end",
    "task_assign",
    "task_start",
    "task_output",
    "task_output_full",
    "task_end",
    "task_postprocess_start",
    "task_postprocess_end",
]


def test_an_ordinary_lifecycle_has_the_documented_order() -> None:
    lifecycle = plan_lifecycle(Timing(), created=0)
    assert [step.status for step in lifecycle.steps] == LADDER
    assert lifecycle.steps[-1].moment == pytest.approx(8)


def test_the_shares_of_every_phase_add_up_to_the_whole_phase() -> None:
    for phase in ("queue", "prepare", "run", "finish"):
        shares = [transition.share for transition in TRANSITIONS.values() if transition.phase == phase]
        assert sum(shares) == pytest.approx(1)


def test_speed_shortens_the_waiting_and_leaves_the_order() -> None:
    lifecycle = plan_lifecycle(Timing(), created=100, speed=50)
    assert [step.status for step in lifecycle.steps] == LADDER
    assert lifecycle.steps[-1].moment == pytest.approx(100 + 8 / 50)


@given(moments, moments)
def test_time_never_leads_back_to_an_earlier_status(one: float, other: float) -> None:
    lifecycle = plan_lifecycle(Timing(), created=0)
    earlier, later = sorted((one, other))
    assert LADDER.index(lifecycle.status_at(earlier)) <= LADDER.index(lifecycle.status_at(later))


@given(moments, moments)
def test_a_stop_ends_a_lifecycle_at_its_moment_and_keeps_the_earlier_steps(stop: float, now: float) -> None:
    lifecycle = plan_lifecycle(Timing(), created=0)
    stopped = lifecycle.stopped(stop)
    expected = Status.CANCEL if now >= stop else lifecycle.status_at(now)
    assert stopped.status_at(now) == expected


@pytest.mark.parametrize(
    ("detour", "last"),
    [
        (Detour(Status.QUEUE, None), "task_queue"),
        (Detour(Status.OUTPUT, None), "task_output"),
        (Detour(Status.PREPROCESS_START, Status.ERROR), "task_error"),
        (Detour(Status.PREPROCESS_START, Status.ERROR, Status.QUEUE, 30), "task_postprocess_end"),
        (Detour(Status.START, "task_warp"), "task_warp"),
        (Detour(Status.START, "task_warp", Status.OUTPUT), "task_postprocess_end"),
    ],
)
def test_a_detour_leads_where_it_says(detour: Detour, last: str) -> None:
    lifecycle = plan_lifecycle(Timing(), created=0, detour=detour)
    assert lifecycle.status_at(1_000_000) == last
    assert lifecycle.is_terminal_at(1_000_000) == (last in TERMINAL)
    assert all(first.moment <= second.moment for first, second in pairwise(lifecycle.steps))
    assert lifecycle.next_moment(1_000_000) is None

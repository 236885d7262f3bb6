"""conversations.look_at_task: one poll of a task that is known to be there, with a paid task's patience."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_wiro.api.operations import look_at_task
from airflow_provider_wiro.exceptions import (
    WiroAuthenticationError,
    WiroConnectionError,
    WiroNotFoundError,
    WiroTaskTimeoutError,
)
from tests.api.fake_transport import (
    CUT_OFF,
    HTML_502,
    NO_TASK_YET,
    NOON,
    Outcome,
    World,
    answered,
    detail,
    refused,
)

RUNNING = detail("task_start")


@pytest.mark.parametrize("how", [HTML_502, CUT_OFF, answered(429), refused(0, "Something went wrong.")])
def test_an_outage_is_ridden_out_for_the_patience_and_no_longer(how: Outcome) -> None:
    world = World(lambda _: RUNNING if world.elapsed >= 90 else how)
    assert world.drive(look_at_task("2221", world.outside, patience_seconds=100)).status == "task_start"

    for patience in (0.0, 20.0, 300.0):
        world = World(how)
        with pytest.raises(WiroConnectionError, match="Lost sight of Wiro task 2221"):
            world.drive(look_at_task("2221", world.outside, patience_seconds=patience))
        assert patience <= world.elapsed <= patience + 31


def test_a_deadline_ends_it_sooner_as_a_timeout_so_that_the_task_gets_stopped() -> None:
    world = World(HTML_502)
    with pytest.raises(WiroTaskTimeoutError, match="2221 did not end before its deadline"):
        world.drive(look_at_task("2221", world.outside, deadline=NOON + timedelta(seconds=40)))
    assert world.elapsed == 40


def test_after_the_deadline_it_is_polled_once_all_the_same() -> None:
    past = NOON - timedelta(hours=1)
    world = World(RUNNING)
    assert world.drive(look_at_task("2221", world.outside, deadline=past)).status == "task_start"

    world = World(HTML_502)
    with pytest.raises(WiroTaskTimeoutError):
        world.drive(look_at_task("2221", world.outside, deadline=past))
    assert len(world.sends) == 1


def test_the_last_poll_does_not_wait_for_a_rate_limit() -> None:
    world = World(RUNNING)
    world.outside.gate.close(50)
    world.drive(look_at_task("2221", world.outside, deadline=NOON + timedelta(seconds=5)))
    assert world.sent_at == [5]


def test_one_poll_alone_does_not_prove_that_a_task_is_unknown() -> None:
    world = World(NO_TASK_YET, refused(0, "task-not-founded"), RUNNING)
    assert world.drive(look_at_task("2221", world.outside)).status == "task_start"

    world = World(NO_TASK_YET)
    with pytest.raises(WiroNotFoundError):
        world.drive(look_at_task("2221", world.outside))
    assert world.elapsed == 30
    assert len(world.sends) > 2


@pytest.mark.parametrize("patience", [0.0, 5.0])
def test_the_half_minute_does_not_depend_on_the_patience(patience: float) -> None:
    world = World(lambda _: RUNNING if world.elapsed >= 29 else NO_TASK_YET)
    assert world.drive(look_at_task("2221", world.outside, patience_seconds=patience)).status == "task_start"

    world = World(NO_TASK_YET)
    with pytest.raises(WiroNotFoundError):
        world.drive(look_at_task("2221", world.outside, patience_seconds=patience))
    assert world.elapsed == 30


def test_waiting_for_a_task_to_be_known_leaves_the_whole_patience_for_an_outage() -> None:
    world = World(lambda _: NO_TASK_YET if world.elapsed < 25 else HTML_502)
    with pytest.raises(WiroConnectionError, match="Lost sight"):
        world.drive(look_at_task("2221", world.outside, patience_seconds=60))
    assert world.elapsed >= 25 + 60


def test_a_process_that_was_suspended_for_an_hour_polls_again() -> None:
    def answer(_: object) -> Outcome:
        if len(world.sends) == 1:
            world.now += timedelta(hours=1)
            return CUT_OFF
        return RUNNING

    world = World(answer)
    assert world.drive(look_at_task("2221", world.outside)).status == "task_start"


def test_credentials_that_are_refused_end_it_at_once() -> None:
    world = World(answered(401))
    with pytest.raises(WiroAuthenticationError):
        world.drive(look_at_task("2221", world.outside))
    assert len(world.sends) == 1

"""operations.look_at_task: one poll of a task that is known to exist, through outages."""

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
    FakeTransport,
    Outcome,
    detail,
    http_response,
    refused,
)

RUNNING = detail("task_start")


@pytest.mark.parametrize("how", [HTML_502, CUT_OFF, http_response(429), refused(0, "Something went wrong.")])
def test_an_outage_is_tolerated_for_the_patience_and_no_longer(how: Outcome) -> None:
    transport = FakeTransport(lambda _: RUNNING if transport.elapsed >= 90 else how)
    assert (
        transport.drive(look_at_task("2221", transport.context, patience_seconds=100)).status == "task_start"
    )

    for patience in (0.0, 20.0, 300.0):
        transport = FakeTransport(how)
        with pytest.raises(WiroConnectionError, match="Lost sight of Wiro task 2221"):
            transport.drive(look_at_task("2221", transport.context, patience_seconds=patience))
        assert patience <= transport.elapsed <= patience + 31


def test_a_deadline_in_an_outage_is_a_timeout_so_that_the_task_gets_stopped() -> None:
    transport = FakeTransport(HTML_502)
    with pytest.raises(WiroTaskTimeoutError, match="2221 did not end before its deadline"):
        transport.drive(look_at_task("2221", transport.context, deadline=NOON + timedelta(seconds=40)))
    assert transport.elapsed == 40


def test_after_the_deadline_the_task_is_still_polled_once() -> None:
    past = NOON - timedelta(hours=1)
    transport = FakeTransport(RUNNING)
    assert transport.drive(look_at_task("2221", transport.context, deadline=past)).status == "task_start"

    transport = FakeTransport(HTML_502)
    with pytest.raises(WiroTaskTimeoutError):
        transport.drive(look_at_task("2221", transport.context, deadline=past))
    assert len(transport.sends) == 1


def test_the_last_poll_does_not_wait_for_a_rate_limit() -> None:
    transport = FakeTransport(RUNNING)
    transport.context.gate.close(50)
    transport.drive(look_at_task("2221", transport.context, deadline=NOON + timedelta(seconds=5)))
    assert transport.sent_at == [5]


def test_one_poll_alone_does_not_prove_that_a_task_is_unknown() -> None:
    transport = FakeTransport(NO_TASK_YET, refused(0, "task-not-founded"), RUNNING)
    assert transport.drive(look_at_task("2221", transport.context)).status == "task_start"

    transport = FakeTransport(NO_TASK_YET)
    with pytest.raises(WiroNotFoundError):
        transport.drive(look_at_task("2221", transport.context))
    assert transport.elapsed == 30
    assert len(transport.sends) > 2


@pytest.mark.parametrize("patience", [0.0, 5.0])
def test_the_half_minute_for_new_tasks_does_not_depend_on_the_patience(patience: float) -> None:
    transport = FakeTransport(lambda _: RUNNING if transport.elapsed >= 29 else NO_TASK_YET)
    assert (
        transport.drive(look_at_task("2221", transport.context, patience_seconds=patience)).status
        == "task_start"
    )

    transport = FakeTransport(NO_TASK_YET)
    with pytest.raises(WiroNotFoundError):
        transport.drive(look_at_task("2221", transport.context, patience_seconds=patience))
    assert transport.elapsed == 30


def test_waiting_for_a_new_task_leaves_the_whole_patience_for_an_outage() -> None:
    transport = FakeTransport(lambda _: NO_TASK_YET if transport.elapsed < 25 else HTML_502)
    with pytest.raises(WiroConnectionError, match="Lost sight"):
        transport.drive(look_at_task("2221", transport.context, patience_seconds=60))
    assert transport.elapsed >= 25 + 60


def test_a_process_that_was_suspended_for_an_hour_polls_again() -> None:
    def answer(_: object) -> Outcome:
        if len(transport.sends) == 1:
            transport.now += timedelta(hours=1)
            return CUT_OFF
        return RUNNING

    transport = FakeTransport(answer)
    assert transport.drive(look_at_task("2221", transport.context)).status == "task_start"


def test_refused_credentials_end_it_at_once() -> None:
    transport = FakeTransport(http_response(401))
    with pytest.raises(WiroAuthenticationError):
        transport.drive(look_at_task("2221", transport.context))
    assert len(transport.sends) == 1

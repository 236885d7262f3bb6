"""stop_task: cancel or kill, as the task's state requires."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.api.stop_task import stop_task
from airflow_provider_wiro.exceptions import (
    WiroAuthenticationError,
    WiroConnectionError,
    WiroError,
    WiroNotFoundError,
    WiroNotStoppableError,
    WiroRateLimitError,
    WiroServerError,
)
from tests.api.fake_transport import (
    CUT_OFF,
    HTML_502,
    NO_TASK_YET,
    NOT_CANCELLABLE,
    NOT_KILLABLE,
    NOT_SENT,
    FakeTransport,
    Outcome,
    detail,
    http_response,
    refused,
    success,
)

if TYPE_CHECKING:
    from airflow_provider_wiro.api.flow import Send

CANCEL, KILL, DETAIL = "Task/Cancel", "Task/Kill", "Task/Detail"
STOPPED = detail("task_cancel")


class Wiro:
    """A task as Wiro treats it: cancellable while queued, killable while it runs."""

    def __init__(self, *statuses: str) -> None:
        self.statuses = list(statuses)

    def __call__(self, send: Send) -> Outcome:
        """Respond to one request; the task advances after each."""
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if send.path == DETAIL:
            return detail(status)
        is_queued = status == "task_queue"
        is_running = status in {"task_start", "task_assign", "task_error"}
        if is_queued if send.path == CANCEL else is_running:
            return STOPPED
        return NOT_CANCELLABLE if send.path == CANCEL else NOT_KILLABLE


def test_a_queued_task_is_cancelled_and_nothing_else_is_sent() -> None:
    transport = FakeTransport(Wiro("task_queue"))
    task = transport.drive(stop_task("2221", transport.context))

    assert task is not None
    assert task.is_cancelled
    assert transport.paths == [CANCEL]
    assert json.loads(transport.sends[0].body.json or "") == {"taskid": "2221"}


def test_a_running_task_is_killed_when_it_cannot_be_cancelled() -> None:
    transport = FakeTransport(Wiro("task_start"))
    task = transport.drive(stop_task("2221", transport.context))

    assert task is not None
    assert task.is_cancelled
    assert transport.paths == [CANCEL, KILL]
    assert transport.pauses == []


def test_a_task_that_is_known_to_run_is_killed_first() -> None:
    transport = FakeTransport(Wiro("task_start"))
    transport.drive(stop_task("2221", transport.context, is_running=True))
    assert transport.paths == [KILL]


def test_a_queued_task_taken_for_running_is_cancelled() -> None:
    transport = FakeTransport(Wiro("task_queue"))
    transport.drive(stop_task("2221", transport.context, is_running=True))
    assert transport.paths == [KILL, CANCEL]


def test_a_task_that_starts_between_the_two_calls_is_killed() -> None:
    transport = FakeTransport(Wiro("task_assign", "task_start"))
    transport.drive(stop_task("2221", transport.context))
    assert transport.paths == [CANCEL, KILL]


def test_a_stop_is_retried_while_the_task_is_between_two_states() -> None:
    transport = FakeTransport(Wiro("task_accept", "task_accept", "task_accept", "task_start"))
    transport.drive(stop_task("2221", transport.context))
    assert transport.paths == [CANCEL, KILL, DETAIL, KILL]
    assert transport.pauses == [0.375]


def test_a_task_that_waits_for_a_requeue_is_killed_like_a_running_one() -> None:
    transport = FakeTransport(Wiro("task_error"))
    transport.drive(stop_task("2221", transport.context))
    assert transport.paths == [CANCEL, KILL]


def test_several_tries_of_both_calls_fit_into_the_seconds_of_a_kill() -> None:
    """Between accept and assign neither works; here that ends after 3 s."""

    def answer(send: Send) -> Outcome:
        if send.path == DETAIL:
            return detail("task_accept")
        if send.path == CANCEL:
            return NOT_CANCELLABLE
        return STOPPED if transport.elapsed >= 3 else NOT_KILLABLE

    transport = FakeTransport(answer)
    transport.drive(stop_task("2221", transport.context, patience_seconds=3.3))
    assert transport.paths.count(KILL) == 5
    assert transport.elapsed <= 3.3


def test_a_task_that_ends_by_itself_between_tries_is_left_as_it_is() -> None:
    transport = FakeTransport(Wiro(*["task_accept"] * 9, "task_postprocess_end"))
    task = transport.drive(stop_task("2221", transport.context))
    assert task is not None
    assert task.status == "task_postprocess_end"


def test_a_task_that_returned_to_the_queue_is_cancelled_first() -> None:
    transport = FakeTransport(Wiro("task_accept", "task_accept", "task_queue"))
    transport.drive(stop_task("2221", transport.context, is_running=True))
    assert transport.paths == [KILL, CANCEL, DETAIL, CANCEL]


@pytest.mark.parametrize("status", ["task_postprocess_end", "task_cancel"])
@pytest.mark.parametrize("is_running", [False, True])
def test_a_task_that_has_ended_is_left_as_it_is_without_an_error(status: str, is_running: bool) -> None:
    transport = FakeTransport(Wiro(status))
    task = transport.drive(stop_task("2221", transport.context, is_running=is_running))

    assert task is not None
    assert task.status == status
    assert sorted(transport.paths) == [CANCEL, DETAIL, KILL]


def test_a_stop_that_wiro_accepts_without_showing_the_task_counts() -> None:
    transport = FakeTransport(success())
    assert transport.drive(stop_task("2221", transport.context)) is None


def test_a_stop_gives_up_after_its_patience_and_reports_that_the_task_may_still_run() -> None:
    transport = FakeTransport(Wiro("task_accept"))
    with pytest.raises(WiroNotStoppableError) as raised:
        transport.drive(stop_task("2221", transport.context, patience_seconds=60))
    assert transport.elapsed == 60
    message = str(raised.value)
    assert "2221 may still run" in message
    assert "task_accept" in message
    assert "could not be killed: not running" in message
    assert "not in a cancellable state" in message


@pytest.mark.parametrize(
    "refusal",
    [refused(1, "tool-not-accessible"), refused(0, "Something went wrong."), refused(0, "invalid")],
)
def test_no_refusal_is_final_while_the_task_runs(refusal: Outcome) -> None:
    def answer(send: Send) -> Outcome:
        if send.path == DETAIL:
            return detail("task_assign")
        return STOPPED if transport.elapsed > 20 else refusal

    transport = FakeTransport(answer)
    transport.drive(stop_task("2221", transport.context))

    never = FakeTransport(lambda send: detail("task_assign") if send.path == DETAIL else refusal)
    with pytest.raises(WiroError, match="may still run"):
        never.drive(stop_task("2221", never.context))


@pytest.mark.parametrize("outcome", [HTML_502, CUT_OFF, NOT_SENT])
@pytest.mark.parametrize("patience", [0, 4, 60])
def test_an_outage_ends_a_stop_after_its_total_patience(outcome: Outcome, patience: float) -> None:
    transport = FakeTransport(outcome)
    with pytest.raises((WiroServerError, WiroConnectionError)):
        transport.drive(stop_task("2221", transport.context, patience_seconds=patience))
    assert transport.elapsed <= patience


def test_patience_does_not_restart_with_each_request() -> None:
    def answer(send: Send) -> Outcome:
        """Cancel comes back after 2 s, in time; Kill stays down."""
        return NOT_CANCELLABLE if send.path == CANCEL and transport.elapsed >= 2 else HTML_502

    transport = FakeTransport(answer)
    with pytest.raises(WiroServerError):
        transport.drive(stop_task("2221", transport.context, patience_seconds=4))
    assert transport.paths[:5] == [CANCEL] * 3 + [KILL] * 2
    assert set(transport.paths[5:]) == {KILL}
    assert transport.elapsed <= 4


def test_a_stop_survives_a_short_outage() -> None:
    transport = FakeTransport(HTML_502, CUT_OFF, NOT_CANCELLABLE, HTML_502, STOPPED)
    transport.drive(stop_task("2221", transport.context))
    assert transport.paths == [CANCEL] * 3 + [KILL] * 2


def test_a_stop_does_not_wait_for_other_calls_rate_limit() -> None:
    transport = FakeTransport(Wiro("task_queue"))
    transport.context.gate.close(600)
    transport.drive(stop_task("2221", transport.context))
    assert transport.sent_at == [0]


def test_a_rate_limited_stop_waits_as_requested_within_its_patience() -> None:
    transport = FakeTransport(http_response(429, b"", retry_after="10"), STOPPED)
    transport.drive(stop_task("2221", transport.context))
    assert transport.sent_at == [0, 10]

    assert transport.context.gate.wait_seconds() == 0.0


def test_a_stop_asked_to_wait_longer_than_its_patience_tries_anyway() -> None:
    """Each minute of a task costs money, and the limit can be over sooner."""
    transport = FakeTransport(
        http_response(429, b"", retry_after="86400"), http_response(429, b"", retry_after="86400"), STOPPED
    )
    transport.drive(stop_task("2221", transport.context, patience_seconds=3.3))
    assert transport.elapsed <= 3.3

    transport = FakeTransport(http_response(429, b"", retry_after="86400"))
    with pytest.raises(WiroRateLimitError, match="may still run"):
        transport.drive(stop_task("2221", transport.context, patience_seconds=60))
    assert transport.elapsed == 60
    assert len(transport.sends) <= 20


@pytest.mark.parametrize("refusal", [http_response(401), http_response(403)])
def test_credentials_that_are_refused_end_the_attempt_at_once(refusal: Outcome) -> None:
    transport = FakeTransport(refusal)
    with pytest.raises(WiroAuthenticationError):
        transport.drive(stop_task("2221", transport.context))
    assert transport.paths == [CANCEL]


def test_a_task_that_does_not_exist_is_an_error_after_half_a_minute() -> None:
    transport = FakeTransport(NO_TASK_YET)
    with pytest.raises(WiroNotFoundError):
        transport.drive(stop_task("2221", transport.context))
    assert 30 <= transport.elapsed <= 40
    assert transport.paths[:3] == [CANCEL, KILL, DETAIL]


def test_a_task_that_was_just_started_is_stopped_as_soon_as_wiro_knows_it() -> None:
    transport = FakeTransport(*[NO_TASK_YET] * 4, STOPPED)
    transport.drive(stop_task("2221", transport.context))
    assert transport.paths == [CANCEL, KILL, DETAIL, CANCEL, KILL]

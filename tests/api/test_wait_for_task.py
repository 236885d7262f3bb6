"""operations.wait_for_task: following a task to its end."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.api.operations import wait_for_task
from airflow_provider_wiro.api.polling import Polling
from airflow_provider_wiro.exceptions import (
    WiroApiError,
    WiroAuthenticationError,
    WiroConnectionError,
    WiroError,
    WiroNotFoundError,
    WiroServerError,
    WiroTaskTimeoutError,
)
from tests.api.fake_transport import (
    CUT_OFF,
    HTML_502,
    NO_TASK_YET,
    NOON,
    NOT_SENT,
    FakeTransport,
    Outcome,
    detail,
    http_response,
    refused,
)

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task

#: An error without a reason.
VAGUE = [
    refused(0, "Something went wrong."),
    refused(0, "Something went wrong.", status=400),
    refused(42, "oops"),
    http_response(200, {"result": False, "errors": ["Something went wrong."]}),
    http_response(200, {"result": False}),
    http_response(408),
    http_response(409),
    http_response(425),
    http_response(499),
    http_response(521),
]
RUNNING, DONE = detail("task_start"), detail("task_postprocess_end", pexit="0")
DEADLINE = NOON + timedelta(seconds=100)


class Watch:
    """Follows one task and records what was observed."""

    def __init__(self, transport: FakeTransport) -> None:
        self.transport = transport
        self.seen: list[str] = []

    def wait(self, polling: Polling | None = None, **options: bool | float) -> Task:
        return self.transport.drive(
            wait_for_task(
                "2221",
                self.transport.context,
                polling or Polling(NOON),
                observe=lambda task: self.seen.append(task.status),
                **options,  # type: ignore[arg-type]
            )
        )


def _down(
    transport: FakeTransport, start: float, end: float, how: Outcome = HTML_502, ends_at: float = 10**6
) -> FakeTransport:
    """Let the task run until ``ends_at``, and fail each poll from ``start`` to ``end``."""

    def answer(_: object) -> Outcome:
        if start <= transport.elapsed < end:
            return how
        return DONE if transport.elapsed >= ends_at else RUNNING

    transport.answers = [answer]
    return transport


def test_a_task_is_followed_to_its_end_and_each_poll_is_observed() -> None:
    watch = Watch(FakeTransport(detail("task_queue"), RUNNING, detail("task_end"), DONE))

    assert watch.wait().has_succeeded
    assert watch.seen == ["task_queue", "task_start", "task_end", "task_postprocess_end"]
    assert set(watch.transport.paths) == {"Task/Detail"}


@pytest.mark.parametrize("status", ["task_postprocess_end", "task_cancel"])
def test_every_ended_task_is_returned_without_an_error(status: str) -> None:
    watch = Watch(FakeTransport(detail(status)))
    assert watch.wait().status == status
    assert watch.transport.pauses == []


def test_an_unknown_status_means_still_running() -> None:
    watch = Watch(FakeTransport(detail("task_dreaming"), detail(""), DONE))
    watch.wait()
    assert watch.seen == ["task_dreaming", "", "task_postprocess_end"]


def test_an_error_before_the_model_ran_is_followed_through_its_requeue() -> None:
    watch = Watch(
        FakeTransport(detail("task_error", debugerror="no machine"), detail("task_queue"), RUNNING, DONE)
    )

    assert watch.wait().has_succeeded
    assert watch.seen == ["task_error", "task_queue", "task_start", "task_postprocess_end"]


def test_an_error_before_the_model_ran_that_stays_is_a_timeout_that_quotes_it() -> None:
    watch = Watch(FakeTransport(detail("task_error", debugerror="Traceback\nno machine")))
    with pytest.raises(WiroTaskTimeoutError, match=r"\(last status: task_error: no machine\)"):
        watch.wait(Polling(NOON, DEADLINE))


def test_a_task_that_was_just_polled_is_not_polled_again_at_once() -> None:
    watch = Watch(FakeTransport(DONE))
    watch.wait(is_seen=True)
    assert watch.transport.sent_at == [pytest.approx(0.9)]


def test_a_fixed_interval_is_kept() -> None:
    watch = Watch(FakeTransport(RUNNING, RUNNING, RUNNING, DONE))
    watch.wait(Polling(NOON, interval_seconds=5))
    assert watch.transport.sent_at == [0, 5, 10, 15]


def test_a_day_of_polling_never_pauses_for_more_than_half_a_minute() -> None:
    transport = _down(FakeTransport(chance=random.Random(23).random), 0, 0, ends_at=86_400)
    Watch(transport).wait()

    assert max(transport.pauses) <= 30
    assert transport.elapsed <= 86_430
    assert 2880 <= len(transport.sends) <= 3700


# The deadline


def test_at_the_deadline_there_is_one_last_poll_and_then_a_timeout() -> None:
    watch = Watch(FakeTransport(RUNNING))
    with pytest.raises(
        WiroTaskTimeoutError, match=r"2221 did not end .* \(last status: task_start\)"
    ) as raised:
        watch.wait(Polling(NOON, DEADLINE, 30))

    assert watch.transport.sent_at == [0, 30, 60, 90, 100]
    assert raised.value.wiro_task_id == "2221"


def test_a_task_that_ends_just_before_the_deadline_is_no_timeout() -> None:
    transport = _down(FakeTransport(), 0, 0, ends_at=99)
    assert Watch(transport).wait(Polling(NOON, DEADLINE, 30)).has_succeeded


def test_the_deadline_is_absolute_so_a_restart_does_not_renew_it() -> None:
    watch = Watch(FakeTransport(RUNNING))
    watch.transport.now = NOON + timedelta(seconds=95)
    with pytest.raises(WiroTaskTimeoutError):
        watch.wait(Polling(NOON, DEADLINE), is_seen=True)
    assert watch.transport.elapsed == 100


def test_after_the_deadline_a_finished_task_is_still_found_by_the_one_poll() -> None:
    watch = Watch(FakeTransport(DONE))
    watch.transport.now = NOON + timedelta(days=2)
    assert watch.wait(Polling(NOON, DEADLINE)).has_succeeded


def test_a_poll_that_took_until_after_the_deadline_is_not_the_last_poll() -> None:
    transport = FakeTransport()

    def answer(_: object) -> Outcome:
        transport.now += timedelta(seconds=101)
        return RUNNING if len(transport.sends) == 1 else DONE

    transport.answers = [answer]
    assert Watch(transport).wait(Polling(NOON, DEADLINE)).has_succeeded


@pytest.mark.parametrize(
    "how", [HTML_502, CUT_OFF, http_response(429), http_response(429, b"", retry_after="3600")]
)
def test_a_deadline_during_an_outage_is_a_timeout_so_that_the_task_gets_stopped(
    how: Outcome,
) -> None:
    transport = _down(FakeTransport(), 10, 10**6, how)
    with pytest.raises(WiroTaskTimeoutError):
        Watch(transport).wait(Polling(NOON, DEADLINE))
    assert transport.elapsed == 100

    down_for_longer_than_patience = _down(FakeTransport(), 0, 10**6, how)
    with pytest.raises(WiroTaskTimeoutError):
        Watch(down_for_longer_than_patience).wait(
            Polling(NOON, NOON + timedelta(seconds=301), interval_seconds=600)
        )


# Outages


@pytest.mark.parametrize(
    "how", [HTML_502, CUT_OFF, NOT_SENT, http_response(429), http_response(200, b"<html>")]
)
@pytest.mark.parametrize("begin", [0, 5, 1000])
def test_an_outage_of_four_minutes_is_tolerated(begin: float, how: Outcome) -> None:
    transport = _down(FakeTransport(), begin, begin + 240, how, ends_at=begin + 400)
    assert Watch(transport).wait().has_succeeded


@pytest.mark.parametrize("begin", [0, 1000])
def test_one_of_six_minutes_fails_with_the_error_of_the_last_poll(begin: float) -> None:
    transport = _down(FakeTransport(), begin, begin + 360)
    lost = r"Lost sight of Wiro task .*may still run: .*HTTP 5"
    with pytest.raises(WiroConnectionError, match=lost) as failure:
        Watch(transport).wait()
    assert isinstance(failure.value.__cause__, WiroServerError)
    assert begin + 270 <= transport.elapsed <= begin + 360


@pytest.mark.parametrize("begin", [0, 50])
def test_a_process_that_was_suspended_for_an_hour_polls_again_before_it_gives_up(begin: float) -> None:
    """A frozen VM: the poll in flight fails after an hour, although Wiro was up all the time."""
    transport = FakeTransport()

    def answer(_: object) -> Outcome:
        if begin <= transport.elapsed < 3600:
            transport.now += timedelta(hours=1)
            return CUT_OFF
        return DONE if transport.elapsed >= 3600 else RUNNING

    transport.answers = [answer]
    assert Watch(transport).wait().has_succeeded


@pytest.mark.parametrize("interval", [200, 600, 3600])
def test_a_single_failed_poll_is_tolerated_however_rare_polls_are(interval: float) -> None:
    transport = _down(FakeTransport(), 1, interval + 1, ends_at=3 * interval)
    assert Watch(transport).wait(Polling(NOON, interval_seconds=interval)).has_succeeded


@pytest.mark.parametrize("refusal", VAGUE)
def test_an_error_without_a_reason_is_tolerated_like_a_5xx(refusal: Outcome) -> None:
    assert Watch(_down(FakeTransport(), 5, 240, refusal, ends_at=400)).wait().has_succeeded

    with pytest.raises(WiroConnectionError, match="Lost sight"):
        Watch(_down(FakeTransport(), 5, 10**6, refusal)).wait()


@pytest.mark.parametrize(
    "refusal",
    [
        refused(0, "You don't have any permission for this action."),
        refused(0, "Request parameter [taskid] required"),
        refused(0, "Project authorization is not valid."),
        refused(0, "Your account has been suspended."),
        refused(97, "Only a team admin can perform this action"),
    ],
)
def test_a_permanent_error_ends_the_wait_at_once(refusal: Outcome) -> None:
    watch = Watch(FakeTransport(RUNNING, refusal))
    with pytest.raises(WiroApiError) as raised:
        watch.wait()
    assert not raised.value.may_retry
    assert len(watch.transport.sends) == 2


def test_patience_starts_again_with_each_poll_that_works() -> None:
    transport = FakeTransport()
    transport.answers = [
        lambda _: DONE if transport.elapsed > 3000 else HTML_502 if transport.elapsed % 300 > 60 else RUNNING
    ]
    assert Watch(transport).wait().has_succeeded


def test_a_failed_poll_is_not_repeated_at_once() -> None:
    transport = _down(FakeTransport(), 0, 20, ends_at=30)
    Watch(transport).wait(Polling(NOON, interval_seconds=10))
    assert transport.sent_at == [0, 10, 20, 30]


@pytest.mark.parametrize("refusal", [http_response(401), http_response(403)])
def test_refused_credentials_end_the_wait_at_once(refusal: Outcome) -> None:
    watch = Watch(FakeTransport(RUNNING, refusal))
    with pytest.raises(WiroAuthenticationError):
        watch.wait()
    assert len(watch.transport.sends) == 2


def test_a_rate_limit_of_a_day_hides_neither_the_end_nor_the_deadline() -> None:
    day = http_response(429, b"", retry_after="86400")
    ends_meanwhile = FakeTransport(day, DONE)
    assert Watch(ends_meanwhile).wait(Polling(NOON, DEADLINE)).has_succeeded
    assert ends_meanwhile.sent_at == [0, 45]

    other_calls_are_limited = FakeTransport(DONE)
    other_calls_are_limited.context.gate.close(86_400)
    soon = NOON + timedelta(seconds=20)
    assert Watch(other_calls_are_limited).wait(Polling(NOON, soon)).has_succeeded
    assert other_calls_are_limited.sent_at == [20]


def test_a_rate_limit_is_waited_out_before_the_next_poll() -> None:
    watch = Watch(FakeTransport(http_response(429, b"", retry_after="45"), DONE))
    watch.wait(Polling(NOON, DEADLINE))
    assert watch.transport.sent_at == [0, 45]


# "There is no task yet."


def test_a_task_that_was_just_started_may_not_be_there_yet() -> None:
    watch = Watch(FakeTransport(NO_TASK_YET, NO_TASK_YET, RUNNING, DONE))
    assert watch.wait().has_succeeded
    assert watch.seen == ["task_start", "task_postprocess_end"]


def test_after_half_a_minute_an_unknown_task_does_not_exist() -> None:
    watch = Watch(FakeTransport(NO_TASK_YET))
    with pytest.raises(WiroNotFoundError, match="Wiro doesn't know task 2221"):
        watch.wait()
    assert watch.transport.elapsed == 30

    old = Watch(FakeTransport(NO_TASK_YET))
    with pytest.raises(WiroNotFoundError):
        old.wait(Polling(NOON - timedelta(seconds=31)))
    assert old.transport.elapsed == 30, "one poll alone says nothing: the half minute counts from the first"


def test_an_unknown_task_that_was_polled_before_is_tolerated_like_an_outage() -> None:
    once = Watch(FakeTransport(RUNNING, RUNNING, NO_TASK_YET, DONE))
    assert once.wait(Polling(NOON - timedelta(minutes=5))).has_succeeded

    for_good = Watch(FakeTransport(RUNNING, NO_TASK_YET))
    with pytest.raises(WiroNotFoundError, match="Wiro doesn't know task 2221"):
        for_good.wait()
    assert 270 <= for_good.transport.elapsed <= 360


@pytest.mark.parametrize("words", ["There is no task yet.", "task-not-founded", "task-not-exist"])
@pytest.mark.parametrize("code", [0, 1, 42, None])
def test_the_words_for_an_unknown_task_count_under_any_code(words: str, code: int | None) -> None:
    errors: list[object] = [words] if code is None else [{"code": code, "message": words}]
    not_yet = http_response(200, {"result": False, "errors": errors})
    watch = Watch(FakeTransport(not_yet, not_yet, DONE))
    assert watch.wait().has_succeeded

    with pytest.raises(WiroNotFoundError):
        Watch(FakeTransport(not_yet)).wait(Polling(NOON - timedelta(seconds=31)))


# Clocks


@pytest.mark.parametrize("jump", [timedelta(hours=-2), timedelta(hours=2)])
def test_a_clock_that_jumps_breaks_nothing(jump: timedelta) -> None:
    transport = FakeTransport()
    answers = iter([RUNNING, RUNNING, HTML_502, RUNNING, DONE])

    def answer(_: object) -> Outcome:
        if len(transport.sends) == 2:
            transport.now += jump
        return next(answers)

    transport.answers = [answer]
    assert Watch(transport).wait().has_succeeded
    assert all(0 <= pause <= 30 for pause in transport.pauses)


def test_a_wait_raises_only_wiro_errors_whatever_happens() -> None:
    chance = random.Random(23)
    outcomes: list[Outcome] = [
        HTML_502,
        CUT_OFF,
        NOT_SENT,
        http_response(429),
        NO_TASK_YET,
        RUNNING,
        RUNNING,
        http_response(200, b""),
    ]
    for _ in range(50):
        transport = FakeTransport(lambda _: chance.choice(outcomes), chance=chance.random)
        with pytest.raises(WiroError):
            Watch(transport).wait(Polling(NOON, NOON + timedelta(hours=1)))
        assert transport.elapsed <= 3600

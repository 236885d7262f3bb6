from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.flow import Send, at_most, call
from airflow_provider_wiro.api.parameters import FileContent
from airflow_provider_wiro.api.responses import MAX_BODY_BYTES
from airflow_provider_wiro.api.signing import Credentials
from airflow_provider_wiro.exceptions import (
    WiroApiError,
    WiroAuthenticationError,
    WiroBalanceError,
    WiroConcurrencyLimitError,
    WiroConnectionError,
    WiroError,
    WiroLostRunError,
    WiroNotFoundError,
    WiroPermissionError,
    WiroRateLimitError,
    WiroResponseError,
    WiroServerError,
    WiroValidationError,
)
from tests.api.fake_transport import (
    CUT_OFF,
    HTML_502,
    KEY,
    NO_TASK_YET,
    NOON,
    NOT_SENT,
    SECRET,
    TOKEN,
    FakeTransport,
    Outcome,
    detail,
    http_response,
    refused,
    success,
)

if TYPE_CHECKING:
    from airflow_provider_wiro.api.endpoints import ApiCall

DETAIL = endpoints.get_task("2221")
RUN = endpoints.run_model("a/b", {"prompt": "x"}, {})
STARTED = success(taskid="2221", socketaccesstoken=TOKEN)
TOO_MANY = http_response(429, b"", retry_after="20")


def test_a_successful_call_is_sent_once_without_a_pause() -> None:
    transport = FakeTransport(detail("task_start"))

    assert transport.drive(call(DETAIL, transport.context)).status == "task_start"
    assert transport.paths == ["Task/Detail"]
    assert transport.sends[0].body is DETAIL.body
    assert transport.pauses == []


# Signing


def test_every_request_and_every_repeat_has_a_fresh_nonce_and_its_own_signature() -> None:
    transport = FakeTransport(HTML_502, CUT_OFF, NOT_SENT, detail("task_start"))
    transport.drive(call(DETAIL, transport.context))
    transport.drive(call(DETAIL, transport.context))

    assert len(transport.sends) == 5
    assert len({send.headers["x-nonce"] for send in transport.sends}) == 5
    assert len({send.headers["x-signature"] for send in transport.sends}) == 5


def test_key_only_mode_signs_nothing() -> None:
    transport = FakeTransport(detail("task_start"), credentials=Credentials(KEY))
    transport.drive(call(DETAIL, transport.context))
    assert transport.sends[0].headers == {"x-api-key": KEY}


def test_no_repr_of_a_request_shows_a_secret() -> None:
    transport = FakeTransport(success())
    transport.drive(call(endpoints.delete_task_files(TOKEN), transport.context))

    shown = repr(transport.sends[0]) + repr(transport.context)
    for secret in (KEY, SECRET, TOKEN, transport.sends[0].headers["x-signature"]):
        assert secret not in shown


@pytest.mark.parametrize("status", [200, 401, 403, 500, 503])
@pytest.mark.parametrize("form", ["json", "html"])
def test_no_message_shows_a_secret_that_the_server_echoes(status: int, form: str) -> None:
    def echo(send: Send) -> Outcome:
        words = f"bad signature {send.headers['x-signature']} by {KEY} with {SECRET} for {send.body.json}"
        if form == "json":
            return refused(0, words, status=status)
        return http_response(status, f"<html>{words}</html>".encode())

    for api_call in (RUN, endpoints.delete_task_files(TOKEN)):
        transport = FakeTransport(echo)
        with pytest.raises(WiroError) as raised:
            transport.drive(call(api_call, transport.context, patience_seconds=0))

        message = str(raised.value) + str(raised.value.__cause__)
        for secret in (KEY, SECRET, TOKEN, transport.sends[0].headers["x-signature"]):
            assert secret not in message


# Was a Run sent?


@pytest.mark.parametrize(
    "outcome",
    [
        NOT_SENT,
        http_response(429),
        refused(96),
        refused("96"),
        http_response(503, b"<html>busy"),
        refused(0, status=503),
    ],
)
def test_a_run_that_certainly_did_not_start_is_sent_again(outcome: Outcome) -> None:
    transport = FakeTransport(outcome, outcome, STARTED)

    assert transport.drive(call(RUN, transport.context)).wiro_task_id == "2221"
    assert transport.paths == ["Run/a/b"] * 3


LOST: list[Outcome] = [
    CUT_OFF,
    http_response(500, b""),
    refused(0, "database is gone", status=500),
    HTML_502,
    http_response(504, b"<html>timeout"),
    http_response(520, b""),
    http_response(200, b"<html>hello"),
    http_response(200, b""),
    http_response(200, b'{"result": true, "taskid": "22'),
    http_response(200, b"x" * (MAX_BODY_BYTES + 1)),
    http_response(200, {"taskid": "2221"}),
    http_response(200, {"result": None, "taskid": "2221"}),
    http_response(200, []),
    http_response(302, b""),
    success(),
    success(taskid=None),
    success(taskid=""),
]


@pytest.mark.parametrize("outcome", LOST)
def test_a_run_that_may_have_started_is_never_sent_again(outcome: Outcome) -> None:
    transport = FakeTransport(outcome, STARTED)

    with pytest.raises(WiroLostRunError, match=r"Wiro may have started the task and bill it; look for it"):
        transport.drive(call(RUN, transport.context))
    assert transport.paths == ["Run/a/b"]
    assert transport.pauses == []


@pytest.mark.parametrize("outcome", LOST[:12])
def test_every_other_call_is_repeated_after_the_same_failures(outcome: Outcome) -> None:
    transport = FakeTransport(outcome, outcome, detail("task_start"))

    assert transport.drive(call(DETAIL, transport.context)).status == "task_start"
    assert len(transport.sends) == 3


def test_a_run_lost_at_its_second_try_is_lost() -> None:
    transport = FakeTransport(http_response(503), CUT_OFF, STARTED)
    with pytest.raises(WiroLostRunError):
        transport.drive(call(RUN, transport.context))
    assert len(transport.sends) == 2


@pytest.mark.parametrize(
    "status", [408, 409, 425, 499, 500, 502, 504, 520, 521, 522, 523, 524, 525, 526, 530]
)
@pytest.mark.parametrize("body", [b"", {"result": False, "errors": [{"code": 0, "message": "Timeout"}]}])
def test_a_status_that_does_not_say_what_became_of_a_run_leaves_it_lost(status: int, body: object) -> None:
    transport = FakeTransport(http_response(status, body))
    with pytest.raises(WiroLostRunError):
        transport.drive(call(RUN, transport.context))
    assert len(transport.sends) == 1


@pytest.mark.parametrize("status", [408, 409, 425, 499, 504, 522])
def test_any_other_call_is_repeated_after_such_a_status(status: int) -> None:
    transport = FakeTransport(http_response(status), http_response(status), detail("task_start"))
    assert transport.drive(call(DETAIL, transport.context)).status == "task_start"


CAT = FileContent("cat.png", "image/png", 3, lambda: BytesIO(b"cat"))


@pytest.mark.parametrize(
    ("api_call", "fields"),
    [
        (DETAIL, {"tasklist": [{"id": "2221", "status": "task_start"}]}),
        (endpoints.list_tasks(), {"tasklist": []}),
        (endpoints.cancel_task("1"), {"tasklist": []}),
        (endpoints.kill_task("1"), {"tasklist": []}),
        (endpoints.upload_file(CAT), {"list": [{"url": "https://cdn1.wiro.ai/cat.png"}]}),
        (endpoints.delete_task_files("tok"), {}),
        (endpoints.get_model("a/b"), {"tool": [{"slugowner": "a", "slugproject": "b"}]}),
    ],
)
def test_a_repeatable_call_is_repeated_after_an_error_without_a_reason(
    api_call: ApiCall[Any], fields: dict[str, Any]
) -> None:
    transport = FakeTransport(refused(0, "Something went wrong."), success(**fields))
    transport.drive(call(api_call, transport.context))
    assert len(transport.sends) == 2


def test_an_error_without_a_reason_does_not_say_whether_a_run_was_started() -> None:
    transport = FakeTransport(refused(0, "Something went wrong."))
    reason = r"doesn't say what became of it: .* Something went wrong \(HTTP 200, code 0\)\."
    with pytest.raises(WiroLostRunError, match=reason) as raised:
        transport.drive(call(RUN, transport.context))
    assert not raised.value.was_cut_off
    assert len(transport.sends) == 1


def test_a_lost_run_keeps_what_went_wrong_as_its_cause() -> None:
    transport = FakeTransport(CUT_OFF)
    with pytest.raises(WiroLostRunError, match="connection reset") as raised:
        transport.drive(call(RUN, transport.context))
    assert type(raised.value.__cause__) is WiroConnectionError


def test_only_a_run_asks_for_a_fresh_connection() -> None:
    for api_call, answer, fresh in ((RUN, STARTED, True), (DETAIL, detail("task_start"), False)):
        transport = FakeTransport(answer)
        transport.drive(call(api_call, transport.context))
        assert transport.sends[0].needs_fresh_connection is fresh


# How long to repeat


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (refused(0, "Request parameter [x] required"), WiroValidationError),
        (refused(97, "Insufficient balance"), WiroBalanceError),
        (refused(97, "Only a team admin can perform this action"), WiroPermissionError),
        (NO_TASK_YET, WiroNotFoundError),
        (http_response(401), WiroAuthenticationError),
        (http_response(403), WiroAuthenticationError),
        (http_response(404), WiroNotFoundError),
    ],
)
@pytest.mark.parametrize("api_call", [RUN, DETAIL], ids=["Run", "Detail"])
def test_a_call_that_a_repeat_cannot_help_is_sent_once(
    api_call: endpoints.ApiCall[object], outcome: Outcome, expected: type[WiroError]
) -> None:
    transport = FakeTransport(outcome)
    with pytest.raises(expected):
        transport.drive(call(api_call, transport.context))
    assert len(transport.sends) == 1
    assert transport.pauses == []


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (HTML_502, WiroServerError),
        (NOT_SENT, WiroConnectionError),
        (CUT_OFF, WiroConnectionError),
        (http_response(200, b""), WiroResponseError),
        (http_response(429), WiroRateLimitError),
        (refused(96), WiroConcurrencyLimitError),
    ],
)
@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_patience_is_counted_in_time_and_not_in_tries(
    outcome: Outcome, expected: type[WiroError], chance: float
) -> None:
    transport = FakeTransport(outcome, chance=chance)
    with pytest.raises(expected):
        transport.drive(call(DETAIL, transport.context, patience_seconds=60))
    assert 30 <= transport.elapsed <= 60
    assert 6 <= len(transport.sends) <= 9


def test_slow_failures_use_up_patience_too() -> None:
    transport = FakeTransport(lambda _: slow())

    def slow() -> Outcome:
        transport.now += timedelta(seconds=29)
        return CUT_OFF

    with pytest.raises(WiroConnectionError):
        transport.drive(call(DETAIL, transport.context, patience_seconds=60))
    assert len(transport.sends) == 2


def test_without_patience_there_is_one_try() -> None:
    transport = FakeTransport(HTML_502)
    with pytest.raises(WiroServerError):
        transport.drive(call(DETAIL, transport.context, patience_seconds=0))
    assert len(transport.sends) == 1


def test_an_error_that_the_caller_handles_is_raised_at_once() -> None:
    transport = FakeTransport(refused(96))
    with pytest.raises(WiroConcurrencyLimitError):
        transport.drive(call(RUN, transport.context, gives_up_on=(WiroConcurrencyLimitError,)))
    assert len(transport.sends) == 1


def test_pauses_stay_within_the_bounds_of_the_backoff() -> None:
    for chance, pauses in ((0.0, [0.5, 1.0, 2.0, 4.0]), (0.5, [0.75, 1.5, 3.0, 6.0])):
        transport = FakeTransport(HTML_502, HTML_502, HTML_502, HTML_502, detail("task_start"), chance=chance)
        transport.drive(call(DETAIL, transport.context))
        assert transport.pauses == pauses


@pytest.mark.parametrize("status", [429, 503])
def test_the_server_may_ask_for_a_longer_pause_but_not_for_a_shorter_one(status: int) -> None:
    for asked, pauses in (("20", [20.0]), ("Mon, 23 Nov 2026 12:00:20 GMT", [20.0]), ("0", [0.75])):
        transport = FakeTransport(http_response(status, b"", retry_after=asked), detail("task_start"))
        transport.drive(call(DETAIL, transport.context))
        assert transport.pauses == pauses


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asked", ["120", "86400"])
def test_a_server_that_asks_for_longer_than_patience_lasts_is_asked_again_within_it(
    status: int, asked: str
) -> None:
    busy = http_response(status, b"", retry_after=asked)
    for api_call, then in ((DETAIL, detail("task_start")), (RUN, STARTED)):
        transport = FakeTransport(busy, then)
        transport.drive(call(api_call, transport.context))
        assert transport.sent_at == [0, 45]

    transport = FakeTransport(busy, busy, STARTED)
    with pytest.raises(WiroApiError):
        transport.drive(call(RUN, transport.context))
    assert transport.sent_at == [0, 45]


def test_no_pause_exceeds_the_patience() -> None:
    transport = FakeTransport(http_response(503, b"", retry_after="20"), detail("task_start"))
    with pytest.raises(WiroServerError):
        transport.drive(call(DETAIL, transport.context, patience_seconds=19))
    assert transport.pauses == []


# The rate gate


def test_a_429_makes_the_other_calls_of_the_connection_wait_as_well() -> None:
    other = FakeTransport(detail("task_start"))
    hit = FakeTransport(TOO_MANY, gate=other.context.gate)
    with pytest.raises(WiroRateLimitError):
        hit.drive(call(DETAIL, hit.context, patience_seconds=0))

    other.drive(call(DETAIL, other.context))
    assert other.pauses == [20.0]
    assert other.sent_at == [20.0]


@pytest.mark.parametrize("outcome", [http_response(503, b"", retry_after="20"), refused(96), HTML_502])
def test_nothing_but_a_429_closes_the_gate(outcome: Outcome) -> None:
    other = FakeTransport(detail("task_start"))
    hit = FakeTransport(outcome, gate=other.context.gate)
    with pytest.raises(WiroError):
        hit.drive(call(DETAIL, hit.context, patience_seconds=0))

    other.drive(call(DETAIL, other.context))
    assert other.pauses == []


def test_a_deadline_ends_the_wait_for_the_gate_and_nothing_is_sent() -> None:
    transport = FakeTransport(detail("task_start"))
    transport.context.gate.close(600)

    with pytest.raises(WiroRateLimitError, match="asks to wait 15 s more"):
        transport.drive(call(DETAIL, transport.context, deadline=NOON + timedelta(seconds=30)))
    assert transport.elapsed == 30
    assert transport.sends == []


def test_without_a_deadline_patience_ends_the_wait_for_the_gate() -> None:
    transport = FakeTransport(STARTED)
    transport.context.gate.close(50)

    with pytest.raises(WiroRateLimitError):
        transport.drive(call(RUN, transport.context, patience_seconds=40))
    assert transport.elapsed == 40
    assert transport.sends == []


@pytest.mark.parametrize("api_call", [DETAIL, RUN])
def test_a_call_is_made_although_another_was_asked_to_wait_for_a_day(
    api_call: endpoints.ApiCall[object],
) -> None:
    transport = FakeTransport(detail("task_start") if api_call is DETAIL else STARTED)
    hit = FakeTransport(http_response(429, b"", retry_after="86400"), gate=transport.context.gate)
    with pytest.raises(WiroRateLimitError):
        hit.drive(call(DETAIL, hit.context))

    transport.drive(call(api_call, transport.context))
    assert transport.sent_at == [45]


def test_with_a_deadline_a_call_waits_for_rate_limits_whatever_its_patience() -> None:
    transport = FakeTransport(TOO_MANY, TOO_MANY, TOO_MANY, STARTED)
    deadline = NOON + timedelta(seconds=90)

    transport.drive(call(RUN, transport.context, patience_seconds=0, deadline=deadline))
    assert transport.sent_at == [0, 20, 40, 60]


def test_a_clock_that_jumps_back_makes_a_call_longer_but_not_endless() -> None:
    transport = FakeTransport(lambda _: jump())

    def jump() -> Outcome:
        if len(transport.sends) == 2:
            transport.now -= timedelta(hours=1)
        return HTML_502 if len(transport.sends) < 6 else detail("task_start")

    transport.drive(call(DETAIL, transport.context))
    assert len(transport.sends) == 6


def test_a_flow_that_may_take_ten_seconds_is_repeated_within_them_only() -> None:
    transport = FakeTransport(HTML_502)

    with pytest.raises(WiroConnectionError, match="HTTP 502"):
        transport.drive(at_most(10, call(DETAIL, transport.context), transport.context))
    assert 0 < transport.elapsed <= 10
    assert [send.longest_seconds for send in transport.sends] == [10 - at for at in transport.sent_at]


def test_a_flow_that_is_quick_enough_returns_what_it_returns_otherwise() -> None:
    transport = FakeTransport(HTML_502, detail("task_start"))
    task = transport.drive(at_most(10, call(DETAIL, transport.context), transport.context))
    assert task.id == "2221"


def test_a_rate_limit_that_lasts_longer_than_a_flow_may_take_ends_it_at_once() -> None:
    transport = FakeTransport(TOO_MANY)

    with pytest.raises(WiroConnectionError):
        transport.drive(at_most(10, call(DETAIL, transport.context), transport.context))
    with pytest.raises(WiroConnectionError, match="longer than 10 s"):
        transport.drive(at_most(10, call(DETAIL, transport.context), transport.context))
    assert (len(transport.sends), transport.elapsed) == (1, 0)

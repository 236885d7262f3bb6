"""The beginning of a Detail that is too large to read whole still shows the task's status."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api import endpoints, flow, operations
from airflow_provider_wiro.api.oversized import task_from_beginning
from airflow_provider_wiro.api.polling import Polling
from airflow_provider_wiro.api.responses import LARGE_BODY_BYTES, MAX_BODY_BYTES, ApiResponse
from airflow_provider_wiro.api.run_summary import check_success
from airflow_provider_wiro.api.stop_task import stop_task
from airflow_provider_wiro.exceptions import (
    WiroAnswerTooLargeError,
    WiroLostRunError,
    WiroResponseError,
    WiroTaskFailedError,
)
from tests.api.fake_transport import HTML_502, FakeTransport, detail, success
from tests.api.test_models import SAMPLE

ENDED = "Wiro task 2221 has ended and is paid; its response has more than 16 MiB"
UNKNOWN = "doesn't show whether the task has ended"


def beginning(cut: int | None = None, **fields: Any) -> bytes:
    """Return a Detail's first bytes, by default without the last one."""
    task = {**SAMPLE, "parameters": {"prompt": 'x", "status": "task_cancel'}, **fields}
    return json.dumps({"total": "1", "errors": [], "result": True, "tasklist": [task]}).encode()[
        : -1 if cut is None else cut
    ]


def test_the_error_for_a_succeeded_task_says_that_it_is_paid() -> None:
    for pexit in ({}, {"pexit": "0"}):
        with pytest.raises(WiroAnswerTooLargeError, match=ENDED) as caught:
            task_from_beginning("2221", beginning(**pexit))
        assert (caught.value.wiro_task_id, caught.value.may_retry) == ("2221", False)
        assert "Lost sight" not in str(caught.value)


@pytest.mark.parametrize("status", ["task_queue", "task_start", "task_output", "task_end", "task_dreaming"])
def test_a_running_task_is_followed_further(status: str) -> None:
    task = task_from_beginning("2221", beginning(status=status))
    assert (task.id, task.status, task.is_terminal) == ("2221", status, False)


def test_a_cancelled_or_failed_task_ends_as_such() -> None:
    assert task_from_beginning("2221", beginning(status="task_cancel")).is_cancelled
    fields = {name: value for name, value in SAMPLE.items() if name != "outputs"}
    body = json.dumps({"tasklist": [{**fields, "pexit": "1", "outputs": []}]}).encode()[:-1]
    with pytest.raises(WiroTaskFailedError, match="exit code 1"):
        check_success(task_from_beginning("2221", body))


def test_a_response_truncated_before_the_status_is_an_error() -> None:
    status_at = beginning().index(b'"status": "task_postprocess_end"')
    for cut in (status_at, status_at + 12, 80, 10, 0):
        with pytest.raises(WiroAnswerTooLargeError, match=UNKNOWN):
            task_from_beginning("2221", beginning(cut))


def test_a_status_inside_another_value_is_not_the_tasks() -> None:
    inner = {"status": "task_cancel", "tasklist": [{"status": "task_cancel"}]}
    body = json.dumps({"status": "task_cancel", "other": [inner], "tasklist": [{"id": "2221", "x": inner}]})
    with pytest.raises(WiroAnswerTooLargeError, match=UNKNOWN):
        task_from_beginning("2221", body.encode())


def test_a_response_about_another_task_is_refused() -> None:
    with pytest.raises(WiroResponseError, match="about another one") as caught:
        task_from_beginning("7", beginning(status="task_start"))
    assert caught.value.may_retry


@given(st.binary(max_size=300))
def test_any_response_gives_a_task_or_a_clear_error(body: bytes) -> None:
    with suppress(WiroResponseError):
        assert task_from_beginning("2221", body).id == "2221"


def test_a_deep_nest_and_a_long_text_take_no_time() -> None:
    for body in (b"[" * LARGE_BODY_BYTES, b'{"a": "' + b'\\"' * (LARGE_BODY_BYTES // 2)):
        with pytest.raises(WiroAnswerTooLargeError, match=UNKNOWN):
            task_from_beginning("2221", body)


# -- how large each call's response may be


def ask(call: Any, *answers: ApiResponse) -> Any:
    transport = FakeTransport(*answers)
    return transport.drive(flow.call(call, transport.context))


def padded(size: int, **fields: Any) -> ApiResponse:
    """Return a response of exactly this size, padded at its end."""
    shown = json.dumps({"result": True, "taskid": "2221", "tasklist": [{**SAMPLE, "pexit": "0"}], **fields})
    body = shown[:-1].encode() + b', "pad": "'
    return ApiResponse(200, {}, body + b"x" * (size - len(body) - 2) + b'"}')


@pytest.mark.parametrize(
    ("call", "limit"),
    [
        (endpoints.get_task("2221"), LARGE_BODY_BYTES),
        (endpoints.list_tasks(), LARGE_BODY_BYTES),
        (endpoints.get_model("a/b"), LARGE_BODY_BYTES),
        (endpoints.list_models(), LARGE_BODY_BYTES),
        (endpoints.cancel_task("2221"), MAX_BODY_BYTES),
        (endpoints.kill_task("2221"), MAX_BODY_BYTES),
    ],
    ids=lambda value: getattr(value, "path", ""),
)
def test_tasks_and_models_may_take_16_mib_and_all_else_1(call: Any, limit: int) -> None:
    tool = {"tool": [{"slugowner": "a", "slugproject": "b"}]}
    assert ask(call, padded(limit, **tool)) is not None
    with pytest.raises(WiroAnswerTooLargeError):
        ask(call, padded(limit + 1, **tool))


def test_a_run_whose_response_is_too_large_is_lost() -> None:
    with pytest.raises(WiroLostRunError, match="1048576"):
        ask(endpoints.run_model("a/b", {}, {}), padded(MAX_BODY_BYTES + 1))


def test_a_large_response_that_is_no_json_is_temporary() -> None:
    page = b"<html>" + b" " * LARGE_BODY_BYTES
    whole = padded(MAX_BODY_BYTES * 2)
    assert ask(
        endpoints.get_task("2221"), ApiResponse(502, {}, page), ApiResponse(200, {}, page), whole
    ).has_succeeded


def test_a_task_is_followed_through_oversized_responses_to_its_end() -> None:
    def oversized(**fields: Any) -> ApiResponse:
        return ApiResponse(200, {}, beginning(**fields).ljust(LARGE_BODY_BYTES + 1))

    transport = FakeTransport(oversized(status="task_start"), oversized(status="task_output"), oversized())
    polling = Polling(transport.now, transport.now + timedelta(hours=1))
    seen: list[str] = []
    follow = operations.wait_for_task(
        "2221", transport.context, polling, observe=lambda task: seen.append(task.status)
    )
    with pytest.raises(WiroAnswerTooLargeError, match=ENDED):
        transport.drive(follow)
    assert seen == ["task_start", "task_output"]


LISTED = {"id": "2221", "status": "task_postprocess_end", "pexit": "0"}


def large_and_shy() -> ApiResponse:
    """Return a Detail whose status stands beyond what is read."""
    task = {"id": "2221", "debugoutput": "x" * LARGE_BODY_BYTES, **LISTED}
    whole = success(tasklist=[task])
    return replace(whole, body=whole.body[: LARGE_BODY_BYTES + 1])  # where a transport stops reading


def test_if_the_beginning_lacks_the_status_the_list_is_requested_once() -> None:
    others = [{"id": "2223", "status": "task_start"}, {"id": "2222", "status": "task_cancel"}]
    for listed, status in (("task_start", "task_start"), ("task_cancel", "task_cancel")):
        answers = (large_and_shy(), success(tasklist=[*others, {**LISTED, "status": listed}]))
        assert ask(endpoints.get_task("2221"), *answers).status == status
    with pytest.raises(WiroAnswerTooLargeError, match=ENDED) as caught:
        ask(endpoints.get_task("2221"), large_and_shy(), success(tasklist=[*others, LISTED]))
    assert caught.value.has_ended


@pytest.mark.parametrize(
    "listed", [success(tasklist=[]), HTML_502, large_and_shy()], ids=["none", "502", "large"]
)
def test_the_error_says_so_if_the_list_does_not_show_the_status_either(listed: ApiResponse) -> None:
    transport = FakeTransport(large_and_shy(), listed)
    with pytest.raises(WiroAnswerTooLargeError, match=UNKNOWN) as caught:
        transport.drive(flow.call(endpoints.get_task("2221"), transport.context))
    assert not caught.value.has_ended
    assert transport.paths == ["Task/Detail", "Task/List"]


def test_a_stop_whose_response_is_too_large_is_checked() -> None:
    transport = FakeTransport(padded(MAX_BODY_BYTES + 1), padded(MAX_BODY_BYTES + 1), detail("task_cancel"))
    stopped = transport.drive(stop_task("2221", transport.context))
    assert stopped is not None
    assert stopped.is_cancelled
    assert transport.paths == ["Task/Cancel", "Task/Kill", "Task/Detail"]

from __future__ import annotations

import pytest

from airflow_provider_wiro.api.responses import MAX_BODY_BYTES, ApiResponse, read
from airflow_provider_wiro.exceptions import (
    WiroApiError,
    WiroAuthenticationError,
    WiroBalanceError,
    WiroConcurrencyLimitError,
    WiroError,
    WiroNotFoundError,
    WiroNotStoppableError,
    WiroPermissionError,
    WiroRateLimitError,
    WiroResponseError,
    WiroServerError,
    WiroValidationError,
)
from tests.api.fake_transport import HTML_502, KEY, SECRET, TOKEN, http_response, refused

HTML = b"<!DOCTYPE html><html><body>Sorry</body></html>"


def _error(answer: ApiResponse, **secrets: tuple[str, ...]) -> WiroError:
    with pytest.raises(WiroError) as raised:
        read(answer, **secrets)
    return raised.value


@pytest.mark.parametrize("yes", [True, "true", "True", 1, "1"])
def test_a_success_is_the_envelope_itself(yes: object) -> None:
    assert read(http_response(200, {"result": yes, "taskid": "2221"})) == {"result": yes, "taskid": "2221"}


def test_a_success_may_have_errors_that_are_empty_null_or_missing() -> None:
    for envelope in ({"result": True, "errors": []}, {"result": True, "errors": None}, {"result": True}):
        assert read(http_response(200, envelope)) == envelope


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, WiroValidationError),
        (1, WiroNotFoundError),
        (96, WiroConcurrencyLimitError),
        (98, WiroAuthenticationError),
        (99, WiroAuthenticationError),
        (42, WiroApiError),
    ],
)
def test_each_code_has_its_error_whether_it_is_a_number_or_text(
    code: int, expected: type[WiroApiError]
) -> None:
    for written in (code, str(code), float(code), f" {code} "):
        error = _error(refused(written, "the reason"))
        assert type(error) is expected
        assert (error.code, error.http_status) == (code, 200)
        assert str(error) == f"Wiro refused the call: the reason (HTTP 200, code {code})."


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, WiroValidationError),
        (401, WiroAuthenticationError),
        (403, WiroAuthenticationError),
        (404, WiroNotFoundError),
        (408, WiroServerError),
        (409, WiroServerError),
        (413, WiroValidationError),
        (425, WiroServerError),
        (499, WiroServerError),
        (429, WiroRateLimitError),
        (500, WiroServerError),
        (502, WiroServerError),
        (503, WiroServerError),
        (504, WiroServerError),
        (520, WiroServerError),
    ],
)
def test_each_status_has_its_error_whatever_the_body(status: int, expected: type[WiroApiError]) -> None:
    bodies = (b"", b"  ", HTML, b"[]", b"null", b'{"result": false}', b'{"err', b"x" * (MAX_BODY_BYTES + 1))
    for body in bodies:
        error = _error(http_response(status, body))
        assert type(error) is expected
        assert error.http_status == status


@pytest.mark.parametrize(
    ("code", "message", "status", "expected"),
    [
        (1, "Task is not in a cancellable state.", 200, WiroNotStoppableError),
        (1, "Task is not in a cancelable state.", 200, WiroNotStoppableError),
        (1, "Task could not be killed: gone", 200, WiroNotStoppableError),
        (1, "There is no task yet.", 200, WiroNotFoundError),
        (0, "Project authorization is not founded.", 401, WiroAuthenticationError),
        (0, "Project authorization is not valid.", 200, WiroAuthenticationError),
        (0, "Requested ip 10.0.0.1 is not allowed.", 200, WiroAuthenticationError),
        (0, "Request parameter [prompt] required", 200, WiroValidationError),
        (0, "Request parameter [prompt] required", 400, WiroValidationError),
        (0, "Something broke", 500, WiroServerError),
        (96, "Too many tasks", 429, WiroRateLimitError),
        (96, "Too many tasks", 400, WiroConcurrencyLimitError),
        (97, "Insufficient balance", 402, WiroBalanceError),
        (97, "Insufficient balance", 500, WiroBalanceError),
        (97, "Your balance must be at least $10 to train a model.", 200, WiroBalanceError),
        (97, "Only a team admin can perform this action", 200, WiroPermissionError),
        (97, "", 200, WiroApiError),
        (1, "task-not-founded", 200, WiroNotFoundError),
        (0, "task-not-founded", 200, WiroNotFoundError),
        (0, "There is no task yet.", 403, WiroAuthenticationError),
        (42, "task-not-exist", 200, WiroNotFoundError),
        (0, "Task could not be killed: gone", 200, WiroNotStoppableError),
        (0, "You don't have any permission for this action.", 200, WiroPermissionError),
        (0, "You don't have any permission for this action.", 403, WiroPermissionError),
        (0, "This model is not available for your team", 200, WiroPermissionError),
        (0, "Your account has been suspended.", 200, WiroPermissionError),
        (0, "The spend limit of this team member is reached.", 200, WiroPermissionError),
        (0, "Invalid signature.", 403, WiroAuthenticationError),
        (0, "The prompt was blocked by the content filter.", 200, WiroValidationError),
        (97, "You need at least $0.50 to run this model.", 200, WiroBalanceError),
        (97, "Only a team admin can manage credits", 200, WiroPermissionError),
        (97, "Only team admins may top up the team balance", 200, WiroPermissionError),
        (97, "Insufficient balance; only a team admin can top up", 200, WiroBalanceError),
        (0, "Something went wrong.", 200, WiroServerError),
        (0, "Oops, something went wrong. Please try again later.", 200, WiroServerError),
        (0, "Internal server error", 200, WiroServerError),
        (0, "An unexpected error occurred.", 200, WiroServerError),
        (0, "", 200, WiroServerError),
        (0, "Something went wrong.", 400, WiroValidationError),
        (0, "Something went wrong with parameter [steps]", 200, WiroValidationError),
        (0, "File type is not supported.", 200, WiroValidationError),
        (0, "Task must be completed or cancelled before deleting files", 200, WiroValidationError),
    ],
)
def test_code_words_and_status_are_read_together(
    code: int, message: str, status: int, expected: type[WiroApiError]
) -> None:
    assert type(_error(refused(code, message, status=status))) is expected


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (0, "Something went wrong.", WiroServerError),
        (42, "oops", WiroServerError),
        (0, "Request parameter [taskid] required", WiroValidationError),
        (0, "Request parameters are invalid.", WiroValidationError),
        (0, "limit must be between 1 and 100", WiroValidationError),
        (0, "You don't have any permission for this action.", WiroPermissionError),
        (0, "Project authorization is not valid.", WiroAuthenticationError),
        (0, "Project requires signature authentication. x-signature is required.", WiroAuthenticationError),
        (0, "Requested ip 10.0.0.1 is not allowed.", WiroAuthenticationError),
        (0, "Your account has been suspended.", WiroPermissionError),
        (0, "This model is not available for your team", WiroPermissionError),
        (0, "The spend limit of this team member is reached.", WiroPermissionError),
        (0, "Request files [inputImage] required", WiroValidationError),
        (0, "Something went wrong while assigning the task.", WiroServerError),
        (0, "Internal error: required service unavailable", WiroServerError),
        (0, "Something went wrong: missing row", WiroServerError),
        (0, "EACCES: permission denied, open '/mnt/x'", WiroServerError),
        (0, "Invalid signature of upstream response", WiroServerError),
        (0, "Project database is temporarily disabled", WiroServerError),
        (0, "Database credentials expired", WiroServerError),
        (97, "Only a team admin can perform this action", WiroPermissionError),
        (98, "Sign in.", WiroAuthenticationError),
        (1, "slug-owner-project-not-exist", WiroNotFoundError),
        (96, "limit", WiroConcurrencyLimitError),
    ],
)
def test_a_vague_error_about_a_call_that_only_names_tasks_is_temporary(
    code: int, message: str, expected: type[WiroApiError]
) -> None:
    with pytest.raises(WiroApiError) as raised:
        read(refused(code, message), only_names_tasks=True)
    assert type(raised.value) is expected


def test_what_may_be_another_tasks_token_is_masked_if_the_parameters_are_unknown() -> None:
    with pytest.raises(WiroApiError) as raised:
        read(refused(0, "Request parameter missing near PREVTOK4f7b2c9d8e"), only_names_tasks=True)
    assert str(raised.value).endswith("Request parameter missing near *** (HTTP 200, code 0).")


@pytest.mark.parametrize("body", [HTML, b"Forbidden", b"<html>nginx"])
@pytest.mark.parametrize("status", [400, 403, 404, 413, 418])
def test_a_proxys_page_for_a_call_that_only_names_tasks_is_temporary(status: int, body: bytes) -> None:
    with pytest.raises(WiroServerError, match=f"HTTP {status}"):
        read(http_response(status, body), only_names_tasks=True)


@pytest.mark.parametrize("body", [b"", {"result": False, "errors": [{"code": 0, "message": "no"}]}])
@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_permanent_for_calls_that_only_name_tasks(status: int, body: object) -> None:
    with pytest.raises(WiroAuthenticationError):
        read(http_response(status, body), only_names_tasks=True)
    with pytest.raises(WiroAuthenticationError):
        read(http_response(401, HTML), only_names_tasks=True)


def test_several_errors_and_bare_strings_are_all_reported() -> None:
    errors = ["first", {"code": "97", "message": "no balance"}, None, {"message": None}, 7]
    error = _error(http_response(200, {"result": False, "errors": errors}))

    assert type(error) is WiroBalanceError
    assert str(error) == "Wiro refused the call: first; no balance; 7 (HTTP 200, code 97)."


@pytest.mark.parametrize("errors", ["quota gone", ["quota gone"], [{"message": "quota gone"}]])
def test_a_refusal_without_a_code_quotes_its_words(errors: object) -> None:
    for envelope in ({"result": False, "errors": errors}, {"errors": errors}):
        error = _error(http_response(200, envelope))
        assert type(error) is WiroApiError
        assert str(error) == "Wiro refused the call: quota gone (HTTP 200)."


def test_a_refusal_without_a_reason_says_so() -> None:
    error = _error(http_response(200, {"result": False}))
    assert str(error) == "Wiro refused the call: no reason given (HTTP 200)."


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        HTML,
        b"[]",
        b"7",
        b"true",
        b"null",
        b'"text"',
        b'{"result": tr',
        b"\xff\xfe\xfa",
        b"[" * 200_000,
        b'{"result": 1' + b"0" * 5000 + b"}",
        b"{}",
        b'{"result": null, "taskid": "2221"}',
        b'{"result": "maybe"}',
        b'{"result": 2}',
        b'{"result": []}',
    ],
)
def test_a_body_that_is_not_in_the_apis_form_is_neither_a_success_nor_a_refusal(body: bytes) -> None:
    error = _error(http_response(200, body))
    assert type(error) is WiroResponseError
    assert "base URL" in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "an empty body"),
        (HTML, "a web page"),
        (b"\n\n  <HTML lang=en>", "a web page"),
        (b"upstream\x1b[31m says \0no", "bytes that are not the API's JSON ('upstream?[31m says no')"),
    ],
)
def test_the_message_describes_what_was_received(body: bytes, expected: str) -> None:
    assert expected in str(_error(http_response(200, body)))


def test_a_body_over_the_cap_is_refused_and_one_at_the_cap_is_read() -> None:
    envelope = b'{"result": true, "pad": "%s"}'
    at_the_cap = envelope % (b"x" * (MAX_BODY_BYTES - len(envelope) + 2))
    assert len(at_the_cap) == MAX_BODY_BYTES
    assert read(http_response(200, at_the_cap))["result"] is True

    error = _error(http_response(200, at_the_cap + b" "))
    assert str(error) == "Wiro's API answered more than 1048576 bytes; the rest was not read."


@pytest.mark.parametrize("status", [100, 301, 302, 304, 308])
def test_a_redirect_or_another_odd_status_points_at_the_base_url(status: int) -> None:
    error = _error(http_response(status))
    assert type(error) is WiroResponseError
    assert "Check the base URL" in str(error)


SECRETS = (KEY, SECRET, "f00dfeed" * 8)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("padding", [0, 70, 75, 79, 190, 490, 495])
def test_no_message_repeats_a_secret_even_where_it_is_truncated(secret: str, padding: int) -> None:
    echo = "x" * padding + secret
    for answer in (
        refused(0, echo),
        refused(0, echo, status=401),
        http_response(200, {"result": False, "errors": [echo]}),
        http_response(403, f"<html>{echo}</html>".encode()),
        http_response(200, f"<html>{echo}</html>".encode()),
        http_response(500, echo.encode()),
        http_response(200, f'{{"result": tru {echo}'.encode()),
    ):
        message = str(_error(answer, secrets=SECRETS))
        assert secret not in message
        assert secret[:6] not in message


def test_a_secret_that_is_part_of_another_is_masked_with_it() -> None:
    assert str(_error(refused(0, "got abcdef"), secrets=("bcd", "abcdef"))).endswith(
        "got *** (HTTP 200, code 0)."
    )


def test_a_truncated_response_to_a_run_shows_the_task_id_but_not_its_token() -> None:
    body = f'{{"taskid": "2221", "socketaccesstoken": "{TOKEN}", "resu'.encode()
    for cut in range(len('{"taskid": "2221", "socketaccesstoken": "eDc'), len(body)):
        message = str(_error(http_response(200, body[:cut])))
        assert "2221" in message
        assert TOKEN[:3] not in message


def test_a_response_shows_no_body_in_its_repr() -> None:
    assert "Gateway" not in repr(HTML_502)

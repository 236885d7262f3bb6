from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api import operations
from airflow_provider_wiro.api.parameters import FileContent, FileUrl
from airflow_provider_wiro.api.signing import Credentials
from airflow_provider_wiro.catalog.model_cache import describe
from airflow_provider_wiro.exceptions import (
    WiroAuthenticationError,
    WiroConcurrencyLimitError,
    WiroLostRunError,
    WiroNotFoundError,
    WiroResponseError,
    WiroServerError,
    WiroUsageError,
)
from tests.api.fake_transport import (
    CUT_OFF,
    HTML_502,
    KEY,
    NO_TASK_YET,
    TOKEN,
    FakeTransport,
    detail,
    http_response,
    refused,
    success,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_wiro.api.parameters import FileValue

STARTED = success(taskid="2221", socketaccesstoken=TOKEN)
CAT = FileContent("cat.png", "image/png", 3, lambda: io.BytesIO(b"cat"))
TOOL = success(tool=[{"parameters": [{"items": [{"id": "inputImage", "type": "combinefileinput"}]}]}])


# Starting


def run_as_described(
    transport: FakeTransport,
    files: Mapping[str, Sequence[FileValue]],
    parameters: Mapping[str, Any] | None = None,
) -> None:
    """Start a run with files as the hooks do: the model's description shows how they are sent."""
    model = transport.drive(describe("a/b", transport.context)).model
    known = model.parameters if model else ()
    transport.drive(operations.run_model(transport.context, "a/b", parameters or {}, files, known=known))


def test_a_run_without_files_is_one_request() -> None:
    transport = FakeTransport(STARTED)
    started = transport.drive(operations.run_model(transport.context, "a/b", {"prompt": "x"}, {}))

    assert (started.wiro_task_id, started.token) == ("2221", TOKEN)
    assert transport.paths == ["Run/a/b"]


def test_a_run_with_files_first_requests_the_models_parameters() -> None:
    transport = FakeTransport(TOOL, STARTED)
    files = {"inputImage": [CAT, FileUrl("https://a.example/1.png")]}
    run_as_described(transport, files, {"steps": 4})

    assert transport.paths == ["Tool/Detail", "Run/a/b"]
    assert transport.sends[1].body.form == (
        ("steps", "4"),
        ("inputImage", CAT),
        ("inputImage", "https://a.example/1.png"),
    )


@pytest.mark.parametrize(
    "unknown",
    [
        success(tool=[]),
        refused(1, "slug-owner-project-not-exist"),
        http_response(404),
        http_response(413, b"<html>too large"),
        http_response(403, b"<html>denied"),
        refused(0, "Something went wrong."),
        refused(0, "You don't have any permission for this action."),
        HTML_502,
        http_response(200, b"<html>welcome"),
    ],
)
def test_if_the_models_parameters_are_unavailable_files_are_sent_in_the_usual_form(unknown: object) -> None:
    transport = FakeTransport(lambda send: STARTED if send.path.startswith("Run/") else unknown)  # type: ignore[return-value]
    run_as_described(transport, {"inputImage": [CAT]})
    assert transport.sends[-1].body.form == (("inputImage", CAT), ("inputImageUrl", ""))


def test_the_request_for_the_model_is_repeated_and_the_run_is_not() -> None:
    transport = FakeTransport(HTML_502, CUT_OFF, TOOL, CUT_OFF)
    with pytest.raises(WiroLostRunError):
        run_as_described(transport, {"inputImage": [CAT]})
    assert transport.paths == ["Tool/Detail"] * 3 + ["Run/a/b"]


def test_a_run_with_files_is_not_sent_with_credentials_that_are_refused() -> None:
    transport = FakeTransport(http_response(401))
    with pytest.raises(WiroAuthenticationError):
        run_as_described(transport, {"inputImage": [CAT]})
    assert transport.paths == ["Tool/Detail"]


def test_a_single_failure_of_tool_detail_is_tolerated() -> None:
    transport = FakeTransport(refused(0, "Something went wrong."), TOOL, STARTED)
    run_as_described(transport, {"inputImage": [CAT]})
    assert transport.sends[-1].body.form == (("inputImage", CAT),)


def test_a_file_the_model_does_not_take_is_refused_before_the_run() -> None:
    transport = FakeTransport(TOOL, STARTED)
    with pytest.raises(WiroUsageError, match="no file parameter 'picture'"):
        run_as_described(transport, {"picture": [CAT]})
    assert transport.paths == ["Tool/Detail"]


def test_a_run_names_its_callback_and_its_project() -> None:
    transport = FakeTransport(STARTED)
    transport.drive(
        operations.run_model(
            transport.context, "a/b", {}, {}, callback_url="https://me.example", project_id="p1"
        )
    )
    assert json.loads(transport.sends[0].body.json or "") == {
        "callbackUrl": "https://me.example",
        "projectid": "p1",
    }


def test_a_run_waits_for_a_free_slot_unless_the_caller_does() -> None:
    transport = FakeTransport(refused(96), refused(96), STARTED)
    assert transport.drive(operations.run_model(transport.context, "a/b", {}, {})).wiro_task_id == "2221"

    transport = FakeTransport(refused(96), STARTED)
    with pytest.raises(WiroConcurrencyLimitError):
        transport.drive(operations.run_model(transport.context, "a/b", {}, {}, waits_for_slot=False))
    assert len(transport.sends) == 1


# Deleting files


def test_deleting_a_tasks_files_requests_its_token_first() -> None:
    transport = FakeTransport(detail("task_postprocess_end"), success())
    transport.drive(operations.delete_task_files(transport.context, "2221"))

    assert transport.paths == ["Task/Detail", "Task/InputOutputDelete"]
    assert json.loads(transport.sends[1].body.json or "") == {"tasktoken": TOKEN}


def test_without_a_token_nothing_is_deleted() -> None:
    transport = FakeTransport(detail("task_postprocess_end", socketaccesstoken=None))
    with pytest.raises(WiroResponseError, match="no token for task 2221"):
        transport.drive(operations.delete_task_files(transport.context, "2221"))
    assert transport.paths == ["Task/Detail"]


# Testing a connection


@pytest.mark.parametrize("answer", [success(tasklist=[]), success(), NO_TASK_YET])
def test_a_connection_works_if_wiro_accepts_it_even_without_any_task(answer: object) -> None:
    transport = FakeTransport(answer)  # type: ignore[arg-type]
    message = transport.drive(operations.try_connection(transport.context))

    assert message == "Wiro accepts the connection (signature mode)."
    assert transport.paths == ["Task/List"]


def test_a_connection_test_reports_the_mode() -> None:
    transport = FakeTransport(success(), credentials=Credentials(KEY))
    message = transport.drive(operations.try_connection(transport.context))
    assert message == "Wiro accepts the connection (API key only mode)."


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refused(0, "Project authorization is not valid.", status=401), WiroAuthenticationError),
        (http_response(404), WiroNotFoundError),
        (http_response(404, b"<html>nginx"), WiroServerError),
        (http_response(200, b"<html>welcome"), WiroResponseError),
        (HTML_502, WiroServerError),
    ],
)
def test_a_broken_connection_is_tried_once_and_is_an_error(answer: object, expected: type[Exception]) -> None:
    transport = FakeTransport(answer)  # type: ignore[arg-type]
    with pytest.raises(expected):
        transport.drive(operations.try_connection(transport.context))
    assert len(transport.sends) == 1

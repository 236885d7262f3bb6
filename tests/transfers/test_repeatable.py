"""Landing the same outputs again costs a HEAD each, and two that do so at once don't overwrite each other."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from tests.contract.scripts import answer
from tests.transfers.staging import BIG, LLM, PNG
from tests.transfers.watching import Calls, land

if TYPE_CHECKING:
    from tests.contract.hostile import HostileServer, Script
    from tests.transfers.s3 import S3
    from tests.transfers.staging import Wiro

pytestmark = pytest.mark.usefixtures("connect")

KEY = "wiro/2221/0-0.png"
OPERATIONS = {len(PNG): "PutObject", len(BIG): "CompleteMultipartUpload"}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


def meanwhile(s3: S3, body: bytes, theirs: bytes, **more: Any) -> Script:
    """Give the file; just before it, somebody else puts another object where it is to land."""

    def script(wire: Any) -> None:
        s3.put(KEY, theirs, **more)
        answer(body, content_type="image/png")(wire)

    return script


def test_a_second_run_costs_one_head_an_object_and_nothing_of_the_cdn(
    wiro: Wiro, s3: S3, cdn: HostileServer, calls: Calls
) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(BIG), wiro.file(PNG, size=None), LLM)
    first = land()
    calls.clear()
    cdn.requests.clear()
    again = land()
    assert sorted(calls.made) == sorted(("HeadObject", key) for key in s3.keys)
    assert len(s3.keys) == 5
    assert cdn.requests == []
    assert all(file["skipped"] for file in again["files"])
    assert [{**file, "skipped": False, "sha256": None} for file in again["files"]] == [
        {**file, "sha256": None} for file in first["files"]
    ]


def test_a_digest_that_only_a_read_would_tell_is_unknown(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(BIG))
    land()
    small, large = land()["files"]
    assert small["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert large["sha256"] is None


def test_another_tasks_output_of_the_same_size_is_something_else(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    land(s3_key="same.png")
    wiro.shows(wiro.file(PNG[:-1] + b"!"), id="2222")
    with pytest.raises(AirflowFailException, match="is not output 0 of Wiro task 2222"):
        land("2222", s3_key="same.png")
    assert s3.get("same.png") == PNG


def test_an_output_of_the_same_task_that_changed_its_size_is_something_else(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    land()
    wiro.shows(wiro.file(PNG + b"more"))
    with pytest.raises(AirflowFailException, match="is there already"):
        land()
    assert s3.get(KEY) == PNG


# -- two at once


@pytest.mark.parametrize("body", [PNG, BIG], ids=["single", "parts"])
def test_somebody_elses_object_that_came_meanwhile_is_not_overwritten(
    wiro: Wiro, s3: S3, body: bytes
) -> None:
    wiro.shows(wiro.file(body, meanwhile(s3, body, b"theirs")))
    with pytest.raises(AirflowFailException, match="is there already"):
        land()
    assert s3.get(KEY) == b"theirs"
    assert s3.open_uploads == []


@pytest.mark.parametrize("body", [PNG, BIG], ids=["single", "parts"])
def test_the_same_output_that_came_meanwhile_is_taken_for_ours(wiro: Wiro, s3: S3, body: bytes) -> None:
    theirs = {"wiro-task-id": "2221", "wiro-output": "0", "by": "them"}
    wiro.shows(wiro.file(body, meanwhile(s3, body, body, Metadata=theirs)))
    (file,) = land()["files"]
    assert file["skipped"]
    assert file["size"] == len(body)
    assert s3.head(KEY)["Metadata"] == theirs
    assert s3.open_uploads == []


@pytest.mark.parametrize("body", [PNG, BIG], ids=["single", "parts"])
def test_with_replace_the_last_one_wins(wiro: Wiro, s3: S3, calls: Calls, body: bytes) -> None:
    wiro.shows(wiro.file(body, meanwhile(s3, body, b"theirs")))
    (file,) = land(replace=True)["files"]
    assert not file["skipped"]
    assert s3.get(KEY) == body
    assert not any("IfNoneMatch" in arguments for _, arguments in calls.arguments)


@pytest.mark.parametrize("body", [PNG, BIG], ids=["single", "parts"])
def test_a_server_without_conditional_puts_is_asked_once_and_said_so_once(
    wiro: Wiro, s3: S3, calls: Calls, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    from botocore.exceptions import ClientError

    def refuse(operation: str, arguments: dict[str, Any]) -> None:
        if "IfNoneMatch" in arguments:
            facts = {"Error": {"Code": "NotImplemented"}, "ResponseMetadata": {"HTTPStatusCode": 501}}
            raise ClientError(facts, operation)  # type: ignore[arg-type]

    calls.before = refuse
    wiro.shows(wiro.file(body), wiro.file(body), wiro.file(body))
    with caplog.at_level(logging.INFO):
        files = land(max_concurrency=1)["files"]
    assert [s3.get(key) for key in s3.keys] == [body] * 3
    assert [file["skipped"] for file in files] == [False] * 3
    asked = [arguments for arguments in calls.of(OPERATIONS[len(body)]) if "IfNoneMatch" in arguments]
    assert len(asked) == 1
    assert caplog.text.count("knows no conditional puts") == 1
    assert s3.open_uploads == []


def test_while_another_put_of_the_key_is_going_on_a_retry_may_help(wiro: Wiro, s3: S3, calls: Calls) -> None:
    from botocore.exceptions import ClientError

    def conflict(operation: str, arguments: dict[str, Any]) -> None:
        if "IfNoneMatch" in arguments:
            facts = {
                "Error": {"Code": "ConditionalRequestConflict"},
                "ResponseMetadata": {"HTTPStatusCode": 409},
            }
            raise ClientError(facts, operation)  # type: ignore[arg-type]

    calls.before = conflict
    wiro.shows(wiro.file(PNG))
    with pytest.raises(WiroOutputUnavailableError, match="at this moment"):
        land()
    assert s3.keys == []

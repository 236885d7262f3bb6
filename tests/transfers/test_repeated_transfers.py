"""Landing the same outputs again costs a HEAD each, and two that do so at once don't overwrite each other."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from tests.contract.scripts import respond
from tests.transfers.fake_wiro import IN_PARTS, LLM, PNG
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import Calls, land

if TYPE_CHECKING:
    from tests.contract.hostile import HostileServer, Script
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")

KEY = "wiro/2221/0-0.png"
OPERATIONS = {len(PNG): "PutObject", len(IN_PARTS): "CompleteMultipartUpload"}


@pytest.fixture
def identity(server: HostileServer) -> dict[str, str]:
    """The metadata that a transfer writes on output 0 of task 2221."""
    return {"wiro-api": server.origin.partition("://")[2], "wiro-task-id": "2221", "wiro-output": "0"}


def meanwhile(s3: S3, body: bytes, theirs: bytes, **more: Any) -> Script:
    """Give the file; just before it, somebody else puts another object where it is to land."""

    def script(wire: Any) -> None:
        s3.put(KEY, theirs, **more)
        respond(body, content_type="image/png")(wire)

    return script


def test_a_second_run_costs_one_head_an_object_and_nothing_of_the_cdn(
    wiro: Wiro, s3: S3, cdn: HostileServer, calls: Calls
) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(IN_PARTS), wiro.file(PNG), LLM)
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


def test_a_digest_that_only_a_read_would_show_is_unknown(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(IN_PARTS))
    land()
    small, large = land()["files"]
    assert small["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert large["sha256"] is None


def test_with_tags_the_digest_of_a_large_object_is_found_among_them_for_one_more_request(
    wiro: Wiro, s3: S3, calls: Calls
) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(IN_PARTS))
    first = land(tags=True)["files"]
    calls.clear()
    again = land(tags={"team": "art"})["files"]
    assert [file["sha256"] for file in again] == [file["sha256"] for file in first]
    assert sorted(operation for operation, _ in calls.made) == [
        "GetObjectTagging",
        "HeadObject",
        "HeadObject",
    ]


def test_what_is_skipped_keeps_its_tags(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(IN_PARTS))
    land(tags={"team": "art"})
    before = [s3.client.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"] for key in s3.keys]
    assert all(file["skipped"] for file in land(tags={"team": "sales"})["files"])
    assert [s3.client.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"] for key in s3.keys] == before


@pytest.mark.parametrize("digest", [None, "", "mine", "0" * 63])
def test_a_tag_that_is_no_digest_is_ignored(wiro: Wiro, s3: S3, digest: str | None) -> None:
    wiro.shows(wiro.file(IN_PARTS))
    land()
    if digest is not None:
        tags = [{"Key": "sha256", "Value": digest}]
        s3.client.put_object_tagging(Bucket=BUCKET, Key=KEY, Tagging={"TagSet": tags})
    assert land(tags=True)["files"][0]["sha256"] is None


def test_a_role_that_may_not_read_tags_does_without_the_digest(wiro: Wiro, s3: S3, calls: Calls) -> None:
    from botocore.exceptions import ClientError

    def forbid(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "GetObjectTagging":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)

    wiro.shows(wiro.file(IN_PARTS))
    land(tags=True)
    calls.before = forbid
    (file,) = land(tags=True)["files"]
    assert (file["skipped"], file["sha256"]) == (True, None)


def test_another_tasks_output_of_the_same_size_is_something_else(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    land(s3_key="same.png")
    wiro.shows(wiro.file(PNG[:-1] + b"!"), id="2222")
    with pytest.raises(AirflowFailException, match="is not output 0 of Wiro task 2222"):
        land("2222", s3_key="same.png")
    assert s3.get("same.png") == PNG


def test_a_digest_without_the_providers_identity_is_not_trusted(wiro: Wiro, s3: S3) -> None:
    """Whoever put the object may have copied it, or mean the digest of something else."""
    theirs = PNG[:-1] + b"!"
    s3.put(KEY, theirs, Metadata={"sha256": hashlib.sha256(PNG).hexdigest()})
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match="is there already and is not output 0"):
        land(delete_after=True)
    assert s3.get(KEY) == theirs


def test_the_same_bytes_beside_a_digest_that_is_none_are_found_by_reading_them(wiro: Wiro, s3: S3) -> None:
    s3.put(KEY, PNG, Metadata={"sha256": "nonsense"})
    wiro.shows(wiro.file(PNG))
    (file,) = land()["files"]
    assert (file["skipped"], file["sha256"]) == (True, hashlib.sha256(PNG).hexdigest())


def test_what_is_no_digest_is_not_reported_as_one(
    wiro: Wiro, s3: S3, identity: dict[str, str], calls: Calls
) -> None:
    s3.put(KEY, PNG, Metadata={**identity, "sha256": "nonsense"})
    wiro.shows(wiro.file(PNG))
    (file,) = land()["files"]
    assert (file["skipped"], file["sha256"]) == (True, None)
    assert not calls.of("GetObject")


# -- what an identity is


OTHER = PNG[:-1] + b"!"


def test_the_task_of_another_api_with_the_same_id_is_another(
    wiro: Wiro, s3: S3, identity: dict[str, str]
) -> None:
    """An emulator's task 2221 is not Wiro's."""
    s3.put(KEY, OTHER, Metadata={**identity, "wiro-api": "api.wiro.ai"})
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match="is there already and is not output 0"):
        land()
    assert s3.get(KEY) == OTHER


@pytest.mark.parametrize("there", [PNG, OTHER], ids=["the same", "others"])
def test_an_object_of_an_earlier_version_is_known_by_its_bytes(
    wiro: Wiro, s3: S3, identity: dict[str, str], there: bytes
) -> None:
    """Its metadata names no API."""
    del identity["wiro-api"]
    s3.put(KEY, there, Metadata={**identity, "sha256": hashlib.sha256(there).hexdigest()})
    wiro.shows(wiro.file(PNG))
    if there is PNG:
        assert land()["files"][0]["skipped"]
    else:
        with pytest.raises(AirflowFailException, match="is there already"):
            land()
    assert s3.get(KEY) == there


@pytest.mark.parametrize("there", [PNG, OTHER, PNG + b"more"], ids=["the same", "others", "longer"])
def test_an_output_of_unknown_size_is_recognised_by_its_bytes_only(
    wiro: Wiro, s3: S3, identity: dict[str, str], there: bytes
) -> None:
    s3.put(KEY, there, Metadata={**identity, "sha256": hashlib.sha256(PNG).hexdigest()})
    wiro.shows(wiro.file(PNG, size=None))
    if there is PNG:
        assert land()["files"][0]["skipped"]
    else:
        with pytest.raises(AirflowFailException, match="is there already"):
            land()
    assert s3.get(KEY) == there


def test_an_llms_answer_is_recognised_by_its_bytes(wiro: Wiro, s3: S3) -> None:
    """What the model printed changed, and has as many bytes as before."""
    wiro.shows({"contenttype": "raw", "content": {}}, debugoutput="yes!")
    land()
    wiro.shows({"contenttype": "raw", "content": {}}, debugoutput="no!!")
    with pytest.raises(AirflowFailException, match=r"0-answer\.txt is there already"):
        land()
    assert s3.get("wiro/2221/0-answer.txt") == b"yes!\n"


def test_an_output_of_the_same_task_that_changed_its_size_is_something_else(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    land()
    wiro.shows(wiro.file(PNG + b"more"))
    with pytest.raises(AirflowFailException, match="is there already"):
        land()
    assert s3.get(KEY) == PNG


# -- two at once


@pytest.mark.parametrize("body", [PNG, IN_PARTS], ids=["single", "parts"])
def test_another_writers_object_that_came_meanwhile_is_not_overwritten(
    wiro: Wiro, s3: S3, body: bytes
) -> None:
    wiro.shows(wiro.file(body, meanwhile(s3, body, b"theirs")))
    with pytest.raises(AirflowFailException, match="is there already"):
        land()
    assert s3.get(KEY) == b"theirs"
    assert s3.open_uploads == []


@pytest.mark.parametrize("body", [PNG, IN_PARTS], ids=["single", "parts"])
def test_the_same_output_that_came_meanwhile_counts_as_landed(wiro: Wiro, s3: S3, body: bytes) -> None:
    theirs = {"wiro-task-id": "2221", "wiro-output": "0", "by": "them"}
    wiro.shows(wiro.file(body, meanwhile(s3, body, body, Metadata=theirs)))
    (file,) = land()["files"]
    assert file["skipped"]
    assert file["size"] == len(body)
    assert s3.head(KEY)["Metadata"] == theirs
    assert s3.open_uploads == []


@pytest.mark.parametrize("body", [PNG, IN_PARTS], ids=["single", "parts"])
def test_with_replace_the_last_one_wins(wiro: Wiro, s3: S3, calls: Calls, body: bytes) -> None:
    wiro.shows(wiro.file(body, meanwhile(s3, body, b"theirs")))
    (file,) = land(replace=True)["files"]
    assert not file["skipped"]
    assert s3.get(KEY) == body
    assert not any("IfNoneMatch" in arguments for _, arguments in calls.arguments)


@pytest.mark.parametrize("body", [PNG, IN_PARTS], ids=["single", "parts"])
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


# -- what S3 shows of an object right after it took it


def overwriting(s3: S3, calls: Calls, theirs: bytes, metadata: dict[str, str]) -> None:
    """Let somebody else put an object right after ours was completed."""

    def after(operation: str, arguments: dict[str, Any], answer: Any) -> None:
        if operation == "CompleteMultipartUpload":
            s3.put(KEY, theirs, Metadata=metadata)

    calls.after = after


@pytest.mark.parametrize("theirs", [b"theirs", IN_PARTS[:-1] + b"!"], ids=["another size", "the same size"])
def test_an_object_that_replaced_the_output_at_once_is_left_alone_and_is_an_error(
    wiro: Wiro, s3: S3, calls: Calls, theirs: bytes
) -> None:
    overwriting(s3, calls, theirs, {})
    wiro.shows(wiro.file(IN_PARTS))
    with pytest.raises(WiroOutputUnavailableError, match="Another task has overwritten"):
        land(replace=True)
    assert s3.get(KEY) == theirs
    assert not calls.of("DeleteObject")


@pytest.mark.parametrize("without", [[], ["wiro-api"], ["wiro-api", "wiro-task-id", "wiro-output"]])
def test_the_same_output_that_another_run_put_over_it_counts_as_landed(
    wiro: Wiro, s3: S3, calls: Calls, identity: dict[str, str], without: list[str]
) -> None:
    overwriting(s3, calls, IN_PARTS, {name: value for name, value in identity.items() if name not in without})
    wiro.shows(wiro.file(IN_PARTS))
    (file,) = land(replace=True)["files"]
    assert file["etag"] == s3.head(KEY)["ETag"].strip('"')
    assert file["sha256"] == hashlib.sha256(IN_PARTS).hexdigest()


def showing_less(calls: Calls) -> None:
    """Let S3 show a byte less of each object than it took."""

    def after(operation: str, arguments: dict[str, Any], answer: Any) -> None:
        if operation == "HeadObject":
            answer["ContentLength"] -= 1

    calls.after = after


def test_a_damaged_object_is_deleted_only_if_it_is_still_the_one_that_was_put(
    wiro: Wiro, s3: S3, calls: Calls
) -> None:
    showing_less(calls)
    wiro.shows(wiro.file(IN_PARTS))
    with pytest.raises(WiroOutputUnavailableError, match=f"S3 took {len(IN_PARTS)} bytes .* now shows"):
        land(replace=True)
    assert [arguments["IfMatch"] for arguments in calls.of("DeleteObject")]
    assert s3.keys == []


def test_an_object_that_replaced_a_damaged_one_stays(wiro: Wiro, s3: S3, calls: Calls) -> None:
    showing_less(calls)

    def before(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "DeleteObject":
            s3.put(KEY, b"theirs")

    calls.before = before
    wiro.shows(wiro.file(IN_PARTS))
    with pytest.raises(WiroOutputUnavailableError, match="now shows"):
        land(replace=True)
    assert s3.get(KEY) == b"theirs"


@pytest.mark.parametrize(
    ("code", "status", "is_left"), [("NotImplemented", 501, False), ("AccessDenied", 403, True)]
)
def test_a_damaged_object_is_also_deleted_where_deletions_know_no_condition(
    wiro: Wiro, s3: S3, calls: Calls, caplog: pytest.LogCaptureFixture, code: str, status: int, is_left: bool
) -> None:
    from botocore.exceptions import ClientError

    def before(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "DeleteObject" and "IfMatch" in arguments:
            facts = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(facts, operation)  # type: ignore[arg-type]

    showing_less(calls)
    calls.before = before
    wiro.shows(wiro.file(IN_PARTS))
    with pytest.raises(WiroOutputUnavailableError, match="now shows"):
        land(replace=True)
    assert s3.keys == ([KEY] if is_left else [])
    assert ("which is damaged" in caplog.text) is is_left

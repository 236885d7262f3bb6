"""An object carries what it is and where it comes from, and whatever S3Hook's users are used to say of it."""

from __future__ import annotations

import hashlib
import json
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.exceptions import WiroUsageError
from tests.contract.fixtures import KEY as API_KEY
from tests.contract.fixtures import SECRET
from tests.contract.scripts import respond
from tests.transfers.fake_wiro import BIG, LLM, MIB, PNG
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import Calls, land

if TYPE_CHECKING:
    from tests.contract.hostile import HostileServer
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")

KEY = "wiro/2221/0-0.png"
BOTH = pytest.mark.parametrize("body", [PNG, BIG], ids=["single", "parts"])


def tags_of(s3: S3, key: str = KEY) -> dict[str, str]:
    found = s3.client.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in found}


@BOTH
def test_metadata_names_the_task_that_made_it_and_the_one_that_landed_it(
    wiro: Wiro, s3: S3, server: HostileServer, body: bytes
) -> None:
    wiro.shows(wiro.file(body))
    land(extra_args={"Metadata": {"team": "art"}})
    metadata = s3.head(KEY)["Metadata"]
    if body is PNG:
        assert metadata.pop("sha256") == hashlib.sha256(PNG).hexdigest()
        assert metadata.pop("wiro-md5") == hashlib.md5(PNG, usedforsecurity=False).hexdigest()
    assert metadata == {
        "team": "art",
        "wiro-api": f"127.0.0.1:{server.port}",
        "wiro-task-id": "2221",
        "wiro-output": "0",
        "wiro-model": "retroAIx/Retro-Cartoons",
        "airflow-dag-id": "nightly",
        "airflow-run-id": "manual__2026-11-23",
        "airflow-task-id": "to_s3",
    }


def test_a_dag_of_any_name_lands_its_outputs(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    ti = SimpleNamespace(dag_id="gün doğdu", run_id="r" * 250, task_id="日本語" * 50, map_index=7)
    land({"wiro_task_id": "2221", "model": "o/" + "ş" * 300}, ti=ti, tags=True)
    assert s3.get(KEY) == PNG


# -- tags


@BOTH
def test_tags_are_put_on_the_object_with_the_digest_among_them(wiro: Wiro, s3: S3, body: bytes) -> None:
    wiro.shows(wiro.file(body))
    land(tags={"team": "art dept"}, extra_args={"Tagging": "a=b%20c"})
    assert tags_of(s3) == {
        "a": "b c",
        "team": "art dept",
        "wiro-task-id": "2221",
        "wiro-model": "retroAIx/Retro-Cartoons",
        "airflow-dag-id": "nightly",
        "airflow-run-id": "manual__2026-11-23",
        "airflow-task-id": "to_s3",
        "sha256": hashlib.sha256(body).hexdigest(),
    }


@BOTH
def test_without_tags_the_users_own_are_as_they_were_given(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    calls = Calls(monkeypatch)
    wiro.shows(wiro.file(body))
    land(extra_args={"Tagging": "a=b"})
    assert tags_of(s3) == {"a": "b"}
    assert not calls.of("PutObjectTagging")


def test_without_any_tags_no_permission_for_them_is_needed(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    wiro.shows(wiro.file(PNG), wiro.file(BIG))
    land(manifest=True)
    assert not any("Tagging" in arguments for _, arguments in calls.arguments)


@pytest.mark.parametrize(
    "tags", [{"aws:x": "y"}, {"k": "a&b"}, {f"t{n}": "v" for n in range(11)}, ["team"], "team=art"]
)
def test_tags_that_s3_would_refuse_are_refused_before_anything_is_asked(
    server: HostileServer, s3: S3, tags: Any
) -> None:
    with pytest.raises((AirflowFailException, WiroUsageError)):
        land(tags=tags)
    assert server.connections == 0


@BOTH
def test_a_role_that_may_not_tag_is_one_clear_error(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    from botocore.exceptions import ClientError

    def forbid(operation: str, arguments: dict[str, Any]) -> None:
        if "Tagging" in arguments:
            facts = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(facts, operation)  # type: ignore[arg-type]

    Calls(monkeypatch).before = forbid
    wiro.shows(wiro.file(body))
    with pytest.raises(AirflowFailException, match="needs s3:PutObject and s3:PutObjectTagging"):
        land(tags=True)
    assert s3.keys == s3.open_uploads == []


# -- the user's own metadata


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"sha256": "nonsense"}, "'sha256', which the transfer writes itself"),
        ({"SHA256": "x"}, "'SHA256', which the transfer writes itself"),
        ({"wiro-task-id": "x"}, "'wiro-task-id', which the transfer"),
        ({"Wiro-Output": "x"}, "'Wiro-Output', which the transfer"),
        ({"team": "a", "Team": "b"}, "'team' and 'Team', which S3 takes for one"),
        ({"who": 5}, "text to text, found 'who': 5"),
        ({"who": None}, "text to text, found 'who': None"),
        ({5: "who"}, "text to text, found 5: 'who'"),
        ({"who": "Jürgen"}, "'who': 'Jürgen'"),
        ({"who": "a\r\nX-Evil: 1"}, "'who'"),
        ({"wh o": "x"}, "'wh o'"),
        ({"wh\u00f6": "x"}, "'whö'"),
        ({"": "x"}, "''"),
        ({"who": "x" * 2048}, "2051 bytes"),
        ("text", "found 'text'"),
    ],
)
def test_metadata_that_s3_refuses_or_that_is_reserved_is_refused_before_any_request(
    server: HostileServer, s3: S3, metadata: Any, said: str
) -> None:
    with pytest.raises(WiroUsageError) as caught:
        land(extra_args={"Metadata": metadata})
    assert said in str(caught.value)
    assert "Metadata in extra_args" in str(caught.value)
    assert server.connections == 0


def test_a_user_may_say_in_any_case_whose_model_it_is(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    land(extra_args={"Metadata": {"Wiro-Model": "mine", "who": "J. D. <j@x.test>, 50 %"}})
    metadata = s3.head(KEY)["Metadata"]
    assert {"wiro-model": "mine", "who": "J. D. <j@x.test>, 50 %"}.items() <= metadata.items()


# -- content type

JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1" + b"x" * 500


@pytest.mark.parametrize("size", [len(JPEG), 9 * MIB])
def test_a_type_that_the_bytes_contradict_is_corrected_and_said(
    wiro: Wiro, s3: S3, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    wiro.shows(wiro.file(JPEG.ljust(size, b"x")))
    with caplog.at_level(logging.WARNING):
        (file,) = land()["files"]
    assert file["content_type"] == s3.head(KEY)["ContentType"] == "image/jpeg"
    assert "as image/png; by its first bytes it is image/jpeg" in caplog.text


def test_what_the_user_says_it_is_it_is(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(JPEG))
    (file,) = land(extra_args={"ContentType": "image/x-mine"})["files"]
    assert file["content_type"] == s3.head(KEY)["ContentType"] == "image/x-mine"


@pytest.mark.parametrize("given", [{}, {"ContentType": "image/png"}])
@pytest.mark.parametrize("padding", [0, 9 * MIB])
def test_a_web_page_that_calls_itself_a_picture_leaves_nothing(
    wiro: Wiro, s3: S3, padding: int, given: dict[str, str]
) -> None:
    page = b"<!DOCTYPE html><html><body>This link has expired.</body></html>".ljust(padding)
    wiro.shows(wiro.file(page, respond(page, content_type="image/png")))
    with pytest.raises(AirflowFailException, match="found a web page"):
        land(extra_args=given)
    assert s3.keys == s3.open_uploads == []


def test_the_type_of_an_llms_answer_is_what_the_provider_wrote(wiro: Wiro, s3: S3) -> None:
    html = {**LLM, "content": {"answer": ["<html><body>%PDF-1.7</body></html>"]}}
    wiro.shows(html)
    assert [file["content_type"] for file in land()["files"]] == [
        "application/json",
        "text/plain; charset=utf-8",
    ]


# -- what S3Hook's users are used to


@BOTH
def test_everything_of_extra_args_reaches_s3(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    calls = Calls(monkeypatch)
    wiro.shows(wiro.file(body))
    extra = {
        "CacheControl": "public, max-age=31536000, immutable",
        "ContentDisposition": 'attachment; filename="robot.png"',
        "ContentLanguage": "tr",
        "StorageClass": "STANDARD_IA",
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "arn:aws:kms:us-east-1:123456789012:key/abc",
        "ExpectedBucketOwner": "123456789012",
    }
    land(acl_policy="bucket-owner-full-control", extra_args=extra)
    made = list(calls.arguments)
    found = s3.head(KEY)
    for name in ("CacheControl", "ContentDisposition", "StorageClass", "ServerSideEncryption", "SSEKMSKeyId"):
        assert found[name] == extra[name]
    creation = calls.of("PutObject" if body is PNG else "CreateMultipartUpload")[0]
    assert extra.items() <= creation.items()
    assert creation["ACL"] == "bucket-owner-full-control"
    # moto checks no owner; that each request asks for the check is all that can be seen here.
    for operation, arguments in made:
        assert arguments.get("ExpectedBucketOwner") == "123456789012", operation


# -- secrets


def test_no_secret_is_on_an_object_or_beside_it(wiro: Wiro, s3: S3) -> None:
    token = "tok-socket-5f2e9d1c"
    parameters = {
        "prompt": f"say {token} and {API_KEY}",
        "apiKey": "user-secret-1234",
        "inputImage": "https://u:user-secret-1234@b.test/k.png?X-Amz-Signature=user-secret-1234",
    }
    wiro.shows(wiro.file(PNG), LLM, socketaccesstoken=token, parameters=parameters)
    landed = land(tags=True, manifest=True)
    task_log = [json.dumps(landed)]
    for key in s3.keys:
        task_log += [
            json.dumps(s3.head(key)["Metadata"]),
            json.dumps(tags_of(s3, key)),
            s3.get(key).decode("latin-1"),
        ]
    for secret in (token, API_KEY, SECRET, "user-secret-1234"):
        assert not any(secret in text for text in task_log), secret

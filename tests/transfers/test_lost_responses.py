"""S3 that doesn't answer, or whose answer is lost: said plainly, nothing left open, nothing forgotten."""

from __future__ import annotations

import hashlib
import json
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from botocore.exceptions import ClientError

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.landing.s3 import incomplete_uploads
from tests.contract.scripts import ranged
from tests.transfers.fake_network import FakeNetwork
from tests.transfers.fake_wiro import IN_PARTS, PNG
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import Calls, land

if TYPE_CHECKING:
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3
    from tests.transfers.seaweedfs_bucket import Bucket

pytestmark = pytest.mark.usefixtures("connect")

KEY = "wiro/2221/0-0.png"
SHA256 = hashlib.sha256(IN_PARTS).hexdigest()
BOTH = pytest.mark.parametrize("body", [PNG, IN_PARTS], ids=["single", "parts"])


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> FakeNetwork:
    return FakeNetwork(monkeypatch)


# -- connections that bring no answer


@pytest.mark.parametrize("tags", [False, True])
@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload", "UploadPart"])
def test_a_connection_that_s3_closes_is_the_error_that_is_raised(
    wiro: Wiro, s3: S3, network: FakeNetwork, operation: str, tags: bool
) -> None:
    wiro.shows(wiro.file(PNG if operation == "PutObject" else IN_PARTS))
    network.closed = {operation}
    with pytest.raises(WiroOutputUnavailableError, match=f"{KEY} .*Connection was closed"):
        land(tags=tags)
    assert s3.keys == s3.open_uploads == []


def test_an_abort_without_a_response_does_not_hide_the_error(
    wiro: Wiro,
    s3: S3,
    network: FakeNetwork,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(operation: str, arguments: object) -> None:
        if operation == "UploadPart":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)

    Calls(monkeypatch).before = refuse
    wiro.shows(wiro.file(IN_PARTS))
    network.closed = {"AbortMultipartUpload"}
    with pytest.raises(AirflowFailException, match="AccessDenied"):
        land()
    assert "Could not abort the upload" in caplog.text


@pytest.mark.parametrize("operation", ["ListMultipartUploads", "ListParts"])
def test_abandoned_uploads_stop_no_transfer_when_s3_does_not_respond_about_them(
    wiro: Wiro, s3: S3, network: FakeNetwork, operation: str
) -> None:
    s3.client.create_multipart_upload(Bucket=BUCKET, Key=KEY)
    wiro.shows(wiro.file(IN_PARTS))
    network.closed = {operation}
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=2)
    (file,) = land(ti=ti)["files"]
    assert not file["skipped"]
    assert s3.get(KEY) == IN_PARTS


# -- the answer to the begin of an upload


@pytest.mark.parametrize("times", [1, 100], ids=["once", "always"])
def test_an_upload_whose_creation_got_no_response_does_not_stay_open(
    wiro: Wiro, bucket: Bucket, network: FakeNetwork, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(incomplete_uploads, "QUIET_SECONDS", 1.0)
    wiro.shows(wiro.file(IN_PARTS, ranged(IN_PARTS)))
    network.lost = {"CreateMultipartUpload": times}
    if times == 1:
        assert land()["files"][0]["sha256"] == bucket.sha256(KEY) == SHA256
    else:
        with pytest.raises(WiroOutputUnavailableError):
            land()
    assert network.lost["CreateMultipartUpload"] < times
    assert bucket.open_uploads == []


# -- the answer to the call that makes an object


@pytest.mark.parametrize("operation", ["PutObject", "CompleteMultipartUpload"])
def test_an_object_whose_put_got_no_response_is_this_runs_own_and_fully_reported(
    wiro: Wiro, bucket: Bucket, network: FakeNetwork, operation: str
) -> None:
    """boto3 repeats the call, and S3 says that there is an object of this key: ours."""
    body = PNG if operation == "PutObject" else IN_PARTS
    sha256 = hashlib.sha256(body).hexdigest()
    wiro.shows(wiro.file(body, ranged(body)))
    network.lost = {operation: 1}
    (file,) = land(tags=True, manifest=True)["files"]
    assert network.lost[operation] == 0
    assert (file["skipped"], file["sha256"], file["size"]) == (False, sha256, len(body))
    assert file["etag"] == bucket.head(KEY)["ETag"].strip('"')
    tags = bucket.client.get_object_tagging(Bucket=BUCKET, Key=KEY)["TagSet"]
    assert {"Key": "sha256", "Value": sha256} in tags
    manifest = bucket.client.get_object(Bucket=BUCKET, Key="wiro/2221/manifest.json")["Body"].read()
    assert json.loads(manifest)["outputs"][0]["sha256"] == sha256
    assert bucket.open_uploads == []


@BOTH
def test_the_same_object_of_another_run_that_came_meanwhile_is_skipped_with_its_digest(
    wiro: Wiro, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    other = SimpleNamespace(dag_id="other", run_id="r", task_id="t", map_index=-1, try_number=1)
    is_there = threading.Event()

    def before(operation: str, arguments: object) -> None:
        if operation in {"PutObject", "CompleteMultipartUpload"} and not is_there.is_set():
            is_there.set()
            assert not land(ti=other)["files"][0]["skipped"]

    calls = Calls(monkeypatch)
    calls.before = before
    wiro.shows(wiro.file(body, ranged(body)))
    (file,) = land(tags=True)["files"]
    assert (file["skipped"], file["sha256"]) == (True, hashlib.sha256(body).hexdigest())
    assert bucket.head(KEY)["Metadata"]["airflow-dag-id"] == "other"
    assert not calls.of("PutObjectTagging")
    assert not bucket.client.get_object_tagging(Bucket=BUCKET, Key=KEY)["TagSet"]


def test_another_object_of_the_same_run_and_size_is_not_taken_for_what_was_put(
    wiro: Wiro, bucket: Bucket, network: FakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known again by its identity, as always; but nobody says it has the digest of what was fetched."""
    metadata: dict[str, str] = {}

    def before(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "CreateMultipartUpload":
            metadata.update(arguments["Metadata"])
        if operation == "CompleteMultipartUpload":
            bucket.client.put_object(Bucket=BUCKET, Key=KEY, Body=IN_PARTS[:-1] + b"!", Metadata=metadata)

    Calls(monkeypatch).before = before
    wiro.shows(wiro.file(IN_PARTS, ranged(IN_PARTS)))
    (file,) = land()["files"]
    assert (file["skipped"], file["sha256"]) == (True, None)

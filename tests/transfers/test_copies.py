"""A reused result is copied by S3 itself: on a real server, in parts, conditionally, or not at all."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.landing.s3 import stored_copy
from tests.contract.scripts import ranged
from tests.transfers.fake_wiro import BIG, MIB, PNG
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import land

if TYPE_CHECKING:
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3_calls import Calls
    from tests.transfers.seaweedfs_bucket import Bucket

pytestmark = pytest.mark.usefixtures("connect")

TODAY = {"s3_key": "today/{index}{suffix}"}


def reused(*bodies: bytes, wiro: Wiro, **settings: Any) -> dict[str, Any]:
    """Land outputs, and return the run summary of a later run that reuses them."""
    wiro.shows(*(wiro.file(body, ranged(body)) for body in bodies))
    files = land(**settings)["files"]
    landed = [
        {
            "output": index,
            "part": "",
            **{name: file[name] for name in ("name", "content_type", "uri", "size", "sha256", "etag")},
        }
        for index, file in enumerate(files)
    ]
    return {
        "wiro_task_id": "2221",
        "model": "a/b",
        "reused": True,
        "outputs": [],
        "reuse": {"landed": landed},
    }


@pytest.mark.parametrize("part_bytes", [5 * MIB, stored_copy.PART_BYTES], ids=["in parts", "as one"])
@pytest.mark.parametrize("algorithm", [None, "CRC32", "SHA256"])
def test_the_copy_has_the_bytes_and_names_them(
    wiro: Wiro,
    bucket: Bucket,
    calls: Calls,
    monkeypatch: pytest.MonkeyPatch,
    part_bytes: int,
    algorithm: str | None,
) -> None:
    monkeypatch.setattr(stored_copy, "PART_BYTES", part_bytes)
    summary = reused(PNG, BIG, wiro=wiro)
    calls.clear()
    extra = {"ChecksumAlgorithm": algorithm} if algorithm else None
    files = land(summary, **TODAY, tags=True, extra_args=extra)["files"]
    assert calls.of("GetObject") == calls.of("PutObject") == calls.of("UploadPart") == []
    for index, (file, body) in enumerate(zip(files, (PNG, BIG), strict=True)):
        digest = hashlib.sha256(body).hexdigest()
        assert (file["sha256"], file["size"]) == (digest, len(body))
        assert bucket.sha256(f"today/{index}.png") == digest
        head = bucket.head(f"today/{index}.png")
        assert head["Metadata"]["sha256"] == digest
        assert (head["ContentType"], head["Metadata"]["wiro-task-id"]) == ("image/png", "2221")
        tags = bucket.client.get_object_tagging(Bucket=BUCKET, Key=f"today/{index}.png")["TagSet"]
        assert {"Key": "sha256", "Value": digest} in tags
    assert bucket.open_uploads == []
    assert all(file["skipped"] for file in land(summary, **TODAY)["files"])


def test_an_object_that_is_put_there_meanwhile_stays(wiro: Wiro, bucket: Bucket, calls: Calls) -> None:
    summary = reused(PNG, wiro=wiro)

    def appear(operation: str, arguments: dict[str, Any], answer: Any) -> None:
        if operation == "UploadPartCopy":
            calls.after = lambda *_: None
            bucket.client.put_object(Bucket=BUCKET, Key="today/0.png", Body=b"theirs")

    calls.after = appear
    with pytest.raises(AirflowFailException, match="is there already"):
        land(summary, **TODAY)
    assert bucket.sha256("today/0.png") == hashlib.sha256(b"theirs").hexdigest()
    assert bucket.open_uploads == []


@pytest.mark.parametrize("when", ["before", "between the look and the copy"])
@pytest.mark.parametrize("change", ["gone", "replaced"])
def test_an_object_that_has_changed_is_not_copied(
    wiro: Wiro, bucket: Bucket, calls: Calls, when: str, change: str
) -> None:
    summary = reused(PNG, wiro=wiro)
    key = summary["reuse"]["landed"][0]["uri"].removeprefix(f"s3://{BUCKET}/")

    def harm() -> None:
        if change == "gone":
            bucket.client.delete_object(Bucket=BUCKET, Key=key)
        else:
            bucket.client.put_object(Bucket=BUCKET, Key=key, Body=bytes(len(PNG)))

    def harm_late(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "UploadPartCopy":
            calls.before = lambda *_: None
            harm()

    if when == "before":
        harm()
    else:
        calls.before = harm_late
    with pytest.raises(AirflowFailException, match=r"is gone or has changed.*Clear the task of the run"):
        land(summary, **TODAY)
    assert "today/0.png" not in bucket.keys
    assert bucket.open_uploads == []


def test_a_copy_that_s3_refuses_leaves_nothing(wiro: Wiro, bucket: Bucket, calls: Calls) -> None:
    from botocore.exceptions import ClientError

    summary = reused(PNG, wiro=wiro)

    def refuse(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "UploadPartCopy":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)

    calls.before = refuse
    with pytest.raises(AirflowFailException, match="s3:GetObject"):
        land(summary, **TODAY)
    assert "today/0.png" not in bucket.keys
    assert bucket.open_uploads == []


def test_a_customers_key_reads_the_original_too(wiro: Wiro, bucket: Bucket) -> None:
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}
    summary = reused(PNG, wiro=wiro, extra_args=key)
    (file,) = land(summary, **TODAY, extra_args=key)["files"]
    body = bucket.client.get_object(Bucket=BUCKET, Key="today/0.png", **key)["Body"].read()
    assert (file["skipped"], body) == (False, PNG)


@pytest.mark.parametrize("body", [PNG, BIG], ids=["as one", "in parts"])
def test_a_store_that_cannot_copy_gets_the_bytes_from_here(
    wiro: Wiro, bucket: Bucket, calls: Calls, body: bytes
) -> None:
    from botocore.exceptions import ClientError

    summary = reused(body, wiro=wiro)

    def refuse(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "UploadPartCopy":
            raise ClientError({"Error": {"Code": "NotImplemented", "Message": "no"}}, operation)

    calls.before = refuse
    (file,) = land(summary, **TODAY)["files"]
    assert file["sha256"] == bucket.sha256("today/0.png") == hashlib.sha256(body).hexdigest()
    assert bucket.head("today/0.png")["Metadata"]["wiro-task-id"] == "2221"
    assert bucket.open_uploads == []


@pytest.mark.parametrize(
    "summary",
    [
        {"wiro_task_id": "2221", "reused": True},
        {"wiro_task_id": "2221", "reused": True, "reuse": {"landed": [{"uri": "s3://a/b"}]}},
        {"wiro_task_id": "2221", "reused": True, "reuse": {"landed": "all"}},
    ],
)
def test_a_summary_that_names_no_objects_is_one_clear_error(wiro: Wiro, bucket: Bucket, summary: Any) -> None:
    with pytest.raises(AirflowFailException, match="Expected the run summary of a reused result"):
        land(summary)


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "s3://other@outputs/x.png", "gs://conn@b/x.png"])
def test_a_summary_leads_to_no_other_store(wiro: Wiro, bucket: Bucket, uri: str) -> None:
    summary = reused(PNG, wiro=wiro)
    summary["reuse"]["landed"][0]["uri"] = uri
    with pytest.raises(AirflowFailException, match="is outside of the stores"):
        land(summary, **TODAY)

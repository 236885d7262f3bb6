"""
The same promises against a real S3 server, which checks signatures and checksums as moto does not.

SeaweedFS starts in a second, once for all of these. What it doesn't know (4.48): storage classes and ACLs;
those stay with moto. CRC64NVME would need `botocore[crt]`.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from tests.contract.scripts import ranged, respond
from tests.transfers.fake_wiro import BIG, MIB, PNG, transfer
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import Calls

if TYPE_CHECKING:
    from tests.programs.system.seaweedfs import SeaweedFS
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.seaweedfs_bucket import Bucket

pytestmark = pytest.mark.usefixtures("connect")


@pytest.mark.parametrize("body", [b"", PNG, BIG[: 8 * MIB], BIG])
def test_size_digest_and_bytes_agree(wiro: Wiro, bucket: Bucket, body: bytes) -> None:
    wiro.shows(wiro.file(body, ranged(body)))
    (file,) = transfer()["files"]
    assert (file["size"], file["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert bucket.sha256("wiro/2221/0-0.png") == file["sha256"]
    assert bucket.open_uploads == []


@pytest.mark.parametrize("body", [PNG, BIG])
@pytest.mark.parametrize("algorithm", [None, "CRC32", "SHA256"])
def test_s3s_checksum_is_of_the_same_bytes(
    wiro: Wiro, bucket: Bucket, body: bytes, algorithm: str | None
) -> None:
    wiro.shows(wiro.file(body, ranged(body)))
    transfer(extra_args={"ChecksumAlgorithm": algorithm} if algorithm else None)
    found = bucket.client.head_object(Bucket=BUCKET, Key="wiro/2221/0-0.png", ChecksumMode="ENABLED")
    assert found["ContentLength"] == len(body)
    name = algorithm or "CRC32"  # which is what boto3 chooses
    if body is PNG:
        assert found[f"Checksum{name}"] == checksum(name, body)
    else:  # the checksum of the parts' checksums, and how many they were
        parts = b"".join(
            b64decode(checksum(name, body[at : at + 8 * MIB])) for at in range(0, len(body), 8 * MIB)
        )
        assert found[f"Checksum{name}"] == f"{checksum(name, parts)}-3"


def checksum(algorithm: str, body: bytes) -> str:
    digest = zlib.crc32(body).to_bytes(4, "big") if algorithm == "CRC32" else hashlib.sha256(body).digest()
    return b64encode(digest).decode()


def test_bytes_that_change_on_the_way_to_s3_are_not_stored(
    wiro: Wiro, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.httpsession import URLLib3Session

    real = URLLib3Session.send

    def corrupting(self: Any, request: Any) -> Any:
        if "partNumber=2" in request.url:
            request.body = b"X" + bytes(request.body)[1:]
        return real(self, request)

    wiro.shows(wiro.file(BIG, ranged(BIG)))
    monkeypatch.setattr(URLLib3Session, "send", corrupting)
    with pytest.raises(WiroOutputUnavailableError, match="BadDigest"):
        transfer()
    monkeypatch.undo()
    assert bucket.keys == bucket.open_uploads == []


def test_a_checksum_that_is_not_that_of_the_bytes_is_no_confirmation(
    wiro: Wiro, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the object is looked at, as where S3 names none; this one is whole."""
    from botocore.client import BaseClient

    real = BaseClient._make_api_call

    def changed(self: Any, operation: str, arguments: Any) -> Any:
        answer = real(self, operation, arguments)
        return {**answer, "ChecksumCRC32": "AAAAAA=="} if operation == "PutObject" else answer

    wiro.shows(wiro.file(PNG))
    monkeypatch.setattr(BaseClient, "_make_api_call", changed)
    calls = Calls(monkeypatch)
    (file,) = transfer()["files"]
    assert [operation for operation, _ in calls.made] == ["HeadObject", "PutObject", "HeadObject"]
    assert file["size"] == len(PNG)


CUSTOMER_KEY = bytes(range(32))
ENCRYPTIONS: dict[str, dict[str, Any]] = {
    "SSE-KMS": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "pictures"},
    "SSE-C": {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": CUSTOMER_KEY},
}


@pytest.mark.parametrize("encryption", ENCRYPTIONS)
def test_what_is_encrypted_with_a_key_of_ones_own_lands_verified_and_is_known_again(
    wiro: Wiro, bucket: Bucket, encryption: str
) -> None:
    extra = ENCRYPTIONS[encryption]
    key = extra if encryption == "SSE-C" else {}  # whoever reads has to bring this one along
    wiro.shows(wiro.file(PNG), wiro.file(BIG, ranged(BIG)))
    first = transfer(extra_args=extra, manifest=True)
    for file, body in zip(first["files"], (PNG, BIG), strict=True):
        where = {"Bucket": BUCKET, "Key": file["uri"].removeprefix(f"s3://{BUCKET}/"), **key}
        found = bucket.client.get_object(**where)
        assert found["Body"].read() == body
        assert file["sha256"] == hashlib.sha256(body).hexdigest()
        if encryption == "SSE-KMS":
            assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", "pictures")
        else:
            assert found["SSECustomerAlgorithm"] == "AES256"
    again = transfer(extra_args=extra, manifest=True)
    assert [{**file, "skipped": False} for file in again["files"]] == first["files"]
    assert all(file["skipped"] for file in again["files"])
    assert bucket.open_uploads == []


def test_without_the_customers_key_an_object_can_neither_be_read_nor_taken_for_something_else(
    wiro: Wiro, bucket: Bucket
) -> None:
    wiro.shows(wiro.file(PNG))
    transfer(extra_args=ENCRYPTIONS["SSE-C"])
    with pytest.raises(AirflowFailException, match=r"HTTP 400 .*SSE-C"):
        transfer()
    with pytest.raises(AirflowFailException):
        transfer(extra_args={**ENCRYPTIONS["SSE-C"], "SSECustomerKey": bytes(32)})


def test_wrong_keys_store_nothing(
    wiro: Wiro, bucket: Bucket, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {**json.loads(seaweedfs.airflow_connection()), "password": "wrong"}
    wiro.shows(wiro.file(PNG))
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(fields))
    with pytest.raises(AirflowFailException, match="SignatureDoesNotMatch"):
        transfer()
    assert bucket.keys == []


def test_an_output_that_breaks_off_leaves_no_object_and_no_parts(wiro: Wiro, bucket: Bucket) -> None:
    wiro.shows(wiro.file(BIG, ranged(BIG[: 12 * MIB]), size=None), wiro.file(BIG, respond(b"", 503)))
    with pytest.raises(WiroOutputUnavailableError):
        transfer()
    assert "wiro/2221/1-0.png" not in bucket.keys
    assert bucket.open_uploads == []


@pytest.mark.parametrize("operation", ["UploadPart", "CompleteMultipartUpload"])
def test_a_fault_of_s3_leaves_no_object_and_no_parts(
    wiro: Wiro, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    calls = Calls(monkeypatch)

    def fail(name: str, arguments: dict[str, Any]) -> None:
        if name == operation:
            raise KeyboardInterrupt

    calls.before = fail
    wiro.shows(wiro.file(BIG, ranged(BIG)))
    with pytest.raises(KeyboardInterrupt):
        transfer()
    calls.before = lambda name, arguments: None
    assert bucket.keys == bucket.open_uploads == []


def test_a_second_run_costs_one_head_of_each_object(
    wiro: Wiro, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiro.shows(wiro.file(BIG, ranged(BIG)), wiro.file(PNG))
    transfer()
    calls = Calls(monkeypatch)
    assert [file["skipped"] for file in transfer()["files"]] == [True, True]
    assert [operation for operation, _ in calls.made] == ["HeadObject", "HeadObject"]

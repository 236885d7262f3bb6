"""A bit that flips between this machine and S3 is an error and leaves nothing, whatever S3 confirms."""

from __future__ import annotations

import hashlib
import json
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from botocore.httpsession import URLLib3Session

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from tests.contract.scripts import ranged
from tests.transfers.fake_wiro import BIG, MIB, PNG, transfer
from tests.transfers.s3_calls import Calls

if TYPE_CHECKING:
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")

KEY = "wiro/2221/0-0.png"
#: What a connection says for B2, R2, Ceph, and MinIO of before 2025.
WHEN_REQUIRED = {"request_checksum_calculation": "when_required"}
BOTH = pytest.mark.parametrize("body", [PNG, BIG], ids=["single", "parts"])


@pytest.fixture(params=[{}, WHEN_REQUIRED], ids=["checksums", "when_required"])
def config(request: pytest.FixtureRequest, s3: S3, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    connect_s3(s3, monkeypatch, request.param)
    found: dict[str, str] = request.param
    return found


def connect_s3(s3: S3, monkeypatch: pytest.MonkeyPatch, config: dict[str, str]) -> None:
    extra = {"endpoint_url": s3.endpoint_url, "region_name": "us-east-1", "config_kwargs": config}
    fields = {"conn_type": "aws", "login": "a", "password": "b", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(fields))


def flip(body: bytes) -> bytes:
    return body[:-7] + bytes([body[-7] ^ 1]) + body[-6:]


def flip_on_the_way(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, str], *, only_part: int | None = None
) -> list[str]:
    """
    Flip one bit of each object or part that is put, and return where.

    Behind all that boto3 does where it adds no checksum. Else before, with a
    checksum of what arrives: moto computes none, and repeats what it is sent.
    """
    flipped: list[str] = []
    real = URLLib3Session.send

    def send(session: Any, request: Any) -> Any:
        is_it = only_part is None or f"partNumber={only_part}" in request.url
        if request.method == "PUT" and "tagging" not in request.url and is_it:
            body = request.body if isinstance(request.body, bytes | bytearray) else request.body.read()
            request.body = flip(bytes(body))
            flipped.append(request.url)
        return real(session, request)

    def before(operation: str, arguments: dict[str, Any]) -> None:
        is_it = only_part in {None, arguments.get("PartNumber")}
        if operation in {"PutObject", "UploadPart"} and is_it:
            arguments["Body"] = flip(bytes(arguments["Body"]))
            if "ChecksumCRC32" in arguments:
                crc32 = zlib.crc32(arguments["Body"]).to_bytes(4, "big")
                arguments["ChecksumCRC32"] = b64encode(crc32).decode()
            flipped.append(arguments["Key"])

    if config:
        monkeypatch.setattr(URLLib3Session, "send", send)
    else:
        Calls(monkeypatch).before = before
    return flipped


@BOTH
def test_other_bytes_in_s3_are_an_error_and_leave_nothing(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, config: dict[str, str], body: bytes
) -> None:
    wiro.shows(wiro.file(body, ranged(body)))
    flipped = flip_on_the_way(monkeypatch, config)
    with pytest.raises(WiroOutputUnavailableError, match=f"S3 took other bytes .*s3://outputs/{KEY}: its "):
        transfer()
    assert flipped
    assert s3.keys == s3.open_uploads == []


def test_a_bit_in_the_last_part_alone_is_found(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, config: dict[str, str]
) -> None:
    wiro.shows(wiro.file(BIG, ranged(BIG)))
    flip_on_the_way(monkeypatch, config, only_part=3)
    with pytest.raises(WiroOutputUnavailableError, match="part 3 of s3://outputs/"):
        transfer()
    assert s3.keys == s3.open_uploads == []


def test_what_replaced_the_damaged_object_meanwhile_stays(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, config: dict[str, str]
) -> None:
    """The deletion names the ETag of the damaged one."""
    calls = Calls(monkeypatch)
    wiro.shows(wiro.file(PNG, ranged(PNG)))
    flip_on_the_way(monkeypatch, config)
    with pytest.raises(WiroOutputUnavailableError):
        transfer()
    (deleted,) = calls.of("DeleteObject")
    assert deleted["IfMatch"].strip('"') == hashlib.md5(flip(PNG), usedforsecurity=False).hexdigest()


@BOTH
def test_where_boto3_adds_no_checksum_each_body_has_its_md5(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """A bucket with Object Lock takes no object without either, and a store that checks it keeps no other."""
    connect_s3(s3, monkeypatch, WHEN_REQUIRED)
    calls = Calls(monkeypatch)
    wiro.shows(wiro.file(body, ranged(body)))
    (file,) = transfer()["files"]
    assert file["sha256"] == hashlib.sha256(body).hexdigest()
    pieces = (
        [body] if body is PNG else [body[start : start + 8 * MIB] for start in range(0, len(body), 8 * MIB)]
    )
    sent = [*calls.of("PutObject"), *sorted(calls.of("UploadPart"), key=lambda part: part["PartNumber"])]
    assert [one["ContentMD5"] for one in sent] == [
        b64encode(hashlib.md5(piece, usedforsecurity=False).digest()).decode() for piece in pieces
    ]


@BOTH
def test_a_checksum_that_the_user_asked_for_needs_no_md5(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, config: dict[str, str], body: bytes
) -> None:
    calls = Calls(monkeypatch)
    wiro.shows(wiro.file(body, ranged(body)))
    transfer(extra_args={"ChecksumAlgorithm": "SHA256"})
    assert not [one for one in calls.of("PutObject") + calls.of("UploadPart") if "ContentMD5" in one]
    assert s3.get(KEY) == body


@BOTH
def test_an_object_under_a_key_of_kms_is_no_false_alarm(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """Its ETag is no MD5."""
    connect_s3(s3, monkeypatch, WHEN_REQUIRED)
    calls = Calls(monkeypatch)

    def as_kms(operation: str, arguments: dict[str, Any], answer: Any) -> None:
        if operation in {"PutObject", "UploadPart"}:
            answer.update(ETag=f'"{"0" * 32}"', ServerSideEncryption="aws:kms", SSEKMSKeyId="arn:key")
        if operation == "HeadObject" and body is PNG:
            answer["ETag"] = f'"{"0" * 32}"'
        if operation == "UploadPart":
            answer["ETag"] = f'"{hashlib.md5(arguments["Body"], usedforsecurity=False).hexdigest()}"'

    calls.after = as_kms
    wiro.shows(wiro.file(body, ranged(body)))
    transfer()
    assert s3.get(KEY) == body

"""What S3's answer to a put says of the bytes: the same, others, or nothing that could be compared."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from typing import Any

import pytest

from airflow_provider_wiro.storage.s3.checksums import Sent, md5_of, shows_damage

BODY = b"the bytes"
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
OTHER = hashlib.md5(b"others", usedforsecurity=False).hexdigest()
CRC32 = b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
SHA256 = b64encode(hashlib.sha256(BODY).digest()).decode()


def difference(answer: dict[str, Any], asked: dict[str, Any] | None = None) -> str | None:
    found = [
        Sent(BODY, sends_md5=sends_md5).difference(answer, {"Bucket": "b", **(asked or {})})
        for sends_md5 in (False, True)
    ]
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    "answer",
    [
        {"ChecksumCRC32": CRC32},
        {"ChecksumSHA256": SHA256, "ETag": OTHER},
        {"ChecksumCRC32": CRC32, "ETag": OTHER, "ServerSideEncryption": "aws:kms"},
        {"ETag": f'"{MD5}"'},
        {"ETag": f'"{MD5.upper()}"', "ServerSideEncryption": "AES256"},
    ],
)
def test_the_bytes_that_were_put(answer: dict[str, Any]) -> None:
    assert difference(answer) == ""


@pytest.mark.parametrize(
    "answer",
    [
        {"ChecksumCRC32": "AAAAAA=="},
        {"ChecksumCRC32": "AAAAAA==", "ETag": f'"{OTHER}"'},
        {"ChecksumCRC32": "AAAAAA==", "ETag": f'"{MD5}"', "SSEKMSKeyId": "arn:key"},
        {"ChecksumCRC32": CRC32, "ChecksumSHA256": "x"},
        {"ETag": f'"{OTHER}"'},
        {"ETag": f'"{OTHER}"', "ServerSideEncryption": "AES256"},
    ],
)
def test_other_bytes(answer: dict[str, Any]) -> None:
    assert (difference(answer) or "").startswith("its ")


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        ({}, {}),
        ({"ETag": f'"{OTHER}-1"'}, {}),
        ({"ETag": '"CMXH0p3Y7ocDEAE="'}, {}),
        ({"ETag": f'"{OTHER}"', "ServerSideEncryption": "aws:kms"}, {}),
        ({"ETag": f'"{OTHER}"', "ServerSideEncryption": "aws:kms:dsse"}, {}),
        ({"ETag": f'"{OTHER}"', "SSEKMSKeyId": "arn:key"}, {}),
        ({"ETag": f'"{OTHER}"', "SSECustomerAlgorithm": "AES256"}, {}),
        ({"ETag": f'"{OTHER}"'}, {"SSECustomerAlgorithm": "AES256"}),
        ({"ETag": f'"{OTHER}"'}, {"ServerSideEncryption": "aws:kms"}),
        ({"ETag": f'"{OTHER}"'}, {"Bucket": "pictures--use1-az4--x-s3"}),
    ],
)
def test_an_etag_that_is_no_md5_says_nothing(answer: dict[str, Any], asked: dict[str, Any]) -> None:
    assert difference(answer, asked) is None


def test_a_checksum_that_the_etag_refutes_confirms_nothing_and_is_no_error() -> None:
    assert difference({"ChecksumCRC32": "AAAAAA==", "ETag": f'"{MD5}"'}) is None


def test_an_md5_is_sent_only_where_it_is_wanted() -> None:
    assert Sent(BODY, sends_md5=False).arguments == {}
    sent = Sent(BODY, sends_md5=True).arguments
    assert sent == {"ContentMD5": b64encode(hashlib.md5(BODY, usedforsecurity=False).digest()).decode()}


def test_a_crc32_that_is_sent_is_the_one_that_is_compared() -> None:
    sent = Sent(BODY, sends_crc32=True)
    assert sent.arguments == {"ChecksumCRC32": CRC32}
    assert sent.difference({"ChecksumCRC32": CRC32}, {}) == ""
    assert sent.difference({"ChecksumCRC32": "AAAAAA=="}, {})


def test_a_checksum_that_boto3_has_sent_is_compared_too() -> None:
    """A store can name the checksum of what it has kept, and have kept something else than came over TLS."""
    sent = Sent(BODY)
    assert sent.arguments == {}
    assert sent.difference({"ChecksumCRC32": "AAAAAA=="}, {})


@pytest.mark.parametrize("encrypted", [{}, {"ServerSideEncryption": "AES256"}])
def test_an_object_whose_etag_is_not_the_md5_it_was_put_with_shows_damage(encrypted: dict[str, str]) -> None:
    shown = {"ETag": f'"{OTHER.upper()}"', **encrypted}
    assert shows_damage(shown, {}, md5_of(BODY))
    assert not shows_damage({**shown, "ETag": f'"{md5_of(BODY)}"'}, {}, md5_of(BODY))


@pytest.mark.parametrize(
    ("shown", "md5"),
    [
        ({"ETag": f'"{OTHER}"'}, None),
        ({"ETag": f'"{OTHER}"'}, "not an MD5"),
        ({"ETag": f'"{OTHER}-2"'}, md5_of(BODY)),
        ({}, md5_of(BODY)),
        ({"ETag": f'"{OTHER}"', "ServerSideEncryption": "aws:kms"}, md5_of(BODY)),
    ],
)
def test_an_etag_that_is_no_md5_shows_nothing(shown: dict[str, str], md5: str | None) -> None:
    assert not shows_damage(shown, {}, md5)

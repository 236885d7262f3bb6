"""Checksums of a put: sends them, and compares S3's response with the bytes that were sent."""

from __future__ import annotations

import hashlib
import re
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CHECKSUMS: Mapping[str, Callable[[bytes | bytearray], bytes]] = {
    "ChecksumCRC32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "ChecksumSHA1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "ChecksumSHA256": lambda body: hashlib.sha256(body).digest(),
}
_MD5 = re.compile("[0-9a-f]{32}")
#: The encryptions with which an ETag is the MD5 of the plain bytes: none, and S3's own keys (SSE-S3).
_WITH_MD5 = frozenset({None, "", "AES256"})
#: What says that an object is encrypted with a key of KMS's or of the user's, where an ETag is no MD5.
_WITHOUT_MD5 = ("SSECustomerAlgorithm", "SSEKMSKeyId")
#: The end of the name of a directory bucket (S3 Express One Zone), whose ETags are no MD5.
_DIRECTORY_BUCKET = "--x-s3"


class Sent:
    """
    The body of one ``put_object`` or ``upload_part``, and what S3's response says of it.

    :param sends_md5: put its MD5 into the request. S3 then refuses other bytes, and takes the object into a
        bucket with Object Lock, which it doesn't without any checksum.
    :param sends_crc32: put its CRC32 into the request, which boto3 then doesn't compute.
    """

    def __init__(
        self, body: bytes | bytearray, *, sends_md5: bool = False, sends_crc32: bool = False
    ) -> None:
        self._body = body
        self._md5 = _md5(body) if sends_md5 else None
        self._crc32 = _checksum("ChecksumCRC32", body) if sends_crc32 else None

    @property
    def arguments(self) -> dict[str, str]:
        """What to add to the call."""
        sent = {} if self._md5 is None else {"ContentMD5": b64encode(self._md5).decode()}
        return sent if self._crc32 is None else {**sent, "ChecksumCRC32": self._crc32}

    def difference(self, response: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
        """
        Return in words how S3's response contradicts the body; empty: it names the body's own checksum.

        A checksum that S3 names is compared. Where it names none, or another one, the ETag is, as far as it
        is an MD5.

        :param asked: the arguments of the call.
        :return: None where nothing can be compared, or one contradicts the other: the caller has to ask S3
            for the object.
        """
        named = self._difference_of_checksums(response)
        if named == "":
            return ""
        of_etag = self._difference_of_etag(response, asked)
        if named is None:
            return of_etag
        return None if of_etag == "" else named

    def _difference_of_checksums(self, response: Mapping[str, Any]) -> str | None:
        shown = {name: str(response[name]) for name in _CHECKSUMS if response.get(name)}
        for name, value in shown.items():
            is_known = name == "ChecksumCRC32" and self._crc32 is not None
            own = self._crc32 if is_known else _checksum(name, self._body)
            if value != own:
                return f"its {name.removeprefix('Checksum')} is {value[:100]}, that of the bytes {own}"
        return "" if shown else None

    def _difference_of_etag(self, response: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
        etag = str(response.get("ETag", "")).strip('"').lower()
        if not (_MD5.fullmatch(etag) and _has_md5_as_etag(response, asked)):
            return None
        own = (_md5(self._body) if self._md5 is None else self._md5).hex()
        return "" if etag == own else f"its ETag is {etag}, the MD5 of the bytes {own}"


def shows_damage(response: Mapping[str, Any], asked: Mapping[str, Any], md5: str | None) -> bool:
    """
    Whether the ETag of an object that is there contradicts the MD5 that it was put with.

    :param response: of ``head_object``.
    :param asked: the arguments of that call.
    :param md5: in hexadecimal digits, None if it is not known.
    """
    etag = str(response.get("ETag", "")).strip('"').lower()
    is_comparable = md5 is not None and _MD5.fullmatch(md5) and _MD5.fullmatch(etag)
    return bool(is_comparable and _has_md5_as_etag(response, asked) and etag != md5)


def md5_of(body: bytes | bytearray) -> str:
    """Return the MD5 of a body in hexadecimal digits, as it is the ETag of most objects."""
    return _md5(body).hex()


def _has_md5_as_etag(response: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    if str(asked.get("Bucket", "")).endswith(_DIRECTORY_BUCKET):
        return False
    return all(
        found.get("ServerSideEncryption") in _WITH_MD5 and not any(found.get(name) for name in _WITHOUT_MD5)
        for found in (response, asked)
    )


def _checksum(name: str, body: bytes | bytearray) -> str:
    return b64encode(_CHECKSUMS[name](body)).decode()


def _md5(body: bytes | bytearray) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()

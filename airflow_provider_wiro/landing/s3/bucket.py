"""One bucket as a transfer sees it: what is there already, and the arguments of every call."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroError, WiroOutputUnavailableError
from airflow_provider_wiro.landing.user_metadata import MD5
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.digests import sha256_of
from airflow_provider_wiro.storage.s3.accompanying_arguments import FOR_MANAGING, FOR_READING, only
from airflow_provider_wiro.storage.s3.checksums import shows_damage
from airflow_provider_wiro.storage.s3.conditional_writes import ConditionalPut
from airflow_provider_wiro.storage.s3.refusals import S3Access
from airflow_provider_wiro.storage.s3.responses import code_and_status, etag_of, is_denied

if TYPE_CHECKING:
    from collections.abc import Mapping

log = plain_logger(__name__)

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class StoredObject:
    """
    An object that is in S3.

    :ivar size: bytes.
    :ivar sha256: of its bytes, as it says itself; None if that is not known without reading them.
    :ivar metadata: the user metadata it carries.
    :ivar is_doubtful: its ETag isn't the MD5 that it was put with.
    :ivar is_new: whether this transfer has put it.
    """

    size: int
    sha256: str | None
    etag: str
    metadata: Mapping[str, str]
    content_type: str
    is_new: bool = False
    is_doubtful: bool = False


class S3Bucket:
    """
    Reads objects of one bucket. Usable from several threads.

    :param client: boto3's S3 client.
    :param arguments: what the user wants of every object, in boto3's words (``ALLOWED_UPLOAD_ARGS``).
    :param conn_id: of the Airflow connection, for messages.
    :ivar if_absent: makes puts conditional; shared, so that a server is asked once whether it knows them.
    :ivar checksum_argument: for objects in parts, where boto3's `upload_file` adds it but its client doesn't.
    :ivar sends_md5: boto3 adds no checksum, so an MD5 is sent: every store knows it.
    :ivar sends_crc32: boto3 would compute the CRC32 of each part: without TLS it sends a header. It costs
        nothing to compute it here, where it is compared with S3's response.
    """

    def __init__(
        self, client: Any, name: str, arguments: Mapping[str, Any], *, conn_id: str | None = None
    ) -> None:
        self.access = S3Access(name, conn_id, arguments)
        self.client = client
        self.name = name
        self.arguments = arguments
        self.if_absent = ConditionalPut()
        # Some stores that are not Amazon's take no checksums; the connection says so.
        adds_checksums = client.meta.config.request_checksum_calculation == "when_supported"
        names_none = "ChecksumAlgorithm" not in arguments
        has_tls = str(client.meta.endpoint_url).startswith("https://")
        self.checksum_argument = {"ChecksumAlgorithm": "CRC32"} if adds_checksums else {}
        self.sends_md5 = names_none and not adds_checksums
        self.sends_crc32 = names_none and adds_checksums and not has_tls
        #: Keys that S3 doesn't show us: without `s3:ListBucket` it denies HEAD where there is no object.
        self._hidden: set[str] = set()

    def with_arguments(self, arguments: Mapping[str, Any]) -> S3Bucket:
        """Return the same bucket by the same client, with other arguments."""
        return S3Bucket(self.client, self.name, arguments, conn_id=self.access.conn_id)

    def head(self, key: str) -> StoredObject | None:
        """
        Return what S3 knows of an object, None if there is none, or S3 doesn't show it.

        :raises WiroError: S3 refuses the call, or can't be reached.
        """
        try:
            with self.access.plain_errors(key):
                found = self.client.head_object(Bucket=self.name, Key=key, **self.reading)
        except WiroError as error:
            if self._is_absent(key, error.__cause__):
                return None
            raise
        self._hidden.discard(key)
        metadata = found.get("Metadata", {})
        if "ContentLength" not in found:
            raise WiroOutputUnavailableError(
                f"S3 shows s3://{self.name}/{key} ({self.access.connection}) without its size: expected a "
                "Content-Length, found none. A proxy in between may take it out."
            )
        return StoredObject(
            found["ContentLength"],
            _digest(metadata.get("sha256")),
            etag_of(found),
            metadata,
            str(found.get("ContentType", "")),
            is_doubtful=shows_damage(found, {"Bucket": self.name, **self.arguments}, metadata.get(MD5)),
        )

    def sha256(self, key: str) -> str:
        """Return the digest of an object's bytes, which are read for it."""
        with self.access.plain_errors(key):
            body = self.client.get_object(Bucket=self.name, Key=key, **self.reading)["Body"]
            return sha256_of(body)

    def tagged_sha256(self, key: str) -> str | None:
        """
        Return the digest that a transfer has put among an object's tags, None if there is none.

        A missing permission (``s3:GetObjectTagging``) is only logged.
        """
        from botocore.exceptions import ClientError

        try:
            tags = self.client.get_object_tagging(Bucket=self.name, Key=key, **self.managing)
        except ClientError as error:
            log.info("Could not read the tags of s3://%s/%s: %s", self.name, key, error)
            return None
        return _digest({tag["Key"]: tag["Value"] for tag in tags["TagSet"]}.get("sha256"))

    def read(self, key: str, max_bytes: int) -> bytes | None:
        """
        Return a small object's bytes, None if there is none, or S3 doesn't show it.

        :param max_bytes: the most that are read.
        :raises WiroError: S3 refuses the call, or can't be reached.
        """
        try:
            with self.access.plain_errors(key):
                found = self.client.get_object(Bucket=self.name, Key=key, **self.reading)
                with found["Body"] as body:
                    piece: bytes = body.read(max_bytes)
        except WiroError as error:
            if self._is_absent(key, error.__cause__):
                return None
            raise
        return piece

    def _is_absent(self, key: str, error: BaseException | None) -> bool:
        """Whether S3 shows no object: there is none, or S3 denies the call."""
        if error is None:
            return False
        if is_denied(error):
            self._hidden.add(key)
            return True
        code, status = code_and_status(error)
        return status == "404" and code != "NoSuchBucket"

    def hides(self, key: str) -> bool:
        """Whether S3 denied the last HEAD of a key, so that there may be an object."""
        return key in self._hidden

    @property
    def reading(self) -> dict[str, Any]:
        """The user's arguments that calls which read an object need as well."""
        return only(self.arguments, FOR_READING)

    @property
    def managing(self) -> dict[str, Any]:
        """The user's arguments that listing, deleting, aborting and tagging need as well."""
        return only(self.arguments, FOR_MANAGING)


def _digest(text: str | None) -> str | None:
    """Return a digest as a transfer writes it, None if it is anything else."""
    return text if text is not None and _SHA256.fullmatch(text) else None

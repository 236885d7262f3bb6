"""A stream of bytes into one S3 object: whole and verified, or not at all, with flat memory."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroOutputRefusedError, WiroOutputUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.transfers.landing import Readable

log = logging.getLogger(__name__)

#: Memory is about two of these. S3 takes parts from 5 MiB.
PART_BYTES = 8 * 1024 * 1024
#: The most parts S3 takes for one object.
MAX_PARTS = 10_000
#: The largest object S3 is sure to take, 5 TiB. A larger size is a lie, and would make parts of any size.
MAX_OBJECT_BYTES = 5 * 1024**4

#: What of a user's upload arguments also belongs to the calls that go with an upload.
_ALSO_FOR_PARTS = frozenset(
    {
        "ChecksumAlgorithm",
        "ExpectedBucketOwner",
        "RequestPayer",
        "SSECustomerAlgorithm",
        "SSECustomerKey",
        "SSECustomerKeyMD5",
    }
)
_ALSO_FOR_HEAD = _ALSO_FOR_PARTS - {"ChecksumAlgorithm"}
_ALSO_FOR_ABORT = frozenset({"ExpectedBucketOwner", "RequestPayer"})


@dataclass(frozen=True)
class StoredObject:
    """
    An object that is in S3.

    :ivar size: bytes.
    :ivar sha256: of its bytes; None if that is not known without reading them.
    :ivar metadata: the user metadata it carries.
    """

    size: int
    sha256: str | None
    etag: str
    metadata: Mapping[str, str]


class S3Upload:
    """
    Puts objects into one bucket, and looks at those that are there.

    :param client: boto3's S3 client.
    :param arguments: what the user wants of every object, in boto3's words (``ALLOWED_UPLOAD_ARGS``).
    """

    def __init__(self, client: Any, bucket: str, arguments: Mapping[str, Any]) -> None:
        self._client = client
        self.bucket = bucket
        self._arguments = arguments

    def head(self, key: str) -> StoredObject | None:
        """Return what S3 knows of an object, None if there is none."""
        from botocore.exceptions import ClientError

        try:
            found = self._client.head_object(Bucket=self.bucket, Key=key, **self._also(_ALSO_FOR_HEAD))
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return None
            raise
        metadata = found.get("Metadata", {})
        return StoredObject(
            found["ContentLength"], metadata.get("sha256"), str(found.get("ETag", "")).strip('"'), metadata
        )

    def sha256(self, key: str) -> str:
        """Return the digest of an object's bytes, which are read for it."""
        body = self._client.get_object(Bucket=self.bucket, Key=key, **self._also(_ALSO_FOR_HEAD))["Body"]
        digest = hashlib.sha256()
        for piece in body.iter_chunks(1024 * 1024):
            digest.update(piece)
        return digest.hexdigest()

    def put(
        self,
        key: str,
        stream: Readable,
        *,
        expected_size: int | None,
        content_type: str,
        metadata: Mapping[str, str],
    ) -> StoredObject:
        """
        Store what ``stream`` gives; nothing is left behind if it fails.

        :param expected_size: bytes, if known: very large objects need larger parts.
        :param metadata: added to the object's. One that fits into a single part also gets its ``sha256``; of
            a larger one it is known only after S3 has taken the metadata.
        :raises WiroOutputUnavailableError: S3 has another number of bytes than it was given.
        :raises WiroOutputRefusedError: it is larger than S3 takes.
        """
        if (expected_size or 0) > MAX_OBJECT_BYTES:
            raise WiroOutputRefusedError(
                f"{key!r} would be {expected_size} bytes, S3 takes {MAX_OBJECT_BYTES}."
            )
        part_bytes = max(PART_BYTES, -(-(expected_size or 0) // MAX_PARTS))
        digest = hashlib.sha256()
        first = stream.read(part_bytes)
        digest.update(first)
        carried = {**self._arguments.get("Metadata", {}), **metadata}
        creation = {"ContentType": content_type, **self._arguments}
        if len(first) < part_bytes:
            carried["sha256"] = digest.hexdigest()
            self._client.put_object(
                Bucket=self.bucket, Key=key, Body=first, **{**creation, "Metadata": carried}
            )
            size = len(first)
        else:
            size = self._put_parts(key, stream, first, part_bytes, digest, {**creation, "Metadata": carried})
        stored = self.head(key)
        if stored is None or stored.size != size:
            found = "nothing" if stored is None else f"{stored.size} bytes"
            self._client.delete_object(Bucket=self.bucket, Key=key, **self._also(_ALSO_FOR_ABORT))
            raise WiroOutputUnavailableError(f"S3 took {size} bytes for {key!r} and now shows {found}.")
        return replace(stored, sha256=digest.hexdigest())

    def _put_parts(
        self,
        key: str,
        stream: Readable,
        first: bytes,
        part_bytes: int,
        digest: hashlib._Hash,
        creation: Mapping[str, Any],
    ) -> int:
        where = {"Bucket": self.bucket, "Key": key}
        where["UploadId"] = self._client.create_multipart_upload(**where, **creation)["UploadId"]
        try:
            parts: list[dict[str, Any]] = []
            size, part = 0, first
            while part:
                number = len(parts) + 1
                answer = self._client.upload_part(
                    **where, PartNumber=number, Body=part, **self._also(_ALSO_FOR_PARTS)
                )
                checksums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
                checksums.pop("ChecksumType", None)
                parts.append({"PartNumber": number, "ETag": answer["ETag"], **checksums})
                size += len(part)
                part = stream.read(part_bytes)
                digest.update(part)
            self._client.complete_multipart_upload(
                **where, MultipartUpload={"Parts": parts}, **self._also(_ALSO_FOR_HEAD)
            )
        except BaseException:  # also when the task is stopped: parts of an open upload are billed
            self._abort(where)
            raise
        return size

    def _abort(self, where: Mapping[str, Any]) -> None:
        """Throw an upload's parts away. If this fails it is only logged, lest it hide why it was done."""
        try:
            self._client.abort_multipart_upload(**where, **self._also(_ALSO_FOR_ABORT))
        except Exception:
            log.warning(
                "Could not abort the upload of s3://%s/%s; its parts stay, and are billed, until it is.",
                self.bucket,
                where["Key"],
                exc_info=True,
            )

    def _also(self, names: frozenset[str]) -> dict[str, Any]:
        return {name: value for name, value in self._arguments.items() if name in names}

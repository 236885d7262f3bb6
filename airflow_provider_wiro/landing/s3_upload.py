"""An output into one S3 object: whole and verified, or not at all, with flat memory."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import (
    WiroOutputRefusedError,
    WiroOutputUnavailableError,
)
from airflow_provider_wiro.landing.checksums import confirms
from airflow_provider_wiro.landing.conditional import OnlyIfAbsent
from airflow_provider_wiro.landing.leftovers import abort_leftovers
from airflow_provider_wiro.landing.parts import move

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_wiro.landing.crew import Crew
    from airflow_provider_wiro.landing.description import Description
    from airflow_provider_wiro.landing.fetching import Download

log = logging.getLogger(__name__)

#: The smallest part S3 takes, but for the last.
MIN_PART_BYTES = 5 * 1024**2
#: The largest.
MAX_PART_BYTES = 5 * 1024**3
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
ALSO_FOR_ABORT = frozenset({"ExpectedBucketOwner", "RequestPayer"})


def part_bytes_for(key: str, size: int | None, part_bytes: int) -> int:
    """
    Return how large the parts of an object have to be: as asked for, unless they would be too many.

    :raises WiroOutputRefusedError: it is larger than S3 takes.
    """
    if (size or 0) > MAX_OBJECT_BYTES:
        raise WiroOutputRefusedError(f"{key!r} would be {size} bytes, S3 takes {MAX_OBJECT_BYTES}.")
    return max(part_bytes, -(-(size or 0) // MAX_PARTS))


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
    content_type: str


class S3Upload:
    """
    Puts objects into one bucket, and looks at those that are there.

    :param client: boto3's S3 client.
    :param arguments: what the user wants of every object, in boto3's words (``ALLOWED_UPLOAD_ARGS``).
    """

    def __init__(self, client: Any, bucket: str, arguments: Mapping[str, Any]) -> None:
        self.client = client
        self.bucket = bucket
        self.arguments = arguments
        self.if_absent = OnlyIfAbsent()
        self.open_targets: set[_S3Target] = set()
        #: For objects in parts, where boto3's own `upload_file` chooses like this but its client doesn't.
        self.checksum = {"ChecksumAlgorithm": "CRC32"} if _calculates_checksums(client) else {}
        #: An earlier try of the same task may have left uploads open.
        self.is_retry = False

    def head(self, key: str) -> StoredObject | None:
        """Return what S3 knows of an object, None if there is none."""
        from botocore.exceptions import ClientError

        try:
            found = self.client.head_object(Bucket=self.bucket, Key=key, **self.also(_ALSO_FOR_HEAD))
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return None
            raise
        metadata = found.get("Metadata", {})
        return StoredObject(
            found["ContentLength"],
            metadata.get("sha256"),
            str(found.get("ETag", "")).strip('"'),
            metadata,
            str(found.get("ContentType", "")),
        )

    def sha256(self, key: str) -> str:
        """Return the digest of an object's bytes, which are read for it."""
        body = self.client.get_object(Bucket=self.bucket, Key=key, **self.also(_ALSO_FOR_HEAD))["Body"]
        digest = hashlib.sha256()
        for piece in body.iter_chunks(1024 * 1024):
            digest.update(piece)
        return digest.hexdigest()

    def read(self, key: str, max_bytes: int) -> bytes | None:
        """Return a small object's bytes, at most so many; None if there is none."""
        from botocore.exceptions import ClientError

        try:
            found = self.client.get_object(Bucket=self.bucket, Key=key, **self.also(_ALSO_FOR_HEAD))
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return None
            raise
        with found["Body"] as body:
            piece: bytes = body.read(max_bytes)
        return piece

    def put(
        self,
        key: str,
        source: Download | bytes,
        crew: Crew[Any, Any] | None = None,
        *,
        description: Description,
        only_if_absent: bool = False,
    ) -> StoredObject:
        """
        Store an output, or bytes; nothing is left behind if it fails.

        :param crew: who moves an output; bytes need nobody.
        :param only_if_absent: overwrite nothing, where the server knows conditional puts.
        :param description: what it says of itself. One that fits into a single part also gets its ``sha256``
            as metadata; of a larger one it is known only after S3 has taken the metadata.
        :raises WiroOutputUnavailableError: S3 has another number of bytes than it was given.
        :raises KeyTakenError: there is, or will be, an object of somebody else's.
        """
        target = _S3Target(self, key, description, only_if_absent=only_if_absent)
        if isinstance(source, bytes):
            size, sha256 = len(source), hashlib.sha256(source).hexdigest()
            target.put(source, sha256)
        else:
            if crew is None:
                raise TypeError("An output needs a crew that moves it.")
            size, sha256 = move(source, target, crew)
        stored = target.confirmed or self.head(key)
        if stored is None or stored.size != size:
            found = "nothing" if stored is None else f"{stored.size} bytes"
            self.client.delete_object(Bucket=self.bucket, Key=key, **self.also(ALSO_FOR_ABORT))
            raise WiroOutputUnavailableError(f"S3 took {size} bytes for {key!r} and now shows {found}.")
        return replace(stored, sha256=sha256)

    def abort_open_uploads(self) -> None:
        """Throw away what is under way, for a process that is about to end."""
        for target in list(self.open_targets):
            target.abort()

    def also(self, names: frozenset[str]) -> dict[str, Any]:
        """Return those of the user's arguments that belong to another call as well."""
        return {name: value for name, value in self.arguments.items() if name in names}


class _S3Target:
    """
    One object to be. See :class:`~airflow_provider_wiro.landing.parts.Target`.

    :ivar confirmed: the object, if S3 has named its checksum when it took it: nobody has to look again.
    """

    def __init__(
        self,
        s3: S3Upload,
        key: str,
        description: Description,
        *,
        only_if_absent: bool,
    ) -> None:
        self._s3 = s3
        self._finally = s3.if_absent if only_if_absent else _unconditionally
        self._where: dict[str, Any] = {"Bucket": s3.bucket, "Key": key}
        self._description = description
        self._parts: dict[int, dict[str, Any]] = {}
        self._upload_id: str | None = None
        self.confirmed: StoredObject | None = None

    def put(self, body: bytes | bytearray, sha256: str) -> None:
        creation = {**self._s3.arguments, **self._description.arguments(body, sha256)}
        with self._description.explained():
            answer = self._finally(self._s3.client.put_object, **self._where, Body=body, **creation)
        if confirms(answer, body):
            etag, content_type = str(answer.get("ETag", "")).strip('"'), str(creation["ContentType"])
            self.confirmed = StoredObject(len(body), sha256, etag, creation["Metadata"], content_type)

    def begin(self, first: bytearray) -> None:
        self._parts.clear()
        if self._s3.is_retry:
            key, also = self._where["Key"], self._s3.also(ALSO_FOR_ABORT)
            abort_leftovers(self._s3.client, self._s3.bucket, key, also)
        creation = {
            **self._s3.checksum,
            **self._s3.arguments,
            **self._description.arguments(first),
        }
        with self._description.explained():
            answer = self._s3.client.create_multipart_upload(**self._where, **creation)
        self._upload_id = answer["UploadId"]
        self._s3.open_targets.add(self)

    def put_part(self, number: int, body: bytearray) -> None:
        answer = self._s3.client.upload_part(
            **self._where,
            UploadId=self._upload_id,
            PartNumber=number,
            Body=body,
            **(self._s3.checksum | self._s3.also(_ALSO_FOR_PARTS)),
        )
        checksums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
        checksums.pop("ChecksumType", None)
        self._parts[number] = {"PartNumber": number, "ETag": answer["ETag"], **checksums}

    def complete(self, size: int, sha256: str) -> None:
        parts = [self._parts[number] for number in sorted(self._parts)]
        self._finally(
            self._s3.client.complete_multipart_upload,
            **self._where,
            UploadId=self._upload_id,
            MultipartUpload={"Parts": parts},
            **self._s3.also(_ALSO_FOR_HEAD),
        )
        self._upload_id = None
        self._s3.open_targets.discard(self)
        self._description.tag_digest(self._s3.client, sha256, **self._where, **self._s3.also(ALSO_FOR_ABORT))

    def abort(self) -> None:
        """Throw an upload's parts away. If this fails it is only logged, lest it hide why it was done."""
        # Taken out first: the thread that works on it and the one that ends it all may both come here.
        upload_id, self._upload_id = self._upload_id, None
        self._s3.open_targets.discard(self)
        if upload_id is None:
            return
        try:
            self._s3.client.abort_multipart_upload(
                **self._where, UploadId=upload_id, **self._s3.also(ALSO_FOR_ABORT)
            )
        except Exception:
            log.warning(
                "Could not abort the upload of s3://%s/%s; its parts stay, and are billed, until it is.",
                self._s3.bucket,
                self._where["Key"],
                exc_info=True,
            )


def _calculates_checksums(client: Any) -> bool:
    """Whether the connection lets boto3 add checksums; some stores that are not Amazon's take none."""
    return bool(client.meta.config.request_checksum_calculation == "when_supported")


def _unconditionally(call: Callable[..., Any], **arguments: Any) -> Any:
    return call(**arguments)

"""An output into one S3 object: whole and verified, or not at all, with flat memory."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroError, WiroOutputRefusedError, WiroOutputUnavailableError
from airflow_provider_wiro.landing.multipart import move
from airflow_provider_wiro.landing.provenance import MD5
from airflow_provider_wiro.landing.s3.incomplete_uploads import IncompleteUploads
from airflow_provider_wiro.landing.s3.object_upload import (
    ALSO_FOR_ABORT,
    ALSO_FOR_HEAD,
    ObjectUpload,
    StoredObject,
    etag_of,
)
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.s3.checksums import shows_damage
from airflow_provider_wiro.storage.s3.conditional_writes import (
    ConditionalPut,
    ConditionUnknownError,
    ObjectExistsError,
    delete_if_unchanged,
)
from airflow_provider_wiro.storage.s3.refusals import S3Access
from airflow_provider_wiro.storage.s3.responses import answer_of, is_denied

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.downloads.downloader import Download
    from airflow_provider_wiro.landing.object_metadata import ObjectMetadata
    from airflow_provider_wiro.landing.workers import WorkerPool

log = plain_logger(__name__)

_SHA256 = re.compile("[0-9a-f]{64}")
#: The most parts S3 takes for one object.
MAX_PARTS = 10_000
#: The largest object S3 is sure to take, 5 TiB. A larger size is a lie, and would make parts of any size.
MAX_OBJECT_BYTES = 5 * 1024**4


def part_bytes_for(key: str, size: int | None, part_bytes: int) -> int:
    """
    Return how large the parts of an object have to be: as asked for, unless they would be too many.

    :raises WiroOutputRefusedError: it is larger than S3 takes.
    """
    if (size or 0) > MAX_OBJECT_BYTES:
        raise WiroOutputRefusedError(f"{key!r} would be {size} bytes, S3 takes {MAX_OBJECT_BYTES}.")
    return max(part_bytes, -(-(size or 0) // MAX_PARTS))


class S3Bucket:
    """
    Puts objects into one bucket, and looks at those that are there.

    :param client: boto3's S3 client.
    :param arguments: what the user wants of every object, in boto3's words (``ALLOWED_UPLOAD_ARGS``).
    :param conn_id: of the Airflow connection, for messages.
    """

    def __init__(
        self, client: Any, bucket: str, arguments: Mapping[str, Any], *, conn_id: str | None = None
    ) -> None:
        self.access = S3Access(bucket, conn_id, arguments)
        self.client = client
        self.bucket = bucket
        self.arguments = arguments
        self.if_absent = ConditionalPut()
        self.open_targets: set[ObjectUpload] = set()
        #: For objects in parts, where boto3's own `upload_file` chooses like this but its client doesn't.
        self.checksum = {"ChecksumAlgorithm": "CRC32"} if _calculates_checksums(client) else {}
        #: Where boto3 adds no checksum, an MD5 is sent: every store knows it.
        self.sends_md5 = not self.checksum and "ChecksumAlgorithm" not in arguments
        #: See :class:`~airflow_provider_wiro.storage.s3.checksums.Sent`. Without TLS boto3 sends a checksum
        #: as a header, so that it costs nothing to compute it here, where S3's answer is compared with it.
        is_ours = bool(self.checksum) and "ChecksumAlgorithm" not in arguments
        has_tls = str(client.meta.endpoint_url).startswith("https://")
        self.check_of_parts = {"sends_md5": self.sends_md5, "sends_crc32": is_ours and not has_tls}
        #: An earlier try of the same task may have left uploads open.
        self.is_retry = False
        self.leftovers = IncompleteUploads(client, bucket, self.also(ALSO_FOR_ABORT))
        #: Keys that S3 denies us the sight of: without `s3:ListBucket` it does so where there is no object.
        self._hidden: set[str] = set()

    def sibling(self, arguments: Mapping[str, Any] | None = None) -> S3Bucket:
        """Return one for the same bucket by the same client, for another transfer or with other arguments."""
        return S3Bucket(
            self.client,
            self.bucket,
            self.arguments if arguments is None else arguments,
            conn_id=self.access.conn_id,
        )

    def head(self, key: str) -> StoredObject | None:
        """
        Return what S3 knows of an object, None if there is none, or S3 denies us the sight of it.

        :raises WiroError: S3 can't be asked.
        """
        try:
            with self.access.plain_errors(key):
                found = self.client.head_object(Bucket=self.bucket, Key=key, **self.also(ALSO_FOR_HEAD))
        except WiroError as error:
            if self._is_absent(key, error.__cause__):
                return None
            raise
        self._hidden.discard(key)
        metadata = found.get("Metadata", {})
        if "ContentLength" not in found:
            raise WiroOutputUnavailableError(
                f"S3 shows s3://{self.bucket}/{key} ({self.access.connection}) without its size: expected a "
                "Content-Length, found none. A proxy in between may take it out."
            )
        return StoredObject(
            found["ContentLength"],
            _digest(metadata.get("sha256")),
            etag_of(found),
            metadata,
            str(found.get("ContentType", "")),
            is_doubtful=shows_damage(found, {"Bucket": self.bucket, **self.arguments}, metadata.get(MD5)),
        )

    def sha256(self, key: str) -> str:
        """Return the digest of an object's bytes, which are read for it."""
        digest = hashlib.sha256()
        with self.access.plain_errors(key):
            body = self.client.get_object(Bucket=self.bucket, Key=key, **self.also(ALSO_FOR_HEAD))["Body"]
            for piece in body.iter_chunks(1024 * 1024):
                digest.update(piece)
        return digest.hexdigest()

    def tagged_sha256(self, key: str) -> str | None:
        """
        Return the digest that a transfer of ours has put among an object's tags, None if there is none.

        That S3 forbids to read them (``s3:GetObjectTagging``) is only logged.
        """
        from botocore.exceptions import ClientError

        try:
            tags = self.client.get_object_tagging(Bucket=self.bucket, Key=key, **self.also(ALSO_FOR_ABORT))
        except ClientError as error:
            log.info("Could not read the tags of s3://%s/%s: %s", self.bucket, key, error)
            return None
        return _digest({tag["Key"]: tag["Value"] for tag in tags["TagSet"]}.get("sha256"))

    def read(self, key: str, max_bytes: int) -> bytes | None:
        """
        Return a small object's bytes, None if there is none, or S3 denies us the sight of it.

        :param max_bytes: the most that are read.
        :raises WiroError: S3 can't be asked.
        """
        try:
            with self.access.plain_errors(key):
                found = self.client.get_object(Bucket=self.bucket, Key=key, **self.also(ALSO_FOR_HEAD))
                with found["Body"] as body:
                    piece: bytes = body.read(max_bytes)
        except WiroError as error:
            if self._is_absent(key, error.__cause__):
                return None
            raise
        return piece

    def _is_absent(self, key: str, error: BaseException | None) -> bool:
        """Whether S3 shows no object: it says there is none, or doesn't say."""
        if error is None:
            return False
        if is_denied(error):
            self._hidden.add(key)
            return True
        code, status = answer_of(error)
        return status == "404" and code != "NoSuchBucket"

    def put(
        self,
        key: str,
        source: Download | bytes,
        crew: WorkerPool[Any, Any] | None = None,
        *,
        description: ObjectMetadata,
        only_if_absent: bool = False,
    ) -> StoredObject:
        """
        Store an output, or bytes; nothing of ours is left behind if it fails.

        Returns the object, which isn't new if another run has put the very same meanwhile.

        :param crew: who moves an output; bytes need nobody.
        :param only_if_absent: overwrite nothing, where the server knows conditional puts.
        :param description: what it says of itself. One that fits into a single part also gets its ``sha256``
            as metadata; of a larger one it is known only after S3 has taken the metadata.
        :raises WiroOutputUnavailableError: S3 shows less than it was given, or somebody else's object.
        :raises KeyTakenError: there is, or will be, an object of somebody else's that isn't known to be the
            very same.
        :raises WiroOutputRefusedError: an object may be there that S3 doesn't show.
        :raises WiroStorageRefusedError: S3 refuses it, as it would any object.
        """
        target = ObjectUpload(
            self, key, description, only_if_absent=only_if_absent, is_hidden=key in self._hidden
        )
        try:
            with self.access.plain_errors(key, tags=description.tags is not None):
                size, sha256 = _put(target, source, crew)
        except ConditionUnknownError as error:
            raise WiroOutputRefusedError(
                f"S3 denies HeadObject of s3://{self.bucket}/{key} ({self.access.connection}) and knows no "
                "conditional puts, so an object that is there would be overwritten unseen; nothing was put. "
                "Allow s3:ListBucket and s3:GetObject, or set replace=True."
            ) from error
        except ObjectExistsError as error:
            there = self.head(key)
            if there is None and error.is_there and key in self._hidden:
                raise WiroOutputRefusedError(
                    f"s3://{self.bucket}/{key} is there already, and S3 denies HeadObject of it "
                    f"({self.access.connection}), so that it can't be compared. Allow s3:GetObject, choose "
                    "another s3_key, or overwrite it with replace=True."
                ) from error
            found = None if there is None else target.found_there(there)
            if found is None:
                raise
            return found
        stored = target.confirmed or self.head(key)
        if stored is None and key in self._hidden:
            # Only puts are allowed. S3 has taken each byte of it, and that is all there is to know.
            return target.taken(size, sha256)
        if stored is None:
            raise WiroOutputUnavailableError(f"S3 took {size} bytes for {key!r} and now shows nothing.")
        is_ours = stored.etag == target.etag
        if stored.size == size and (
            is_ours or description.is_of_the_same(stored.metadata) or self.sha256(key) == sha256
        ):
            return replace(stored, sha256=sha256, is_new=True)
        if not is_ours:
            raise WiroOutputUnavailableError(
                f"Another task has overwritten s3://{self.bucket}/{key} as soon as it was there; its object "
                "was left alone."
            )
        delete_if_unchanged(
            self.client, stored.etag, Bucket=self.bucket, Key=key, **self.also(ALSO_FOR_ABORT)
        )
        raise WiroOutputUnavailableError(f"S3 took {size} bytes for {key!r} and now shows {stored.size}.")

    def abort_open_uploads(self) -> None:
        """Throw away what is under way, for a process that is about to end."""
        for target in list(self.open_targets):
            target.abort()

    def also(self, names: frozenset[str]) -> dict[str, Any]:
        """Return those of the user's arguments that belong to another call as well."""
        return {name: value for name, value in self.arguments.items() if name in names}


def _put(
    target: ObjectUpload, source: Download | bytes, crew: WorkerPool[Any, Any] | None
) -> tuple[int, str]:
    """Put an output, or bytes; return the size and the digest."""
    if isinstance(source, bytes):
        sha256 = hashlib.sha256(source).hexdigest()
        target.put(source, sha256)
        return len(source), sha256
    if crew is None:
        raise TypeError("An output needs a crew that moves it.")
    return move(source, target, crew)


def _digest(text: str | None) -> str | None:
    """Return a digest as a transfer of ours writes it, None if it is anything else."""
    return text if text is not None and _SHA256.fullmatch(text) else None


def _calculates_checksums(client: Any) -> bool:
    """Whether the connection lets boto3 add checksums; some stores that are not Amazon's take none."""
    return bool(client.meta.config.request_checksum_calculation == "when_supported")

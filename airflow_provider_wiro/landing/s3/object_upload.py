"""The upload of one object: the calls that put it into S3, in one piece or in parts."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.downloads.range_reader import Restart
from airflow_provider_wiro.exceptions import WiroOutputRefusedError, WiroOutputUnavailableError
from airflow_provider_wiro.landing.s3.bucket import StoredObject
from airflow_provider_wiro.landing.s3.incomplete_uploads import is_gone
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.s3.accompanying_arguments import FOR_PARTS, FOR_READING, only
from airflow_provider_wiro.storage.s3.checksums import Sent
from airflow_provider_wiro.storage.s3.conditional_writes import delete_if_unchanged
from airflow_provider_wiro.storage.s3.responses import etag_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_wiro.landing.object_metadata import ObjectMetadata
    from airflow_provider_wiro.landing.s3.bucket import S3Bucket
    from airflow_provider_wiro.landing.s3.incomplete_uploads import IncompleteUploads

log = plain_logger(__name__)

#: The most parts S3 takes for one object.
MAX_PARTS = 10_000
#: The largest object S3 is sure to take, 5 TiB. A larger size is a lie, and would make parts of any size.
MAX_OBJECT_BYTES = 5 * 1024**4
_SSE_C = ("SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5")


def part_bytes_for(key: str, size: int | None, part_bytes: int) -> int:
    """
    Return how large the parts of an object have to be: as asked for, unless they would be too many.

    :raises WiroOutputRefusedError: it is larger than S3 takes.
    """
    if (size or 0) > MAX_OBJECT_BYTES:
        raise WiroOutputRefusedError(f"{key!r} would be {size} bytes, S3 takes {MAX_OBJECT_BYTES}.")
    return max(part_bytes, -(-(size or 0) // MAX_PARTS))


class ObjectUpload:
    """
    One object on its way. See :class:`~airflow_provider_wiro.landing.multipart.Target`.

    :param incomplete: where the creation of an upload in parts is recorded.
    :param open_uploads: holds this one while it has parts that are to be completed or aborted.
    :param only_if_absent: overwrite nothing.
    :ivar etag: as S3 named it when it took the object.
    :ivar confirmed: the object, if S3's response to the put named its checksum: no HEAD is needed.
    """

    def __init__(
        self,
        bucket: S3Bucket,
        key: str,
        metadata: ObjectMetadata,
        incomplete: IncompleteUploads,
        open_uploads: set[ObjectUpload],
        *,
        only_if_absent: bool,
    ) -> None:
        self._bucket = bucket
        self._incomplete = incomplete
        self._open_uploads = open_uploads
        self._store = _unconditionally
        if only_if_absent:
            # Where S3 doesn't show whether an object is there, none is put without the condition.
            self._store = bucket.if_absent.strictly if bucket.hides(key) else bucket.if_absent
        self._where: dict[str, Any] = {"Bucket": bucket.name, "Key": key}
        self._uri = f"s3://{bucket.name}/{key}"
        self._metadata = metadata
        self._parts: dict[int, dict[str, Any]] = {}
        self._upload_id: str | None = None
        self._aborted_id: str | None = None
        self._size, self._sha256 = 0, ""
        self.etag = ""
        self.confirmed: StoredObject | None = None

    def put(self, body: bytes | bytearray, sha256: str) -> None:
        self._size, self._sha256 = len(body), sha256
        creation = {**self._bucket.arguments, **self._metadata.arguments(body, sha256)}
        sent = Sent(body, sends_md5=self._bucket.sends_md5)
        arguments = {**self._where, **creation, **sent.arguments}
        response = self._store(self._bucket.client.put_object, **arguments, Body=body)
        self.etag = etag_of(response)
        difference = sent.difference(response, arguments)
        if difference:
            is_deleted = delete_if_unchanged(
                self._bucket.client, self.etag, **self._where, **self._bucket.managing
            )
            raise self._damaged("", difference, is_deleted=is_deleted)
        if difference is not None:
            metadata, content_type = creation["Metadata"], str(creation["ContentType"])
            self.confirmed = StoredObject(len(body), sha256, self.etag, metadata, content_type)

    def begin(self, first: bytearray) -> None:
        self._parts.clear()
        creation = {
            **self._bucket.checksum_argument,
            **self._bucket.arguments,
            **self._metadata.arguments(first),
        }
        with self._incomplete.creating(self._where["Key"]) as on_response:
            response = self._bucket.client.create_multipart_upload(**self._where, **creation)
            self._upload_id = response["UploadId"]
            self._open_uploads.add(self)
            on_response(response)

    def put_part(self, number: int, body: bytearray) -> None:
        sent = Sent(body, sends_md5=self._bucket.sends_md5, sends_crc32=self._bucket.sends_crc32)
        more = {**self._bucket.checksum_argument, **only(self._bucket.arguments, FOR_PARTS)}
        arguments = {**self._where, **more, **sent.arguments}
        with self._restarted_if_aborted():
            response = self._bucket.client.upload_part(
                **arguments, UploadId=self._upload_id, PartNumber=number, Body=body
            )
        difference = sent.difference(response, {**self._bucket.arguments, **arguments})
        if difference:
            raise self._damaged(f"part {number} of ", difference)
        if not response.get("ETag"):
            raise WiroOutputUnavailableError(
                f"S3 took part {number} of {self._uri} without naming its ETag, without which parts can't be "
                "put together. A proxy in between may remove it, or respond itself."
            )
        checksums = {name: value for name, value in response.items() if name.startswith("Checksum")}
        checksums.pop("ChecksumType", None)
        self._parts[number] = {"PartNumber": number, "ETag": response["ETag"], **checksums}

    def copy_part(self, number: int, source: Mapping[str, Any]) -> None:
        """
        Have S3 copy a part from another object.

        :param source: ``CopySource…`` of boto3's ``upload_part_copy``.
        """
        more = only(self._bucket.arguments, FOR_READING)
        # The object was landed with the same key, or S3 refuses to read it.
        keys = {f"CopySource{name}": more[name] for name in _SSE_C if name in more}
        with self._restarted_if_aborted():
            response = self._bucket.client.upload_part_copy(
                **self._where, **more, **keys, **source, UploadId=self._upload_id, PartNumber=number
            )
        result = response.get("CopyPartResult", {})
        if not result.get("ETag"):
            raise WiroOutputUnavailableError(
                f"S3 copied part {number} of {self._uri} without naming its ETag, without which parts "
                "can't be put together."
            )
        checksums = {name: value for name, value in result.items() if name.startswith("Checksum")}
        checksums.pop("ChecksumType", None)
        self._parts[number] = {"PartNumber": number, "ETag": result["ETag"], **checksums}

    def _damaged(self, part: str, difference: str, *, is_deleted: bool = True) -> WiroOutputUnavailableError:
        kept = "Nothing was kept; a retry sends them again."
        if not is_deleted:
            kept = (
                "It could not be deleted (s3:DeleteObject) and must not stay: delete it, or set replace=True."
            )
        return WiroOutputUnavailableError(
            f"S3 took other bytes than were sent for {part}{self._uri}: {difference}. {kept} If it happens "
            "each time, the ETags of this store may be no MD5 sums: have it name checksums "
            "(ChecksumAlgorithm in extra_args)."
        )

    def complete(self, size: int, sha256: str) -> None:
        self._size, self._sha256 = size, sha256
        parts = [self._parts[number] for number in sorted(self._parts)]
        with self._restarted_if_aborted():
            response = self._store(
                self._bucket.client.complete_multipart_upload,
                **self._where,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": parts},
                **self._bucket.reading,
            )
        self.etag = etag_of(response)
        self._upload_id = None
        self._open_uploads.discard(self)
        self._tag_digest()

    def taken(self, size: int, sha256: str) -> StoredObject:
        """Return the object as S3 has taken it, for a role that may not read it afterwards."""
        metadata = self._metadata
        return StoredObject(size, sha256, self.etag, metadata.metadata, metadata.content_type, is_new=True)

    def found_there(self, there: StoredObject) -> StoredObject | None:
        """
        Return the object that prevented this put, with its digest, if it is the very same.

        It may even be this one: boto3 repeats a call whose response was lost, and S3 then refuses it because
        of the object that the first call put. Parts are compared by the ETag that S3 makes of theirs, since
        the metadata hasn't their digest. Where ETags are no MD5 sums, as with SSE-KMS, that shows nothing.
        """
        if there.size != self._size or there.is_doubtful or not self._metadata.is_of_the_same(there.metadata):
            return None
        is_same = there.etag == _etag_of_parts(self._parts) if self._parts else there.sha256 == self._sha256
        if not is_same:
            return None
        is_own = self._metadata.is_of_this_run(there.metadata)
        if is_own and self._parts:
            self._tag_digest()
        return replace(there, sha256=self._sha256, is_new=is_own)

    def _tag_digest(self) -> None:
        """Add the digest to the tags of an object in parts, which were given before it was known."""
        self._metadata.tag_digest(self._bucket.client, self._sha256, **self._where, **self._bucket.managing)

    def abort(self) -> None:
        """Delete an upload's parts. A failure is only logged: the error that led here matters more."""
        # Cleared first: the thread that works on it and the one that ends everything may both get here.
        upload_id, self._upload_id = self._upload_id, None
        self._open_uploads.discard(self)
        if upload_id is None:
            return
        try:
            self._bucket.client.abort_multipart_upload(
                **self._where, UploadId=upload_id, **self._bucket.managing
            )
        except Exception as error:
            if is_gone(error):
                return
            log.warning(
                "Could not abort the upload of %s; its parts stay, and are billed, until it is aborted: %s",
                self._uri,
                error,
            )

    @contextmanager
    def _restarted_if_aborted(self) -> Iterator[None]:
        """
        Restart the upload if another task, which took it for abandoned, has aborted it.

        Once: what aborts it again would do so forever.
        """
        try:
            yield
        except Exception as error:
            if not is_gone(error):
                raise
            if self._aborted_id not in (None, self._upload_id):
                raise WiroOutputUnavailableError(
                    f"The upload of {self._uri} was aborted twice, by another task or a lifecycle rule."
                ) from error
            log.warning("Another task has aborted the upload of %s. It is restarted.", self._uri)
            self._aborted_id = self._upload_id
            raise Restart("its upload was aborted") from error


def _etag_of_parts(parts: Mapping[int, Mapping[str, Any]]) -> str | None:
    """Return the ETag that S3 gives an object of such parts, None if theirs are no MD5 sums."""
    try:
        sums = b"".join(bytes.fromhex(etag_of(parts[number])) for number in sorted(parts))
    except ValueError:
        return None
    return f"{hashlib.md5(sums, usedforsecurity=False).hexdigest()}-{len(parts)}"


def _unconditionally(call: Callable[..., Any], **arguments: Any) -> Any:
    return call(**arguments)

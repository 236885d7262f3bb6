"""StoredCopy: an object that S3 itself copies, without its bytes coming here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.downloads.range_reader import Restart
from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.landing.reused import source_changed
from airflow_provider_wiro.landing.s3.bucket import S3Bucket
from airflow_provider_wiro.landing.s3.object_upload import part_bytes_for
from airflow_provider_wiro.storage.s3.responses import code_and_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.landing.s3.object_upload import ObjectUpload

#: S3 copies up to 5 GiB in one call; smaller parts answer within a read timeout.
PART_BYTES = 512 * 1024**2
#: How much is read at once where S3 can't copy.
READ_BYTES = 8 * 1024**2
#: Codes and statuses of a store that can't copy.
_NOT_KNOWN = frozenset({"NotImplemented", "501"})
#: The object is gone, or has another ETag.
_CHANGED = frozenset({"404", "412", "NoSuchKey", "PreconditionFailed"})


@dataclass(frozen=True)
class StoredCopy:
    """
    An object in S3, as it was when it landed.

    :ivar sha256: of its bytes, empty if that isn't known.
    :ivar etag: the copy is made of the object that has this ETag, or not at all; None: of any.
    :ivar source: the bucket that it is in; None before it was looked at.
    """

    bucket: str
    key: str
    size: int
    sha256: str
    etag: str | None
    source: S3Bucket | None = None

    @property
    def uri(self) -> str:
        """The object, for messages."""
        return f"s3://{self.bucket}/{self.key}"

    def seen_in(self, target: S3Bucket) -> Self:
        """
        Look at the object, since not every server heeds the condition of a copy; return it as it is now.

        :param target: by whose connection it is read.
        :raises WiroOutputRefusedError: it is gone, or has changed.
        """
        bucket = S3Bucket(target.client, self.bucket, target.arguments, conn_id=target.access.conn_id)
        found = bucket.head(self.key)
        if found is None or found.size != self.size or found.is_doubtful:
            raise source_changed(self.uri)
        if found.etag != self.etag and (not self.sha256 or found.sha256 != self.sha256):
            raise source_changed(self.uri)
        return replace(self, etag=found.etag, source=bucket)

    def put_into(self, upload: ObjectUpload) -> tuple[int, str]:
        """
        Have S3 copy it in parts, which become an object under the same condition as uploaded ones do.

        A store that can't copy, or not an object that is encrypted with a key of the user's, gets its bytes
        from here.

        :return: size and SHA-256.
        :raises WiroOutputRefusedError: it is gone, or has changed.
        """
        while True:
            try:
                upload.begin(bytearray())
                for number, arguments in enumerate(self._parts(), start=1):
                    upload.copy_part(number, arguments)
                upload.complete(self.size, self.sha256)
            except Restart:
                upload.abort()
            except BaseException as error:
                upload.abort()
                found = set(code_and_status(error)) if _is_of_copy(error) else set()
                if found & _CHANGED:
                    raise source_changed(self.uri) from error
                if found & _NOT_KNOWN and self.source is not None:
                    return self._put_read(self.source, upload)
                raise
            else:
                return self.size, self.sha256

    def _put_read(self, source: S3Bucket, upload: ObjectUpload) -> tuple[int, str]:
        try:
            return self._put_bytes(source, upload)
        except Restart as why:
            upload.abort()
            raise WiroOutputUnavailableError(
                f"The upload of a copy of {self.uri} was aborted by another task, or a lifecycle rule."
            ) from why

    def _put_bytes(self, source: S3Bucket, upload: ObjectUpload) -> tuple[int, str]:
        found = source.client.get_object(Bucket=self.bucket, Key=self.key, **source.reading)
        part_bytes = part_bytes_for(self.key, self.size, READ_BYTES)
        digest, size, number = hashlib.sha256(), 0, 0
        with found["Body"] as body:
            # The first piece can be empty, as the object is then.
            while (piece := bytearray(body.read(part_bytes))) or not number:
                digest.update(piece)
                size, number = size + len(piece), number + 1
                if number == 1 and self.size < part_bytes:
                    self._check(digest.hexdigest(), size)
                    upload.put(piece, digest.hexdigest())
                    return size, digest.hexdigest()
                try:
                    if number == 1:
                        upload.begin(piece)
                    upload.put_part(number, piece)
                except BaseException:
                    upload.abort()
                    raise
        try:
            self._check(digest.hexdigest(), size)
            upload.complete(size, digest.hexdigest())
        except BaseException:
            upload.abort()
            raise
        return size, digest.hexdigest()

    def _check(self, sha256: str, size: int) -> None:
        if size != self.size or (self.sha256 and sha256 != self.sha256):
            raise source_changed(self.uri)

    def _parts(self) -> Iterator[dict[str, Any]]:
        source: dict[str, Any] = {"CopySource": {"Bucket": self.bucket, "Key": self.key}}
        if self.etag:
            source["CopySourceIfMatch"] = self.etag
        if self.size <= PART_BYTES:
            yield source
            return
        for start in range(0, self.size, PART_BYTES):
            end = min(start + PART_BYTES, self.size) - 1
            yield {**source, "CopySourceRange": f"bytes={start}-{end}"}


def _is_of_copy(error: BaseException) -> bool:
    return getattr(error, "operation_name", "") == "UploadPartCopy"

"""StoredCopy: an object that S3 itself copies, without its bytes coming here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.downloads.range_reader import Restart
from airflow_provider_wiro.landing.reused import source_changed
from airflow_provider_wiro.landing.s3.bucket import S3Bucket
from airflow_provider_wiro.storage.s3.responses import code_and_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.landing.s3.object_upload import ObjectUpload

#: S3 copies up to 5 GiB in one call; smaller parts answer within a read timeout.
PART_BYTES = 512 * 1024**2
#: The object is gone, or has another ETag.
_CHANGED = frozenset({"404", "412", "NoSuchKey", "PreconditionFailed"})


@dataclass(frozen=True)
class StoredCopy:
    """
    An object in S3, as it was when it landed.

    :ivar sha256: of its bytes, empty if that isn't known.
    :ivar etag: the copy is made of the object that has this ETag, or not at all; None: of any.
    """

    bucket: str
    key: str
    size: int
    sha256: str
    etag: str | None

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
        return replace(self, etag=found.etag)

    def put_into(self, upload: ObjectUpload) -> tuple[int, str]:
        """
        Have S3 copy it in parts, which become an object under the same condition as uploaded ones do.

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
                if not _CHANGED.isdisjoint(code_and_status(error)) and _is_of_copy(error):
                    raise source_changed(self.uri) from error
                raise
            else:
                return self.size, self.sha256

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

"""Puts objects into one bucket: each whole, verified and conditional, or not at all."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroOutputRefusedError, WiroOutputUnavailableError
from airflow_provider_wiro.landing.multipart import move
from airflow_provider_wiro.landing.s3.incomplete_uploads import IncompleteUploads
from airflow_provider_wiro.landing.s3.object_upload import ObjectUpload
from airflow_provider_wiro.landing.s3.stored_copy import StoredCopy
from airflow_provider_wiro.storage.conditions import ObjectExistsError
from airflow_provider_wiro.storage.s3.conditional_writes import ConditionUnknownError, delete_if_unchanged

if TYPE_CHECKING:
    from airflow_provider_wiro.downloads.download import Download
    from airflow_provider_wiro.landing.object_metadata import ObjectMetadata
    from airflow_provider_wiro.landing.s3.bucket import S3Bucket, StoredObject
    from airflow_provider_wiro.landing.workers import WorkerPool


class S3Uploads:
    """
    The uploads of one transfer. Usable from several threads.

    :param is_retry: an earlier try of the same Airflow task may have left open uploads, which are removed.
    :ivar incomplete: open uploads that this transfer, or an earlier try, may have left behind.
    """

    def __init__(self, bucket: S3Bucket, *, is_retry: bool = False) -> None:
        self.incomplete = IncompleteUploads(bucket.client, bucket.name, bucket.managing, is_retry=is_retry)
        self._bucket = bucket
        self._open: set[ObjectUpload] = set()

    def put(
        self,
        key: str,
        source: Download | StoredCopy | bytes,
        pool: WorkerPool[Any, Any] | None = None,
        *,
        metadata: ObjectMetadata,
        only_if_absent: bool = False,
    ) -> StoredObject:
        """
        Put an output, a copy of an object in S3, or bytes; nothing is left behind if it fails.

        :param pool: moves a download; not needed for bytes.
        :param metadata: an object in one piece also gets its ``sha256``; that of a larger one is known only
            after S3 has taken the metadata.
        :param only_if_absent: overwrite nothing, where the server knows conditional puts.
        :return: the object. It isn't new if another run has put the very same meanwhile.
        :raises WiroOutputUnavailableError: S3 shows less than it was given, or another task's object.
        :raises ObjectExistsError: there is, or will be, an object that isn't known to be the very same.
        :raises WiroOutputRefusedError: an object may be there that S3 doesn't show.
        :raises WiroStorageRefusedError: S3 refuses it, as it would any object.
        """
        bucket = self._bucket
        upload = ObjectUpload(
            bucket, key, metadata, self.incomplete, self._open, only_if_absent=only_if_absent
        )
        try:
            with bucket.access.plain_errors(key, tags=metadata.tags is not None):
                size, sha256 = _move(source, upload, pool)
        except ConditionUnknownError as error:
            raise WiroOutputRefusedError(
                f"S3 denies HeadObject of s3://{bucket.name}/{key} ({bucket.access.connection}) and knows no "
                "conditional puts, so an object that is there would be overwritten unseen; nothing was put. "
                "Allow s3:ListBucket and s3:GetObject, or set replace=True."
            ) from error
        except ObjectExistsError as error:
            existing = bucket.head(key)
            if existing is None and error.is_there and bucket.hides(key):
                raise WiroOutputRefusedError(
                    f"s3://{bucket.name}/{key} is there already, and S3 denies HeadObject of it "
                    f"({bucket.access.connection}), so that it can't be compared. Allow s3:GetObject, choose "
                    "another s3_key, or overwrite it with replace=True."
                ) from error
            same = None if existing is None else upload.found_there(existing)
            if same is None:
                raise
            return same
        return self._verified(key, upload, metadata, size, sha256)

    def _verified(
        self, key: str, upload: ObjectUpload, metadata: ObjectMetadata, size: int, sha256: str
    ) -> StoredObject:
        """Return the new object as S3 shows it; delete it if that isn't what was put."""
        bucket = self._bucket
        stored = upload.confirmed or bucket.head(key)
        if stored is None and bucket.hides(key):
            # Only puts are allowed. S3 has taken each byte, and no more can be known.
            return upload.taken(size, sha256)
        if stored is None:
            raise WiroOutputUnavailableError(f"S3 took {size} bytes for {key!r} and now shows nothing.")
        is_own = stored.etag == upload.etag
        if stored.size == size and (
            is_own or metadata.is_of_the_same(stored.metadata) or bucket.sha256(key) == sha256
        ):
            return replace(stored, sha256=sha256, is_new=True)
        if not is_own:
            raise WiroOutputUnavailableError(
                f"Another task has overwritten s3://{bucket.name}/{key} as soon as it was there; its object "
                "was left alone."
            )
        delete_if_unchanged(bucket.client, stored.etag, Bucket=bucket.name, Key=key, **bucket.managing)
        raise WiroOutputUnavailableError(f"S3 took {size} bytes for {key!r} and now shows {stored.size}.")

    def abort_open(self) -> None:
        """Abort the uploads that are under way, for a process that is about to end."""
        for upload in list(self._open):
            upload.abort()


def _move(
    source: Download | StoredCopy | bytes, upload: ObjectUpload, pool: WorkerPool[Any, Any] | None
) -> tuple[int, str]:
    """Upload an output, or bytes; return the size and the digest."""
    if isinstance(source, bytes):
        sha256 = hashlib.sha256(source).hexdigest()
        upload.put(source, sha256)
        return len(source), sha256
    if isinstance(source, StoredCopy):
        return source.put_into(upload)
    if pool is None:
        raise TypeError("A download needs a pool that moves it.")
    return move(source, upload, pool)

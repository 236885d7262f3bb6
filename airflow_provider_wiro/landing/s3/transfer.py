"""One output of a task into its object: put there, or found there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroOutputRefusedError, WiroOutputUnavailableError
from airflow_provider_wiro.landing.s3.bucket import part_bytes_for
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.s3.conditional_writes import ObjectExistsError

if TYPE_CHECKING:
    from airflow_provider_wiro.downloads.downloader import Download, Downloader
    from airflow_provider_wiro.landing.plan import PlannedObject
    from airflow_provider_wiro.landing.s3.bucket import S3Bucket
    from airflow_provider_wiro.landing.s3.object_upload import StoredObject
    from airflow_provider_wiro.landing.s3.transfer_record import TransferRecord
    from airflow_provider_wiro.landing.workers import WorkerPool

log = plain_logger(__name__)


@dataclass(frozen=True)
class S3Landing:
    """
    Lands the outputs of one task.

    :ivar replaces: whether objects that are there are overwritten.
    :ivar part_size: bytes of each part of a large output.
    """

    s3: S3Bucket
    books: TransferRecord
    fetcher: Downloader
    crew: WorkerPool[PlannedObject, dict[str, Any]]
    replaces: bool
    part_size: int

    def land(self, landing: PlannedObject) -> dict[str, Any]:
        """
        Have an output in S3, and return what the operator tells of it.

        :raises WiroOutputRefusedError: another object is in the way, or it is not what Wiro announced.
        :raises WiroOutputUnavailableError: it can't be had, or written, at this moment.
        """
        uri = f"s3://{self.s3.bucket}/{landing.key}"
        existing = None if self.replaces else self.s3.head(landing.key)
        stored = None if existing is not None else self._put(landing)
        if stored is None:
            stored = self._already_landed(landing, uri, existing or self.s3.head(landing.key))
        if stored.is_new:
            log.info("Landed %s: %s bytes, %s.", uri, f"{stored.size:,}", stored.content_type)
        else:
            log.info("Skipped %s: it is there already, identical.", uri)
        return {
            "uri": uri,
            "name": landing.name,
            "size": stored.size,
            "sha256": stored.sha256,
            "content_type": stored.content_type,
            "etag": stored.etag,
            "skipped": not stored.is_new,
        }

    def _put(self, landing: PlannedObject) -> StoredObject | None:
        """Return the object, None if another task was quicker and what it put has yet to be looked at."""
        try:
            return self.s3.put(
                landing.key,
                self._bytes_of(landing),
                self.crew,
                description=self.books.describe(landing),
                only_if_absent=not self.replaces,
            )
        except ObjectExistsError:
            return None

    def _already_landed(
        self, landing: PlannedObject, uri: str, existing: StoredObject | None
    ) -> StoredObject:
        """
        Return the object that is there if it is this very output.

        Its metadata says so where a transfer of this package wrote it, and size and, as far as they are known
        here, bytes are those of the output; of anything else the bytes are read and compared.
        """
        if existing is None:
            raise WiroOutputUnavailableError(
                f"Another task writes {uri} at this moment; nothing was overwritten."
            )
        is_named = self.books.is_of(landing, existing.metadata)
        if is_named and not existing.is_doubtful and self._has_size_and_bytes(landing, existing):
            known = existing.sha256 or self.books.digest(landing, existing.etag)
            return replace(existing, sha256=known)
        if landing.size is None or landing.size == existing.size:
            found = self.s3.sha256(landing.key)
            # Of what Wiro has deleted since it landed, the object's own digest is all there is to compare.
            is_all = is_named and landing.body is None and self.books.is_remembered
            if found == (existing.sha256 if is_all else self._sha256(landing)):
                return replace(existing, sha256=found)
        if is_named and existing.is_doubtful:
            raise WiroOutputRefusedError(
                f"{uri} is damaged: an earlier try put it, and its bytes are not those of output "
                f"{landing.output.index}. Delete it, or overwrite it with replace=True."
            )
        raise WiroOutputRefusedError(
            f"{uri} is there already and is not output {landing.output.index} of Wiro task "
            f"{self.books.origin.wiro_task_id}. Choose another s3_key, or overwrite it with replace=True."
        )

    @staticmethod
    def _has_size_and_bytes(landing: PlannedObject, existing: StoredObject) -> bool:
        """Whether an object has the size of an output, and the digest of a small one whose bytes we have."""
        if landing.size != existing.size:  # also if nobody knows it
            return False
        return landing.body is None or hashlib.sha256(landing.body).hexdigest() == existing.sha256

    def _bytes_of(self, landing: PlannedObject) -> Download | bytes:
        """Return a landing's bytes, or where to fetch them."""
        if landing.body is not None:
            return landing.body
        if landing.output.url is None and self.books.is_remembered:
            raise WiroOutputRefusedError(
                f"{landing.key!r} is not in the bucket, and {landing.output.label} is no longer at Wiro."
            )
        part_bytes = partial(part_bytes_for, landing.key, part_bytes=self.part_size)
        return self.fetcher.open(landing.output, part_bytes(landing.size), part_bytes)

    def _sha256(self, landing: PlannedObject) -> str:
        found = self._bytes_of(landing)
        return hashlib.sha256(found).hexdigest() if isinstance(found, bytes) else found.sha256()

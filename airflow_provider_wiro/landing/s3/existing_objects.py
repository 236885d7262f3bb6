"""Whether an object that is already there is the very output that would land there."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroOutputRefusedError, WiroOutputUnavailableError
from airflow_provider_wiro.landing import manifest as manifests
from airflow_provider_wiro.landing.user_metadata import API

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_wiro.landing.plan import PlannedObject
    from airflow_provider_wiro.landing.provenance import Provenance
    from airflow_provider_wiro.landing.s3.bucket import S3Bucket, StoredObject


class ExistingObjects:
    """
    Recognises outputs of one task in a bucket.

    The metadata of an object that this package wrote names its output: then size, and, as far as it is known
    here, digest decide. Of any other object the bytes are read and compared.

    :param manifest: that an earlier run left, None if there is none.
    :param is_remembered: Wiro shows the task's outputs no longer, so that their bytes can't be compared.
    :param has_tags: the digest may be among an object's tags.
    """

    def __init__(
        self,
        bucket: S3Bucket,
        provenance: Provenance,
        manifest: Mapping[str, Any] | None,
        *,
        is_remembered: bool,
        has_tags: bool,
    ) -> None:
        self._bucket = bucket
        self._provenance = provenance
        self._manifest = manifest
        self._is_remembered = is_remembered
        self._has_tags = has_tags

    def require_same(
        self,
        planned: PlannedObject,
        uri: str,
        existing: StoredObject | None,
        sha256_of_output: Callable[[PlannedObject], str],
    ) -> StoredObject:
        """
        Return the object that is there, with its digest as far as it is known.

        :param existing: as S3 shows it; None if it doesn't, though a put was refused for it.
        :param sha256_of_output: fetches the output for its digest.
        :raises WiroOutputRefusedError: it is another one, or damaged.
        :raises WiroOutputUnavailableError: another task is writing it at this moment.
        """
        if existing is None:
            raise WiroOutputUnavailableError(
                f"Another task writes {uri} at this moment; nothing was overwritten."
            )
        is_named = self._names_output(planned, existing.metadata)
        if is_named and not existing.is_doubtful and _has_size_and_bytes(planned, existing):
            known = existing.sha256 or self._recorded_digest(planned, existing.etag)
            return replace(existing, sha256=known)
        if planned.size is None or planned.size == existing.size:
            found = self._bucket.sha256(planned.key)
            # An output that Wiro has deleted can only be compared with the object's own digest.
            is_gone = is_named and planned.body is None and self._is_remembered
            if found == (existing.sha256 if is_gone else sha256_of_output(planned)):
                return replace(existing, sha256=found)
        if is_named and existing.is_doubtful:
            raise WiroOutputRefusedError(
                f"{uri} is damaged: an earlier try put it, and its bytes are not those of output "
                f"{planned.output.index}. Delete it, or overwrite it with replace=True."
            )
        raise WiroOutputRefusedError(
            f"{uri} is there already and is not output {planned.output.index} of Wiro task "
            f"{self._provenance.wiro_task_id}. Choose another s3_key, or overwrite it with replace=True."
        )

    def _names_output(self, planned: PlannedObject, metadata: Mapping[str, str]) -> bool:
        """Whether an object's metadata names this output: the API's host, the task, and which output."""
        identity = self._provenance.identity(planned.output_id)
        if self._is_remembered and API not in metadata:
            # Of an earlier version, and the bytes it could be compared with are gone.
            identity.pop(API, None)
        return identity.items() <= metadata.items()

    def _recorded_digest(self, planned: PlannedObject, etag: str) -> str | None:
        """
        Return the SHA-256 of an object from the manifest or its tags, None if neither has it.

        The tags are read only where they must be: that is another request, and a permission.
        """
        recorded = manifests.recorded_digest(self._manifest, planned.key, etag)
        return recorded or (self._bucket.tagged_sha256(planned.key) if self._has_tags else None)


def _has_size_and_bytes(planned: PlannedObject, existing: StoredObject) -> bool:
    """Whether an object has an output's size and, of a body that is known here, its digest."""
    if planned.size != existing.size:  # also if the size isn't known
        return False
    return planned.body is None or hashlib.sha256(planned.body).hexdigest() == existing.sha256

"""S3Transfer: the outputs of one finished task into S3, used by the operator and by the batch."""

from __future__ import annotations

import hashlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.run_summary import last_lines
from airflow_provider_wiro.downloads.download import Download
from airflow_provider_wiro.exceptions import WiroOutputRefusedError
from airflow_provider_wiro.landing import manifest as manifests
from airflow_provider_wiro.landing.object_metadata import ObjectMetadata
from airflow_provider_wiro.landing.plan import (
    plan,
    plan_landed,
    plan_remembered,
    planned_by_manifest,
    with_listed_outputs,
)
from airflow_provider_wiro.landing.provenance import with_digest
from airflow_provider_wiro.landing.reused import ReusedResult, source_changed, source_elsewhere
from airflow_provider_wiro.landing.s3.argument_checks import check_manifest_key
from airflow_provider_wiro.landing.s3.existing_objects import ExistingObjects
from airflow_provider_wiro.landing.s3.object_upload import part_bytes_for
from airflow_provider_wiro.landing.s3.stored_copy import StoredCopy
from airflow_provider_wiro.landing.s3.uploads import S3Uploads
from airflow_provider_wiro.landing.transfer import Transfer
from airflow_provider_wiro.links.s3_console import console_of
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.conditions import ObjectExistsError
from airflow_provider_wiro.storage.named_stores import NamedStores, S3Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.landing.plan import PlannedObject
    from airflow_provider_wiro.landing.provenance import Provenance
    from airflow_provider_wiro.landing.s3.bucket import S3Bucket, StoredObject
    from airflow_provider_wiro.landing.s3.destination import S3Destination
    from airflow_provider_wiro.landing.transfer import ReadsTasks
    from airflow_provider_wiro.links.consoles import Console
    from airflow_provider_wiro.storage.landed_object import LandedObject

log = plain_logger(__name__)


class S3Transfer(Transfer["PlannedObject"]):
    """
    Lands a task's outputs in a bucket, whole and verified, with memory that doesn't grow with their size.

    :param summary: what the operator was given as the task: an id or a run summary. That of a reused result
        names the objects to copy; the task is made of it, too.
    :param manifest: as the operator was given it.
    :param is_retry: an earlier try of the same Airflow task may have left open uploads.
    :param logs_each: log each object; else only what is unusual.
    :raises WiroError: two objects would get the same key; something else is where the manifest is to be.
    """

    def __init__(
        self,
        destination: S3Destination,
        hook: ReadsTasks,
        task: Task,
        provenance: Provenance,
        *,
        summary: object = None,
        manifest: bool | str = False,
        is_retry: bool = False,
        logs_each: bool = True,
    ) -> None:
        settings = destination.settings
        self._reused = ReusedResult.in_summary(summary)
        super().__init__(
            hook,
            with_listed_outputs(task, summary),
            provenance,
            workers=destination.workers,
            require_size=settings.require_size,
            group=destination.group,
        )
        self._bucket = destination.bucket
        self._tags = destination.tags
        self._replaces = settings.replace
        self._part_size = settings.part_size
        self._level = logging.INFO if logs_each else logging.DEBUG
        #: Wiro shows no outputs (any more), so that what is known of them is from elsewhere.
        self._is_remembered = not task.outputs
        self._copies: dict[str, StoredCopy] = {}
        self._uploads = (
            S3Uploads(self._bucket, is_retry=is_retry)
            if destination.group is None
            else destination.group.uploads
        )
        self._plan(destination.key_template, manifest)
        self._existing = ExistingObjects(
            self._bucket,
            provenance,
            self._manifest.earlier if self._manifest else None,
            is_remembered=self._is_remembered,
            has_tags=self._tags is not None,
        )

    @property
    def console(self) -> Console:
        return console_of(self._bucket.client)

    @property
    def keeps_manifest(self) -> bool:
        return self._is_remembered or self._reused is not None

    def run(self) -> list[dict[str, Any]]:
        try:
            with self._uploads.incomplete.cleaned_up(self._downloader.pause):
                return super().run()
        finally:
            self._uploads.abort_open()

    def _plan(self, key_template: str, manifest: bool | str) -> None:
        """Plan what lands where, and read the manifest that is there."""
        names: Any = {"model": self.provenance.model, "label": self.provenance.label}
        if self._reused is not None:
            landed = self._reused.landed
            self.planned = plan_landed(self.task, landed, key_template, **names)
            self._copies = {
                one.output_id: self._copy(landed) for one, landed in zip(self.planned, landed, strict=True)
            }
        else:
            make_plan = plan_remembered if self._is_remembered else plan
            self.planned = make_plan(self.task, key_template, **names)
        if isinstance(manifest, str):
            manifest = check_manifest_key(manifest) if manifest else manifest
        key = manifests.manifest_key(manifest, key_template, self.planned, self.provenance)
        if key is not None:
            bucket = self._bucket.with_arguments(manifests.manifest_arguments(self._bucket.arguments))
            store = S3ManifestStore(bucket, key, self.provenance)
            self._manifest = manifests.ManifestFile(
                store, self.provenance.wiro_task_id, replace=self._replaces, api=self.provenance.api
            )
        if not self.planned and self._manifest is not None:
            self.planned = planned_by_manifest(self._manifest.earlier)
        if not self.planned:
            log.warning(
                "Wiro task %s has no outputs; nothing to land. If an earlier try has landed and deleted "
                "them: a run summary as wiro_task_id, or a manifest, would show where they are.%s",
                self.task.id,
                last_lines(self.task),
            )

    def _items(self) -> Sequence[PlannedObject]:
        return self.planned

    def _land(self, planned: PlannedObject) -> dict[str, Any]:
        uri = f"s3://{self._bucket.name}/{planned.key}"
        existing = self._bucket.head(planned.key) if self._keeps(planned) else None
        stored = None if existing is not None else self._put(planned)
        if stored is None:
            existing = existing or self._bucket.head(planned.key)
            try:
                stored = self._existing.require_same(planned, uri, existing, self._sha256)
            except WiroOutputRefusedError as error:
                if not self._is_in_place(planned):
                    raise
                raise source_changed(uri) from error
        if stored.is_new:
            log.log(self._level, "Landed %s: %s bytes, %s.", uri, f"{stored.size:,}", stored.content_type)
        else:
            log.log(self._level, "Skipped %s: it is there already, identical.", uri)
        return {
            "uri": uri,
            "name": planned.name,
            "size": stored.size,
            "sha256": stored.sha256 or None,
            "content_type": stored.content_type,
            "etag": stored.etag,
            "skipped": not stored.is_new,
        }

    def _keeps(self, planned: PlannedObject) -> bool:
        """Whether an object that is there stays: always, if it is the very one that would be copied."""
        return self._is_in_place(planned) or not self._replaces

    def _is_in_place(self, planned: PlannedObject) -> bool:
        copy = self._copies.get(planned.output_id)
        return copy is not None and (copy.bucket, copy.key) == (self._bucket.name, planned.key)

    def _copy(self, landed: LandedObject) -> StoredCopy:
        """Return where an object of an earlier transfer is, by this transfer's own connection."""
        place = NamedStores(f"s3://{self._bucket.name}", self._bucket.access.conn_id).place_of(landed.uri)
        if not isinstance(place, S3Place):
            raise source_elsewhere(landed.uri, "WiroToS3Operator copies objects of S3")
        return StoredCopy(place.bucket, place.key, landed.size, landed.sha256 or "", landed.etag)

    def _put(self, planned: PlannedObject) -> StoredObject | None:
        """Return the new object; None if another task was faster and its object has yet to be compared."""
        arguments, copy = self._bucket.arguments, self._copies.get(planned.output_id)
        own = self.provenance.metadata(planned.output_id, arguments.get("Metadata"))
        tags = None if self._tags is None else self.provenance.tags(self._tags)
        source = self._source(planned) if copy is None else copy.seen_in(self._bucket)
        if copy is not None and copy.sha256:
            own["sha256"] = copy.sha256
            tags = None if tags is None else with_digest(tags, copy.sha256)
        is_checked = planned.body is not None or copy is not None
        metadata = ObjectMetadata(
            planned.content_type,
            own,
            tags,
            None if is_checked else planned.output.label,
            arguments.get("ContentType"),
        )
        try:
            return self._uploads.put(
                planned.key,
                source,
                self._pool,
                metadata=metadata,
                only_if_absent=not self._replaces,
            )
        except ObjectExistsError:
            return None

    def _source(self, planned: PlannedObject) -> Download | StoredCopy | bytes:
        """Return the bytes, the download that brings them, or the object that S3 copies."""
        if planned.body is not None:
            return planned.body
        if (copy := self._copies.get(planned.output_id)) is not None:
            return copy
        if planned.output.url is None and self._is_remembered:
            raise WiroOutputRefusedError(
                f"{planned.key!r} is not in the bucket, and {planned.output.label} is no longer at Wiro."
            )
        part_bytes = partial(part_bytes_for, planned.key, part_bytes=self._part_size)
        return Download(self._downloader, planned.output, part_bytes(planned.output.size), part_bytes)

    def _sha256(self, planned: PlannedObject) -> str:
        source = self._source(planned)
        if isinstance(source, StoredCopy):
            return source.sha256
        return hashlib.sha256(source).hexdigest() if isinstance(source, bytes) else source.sha256()


class S3ManifestStore:
    """
    One key of a bucket, as a :class:`~airflow_provider_wiro.landing.manifest.ManifestStore`.

    :param bucket: with the arguments that apply to a manifest.
    """

    def __init__(self, bucket: S3Bucket, key: str, provenance: Provenance) -> None:
        self.uri = f"s3://{bucket.name}/{key}"
        self._bucket = bucket
        self._uploads = S3Uploads(bucket)
        self._key = key
        self._provenance = provenance

    def read(self) -> bytes | None:
        return self._bucket.read(self._key, manifests.MAX_BYTES)

    def put(self, body: bytes, *, only_if_absent: bool) -> None:
        of_user = self._bucket.arguments.get("Metadata")
        metadata = ObjectMetadata(
            manifests.CONTENT_TYPE, self._provenance.metadata(manifests.OUTPUT, of_user)
        )
        self._uploads.put(self._key, body, metadata=metadata, only_if_absent=only_if_absent)

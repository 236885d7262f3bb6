"""The books that are kept of one transfer: what each object says of itself, and the manifest of them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.run_summary import last_lines
from airflow_provider_wiro.landing import manifest as manifests
from airflow_provider_wiro.landing.manifest_file import ManifestFile
from airflow_provider_wiro.landing.manifest_stores import S3ManifestStore
from airflow_provider_wiro.landing.object_metadata import ObjectMetadata
from airflow_provider_wiro.landing.plan import plan
from airflow_provider_wiro.landing.provenance import API
from airflow_provider_wiro.landing.remembered import landings_of_manifest, plan_remembered, remembered
from airflow_provider_wiro.landing.s3.bucket import S3Bucket
from airflow_provider_wiro.landing.s3.written_arguments import check_manifest_key
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.redaction.task_parameters import without

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.landing.plan import PlannedObject
    from airflow_provider_wiro.landing.provenance import Provenance
    from airflow_provider_wiro.landing.s3.bucket import S3Bucket

log = plain_logger(__name__)


class TransferRecord:
    """
    What is known of a transfer besides the bytes.

    :param summary: what the operator was given as the task: an id or a run summary.
    :param tags: of the user's, None if none of ours are wanted.
    """

    def __init__(
        self,
        s3: S3Bucket,
        task: Task,
        origin: Provenance,
        summary: object,
        *,
        tags: Mapping[str, str] | None,
        replaces: bool,
    ) -> None:
        self.origin = origin
        #: With the outputs that only its run summary still lists, if Wiro shows none.
        self.task = remembered(task, summary)
        #: Wiro shows no outputs (any more), so that what is known of them is from elsewhere.
        self.is_remembered = not task.outputs
        self._s3 = s3
        self._tags = tags
        self._replaces = replaces
        self._landings: list[PlannedObject] = []
        self._manifest: ManifestFile | None = None

    def plan(self, key_template: str, manifest: bool | str) -> list[PlannedObject]:
        """
        Return what lands where, and look at the manifest that is there.

        :param manifest: as the operator was given it.
        :raises WiroError: two objects would meet in one key; something else is where the manifest is to be.
        """
        planned = plan_remembered if self.is_remembered else plan
        landings = planned(self.task, key_template, model=self.origin.model)
        if isinstance(manifest, str):
            manifest = check_manifest_key(manifest) if manifest else manifest
        key = manifests.manifest_key(manifest, key_template, landings, self.origin.placeholders)
        if key is not None:
            arguments = manifests.manifest_arguments(self._s3.arguments)
            place = S3ManifestStore(self._s3.sibling(arguments), key, self.origin)
            self._manifest = ManifestFile(
                place, self.origin.wiro_task_id, replace=self._replaces, api=self.origin.api
            )
        self._landings = landings or landings_of_manifest(self._manifest.earlier if self._manifest else None)
        if not self._landings:
            log.warning(
                "Wiro task %s has no outputs; nothing to land. If an earlier try has landed and deleted "
                "them: a run summary as wiro_task_id, or a manifest, would tell where they are.%s",
                self.task.id,
                last_lines(self.task),
            )
        return self._landings

    def is_of(self, landing: PlannedObject, metadata: Mapping[str, str]) -> bool:
        """Whether an object's metadata names this output: the API's host, the task, and which output."""
        identity = self.origin.identity(_name(landing))
        if self.is_remembered and API not in metadata:
            # Of an earlier version, and what it could be compared with is gone.
            identity.pop(API, None)
        return identity.items() <= metadata.items()

    def digest(self, landing: PlannedObject, etag: str) -> str | None:
        """
        Return the SHA-256 of an object that is there, as its manifest or, with tags, a tag of its own tells.

        None if neither does. The tags are asked for only then: that is another request, and a permission.
        """
        earlier = None if self._manifest is None else self._manifest.earlier
        remembered = manifests.remembered_digest(earlier, landing.key, etag)
        return remembered or (None if self._tags is None else self._s3.tagged_sha256(landing.key))

    def describe(self, landing: PlannedObject) -> ObjectMetadata:
        """Return what an object is to say of itself."""
        arguments = self._s3.arguments
        return ObjectMetadata(
            landing.content_type,
            self.origin.metadata(_name(landing), arguments.get("Metadata")),
            None if self._tags is None else self.origin.tags(self._tags),
            None if landing.body is not None else landing.output.label,
            arguments.get("ContentType"),
        )

    def close(self, files: Sequence[Mapping[str, Any]], secrets: Collection[str]) -> None:
        """
        Write the manifest, if one is wanted.

        :param files: as the operator returns them, one for each landing.
        :param secrets: that must not be in it.
        """
        if self._manifest is None or not self._landings:
            return
        told = manifests.build(self.task, self.origin, self._landings, files, without(secrets))
        self._manifest.write(told, keep=self.is_remembered)

    @property
    def manifest_uri(self) -> str | None:
        return self._manifest.uri if self._manifest is not None and self._landings else None


def _name(landing: PlannedObject) -> str:
    return f"{landing.output.index}{landing.part}"

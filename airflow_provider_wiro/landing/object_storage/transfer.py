"""ObjectStorageTransfer: the outputs of one finished task into any store that Airflow reaches."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_wiro.api.run_summary import last_lines
from airflow_provider_wiro.downloads.download import Download
from airflow_provider_wiro.exceptions import WiroOutputRefusedError, WiroOutputUnavailableError
from airflow_provider_wiro.input_files.stored_file import with_connection
from airflow_provider_wiro.landing import manifest as manifests
from airflow_provider_wiro.landing.multipart import move
from airflow_provider_wiro.landing.object_metadata import ObjectMetadata
from airflow_provider_wiro.landing.object_storage.file import StorageFile
from airflow_provider_wiro.landing.object_storage.store_errors import plain_store_errors
from airflow_provider_wiro.landing.object_storage.stored_copy import StoredCopy
from airflow_provider_wiro.landing.object_storage.streams import move_stream
from airflow_provider_wiro.landing.plan import plan, plan_landed
from airflow_provider_wiro.landing.reused import ReusedResult
from airflow_provider_wiro.landing.transfer import Transfer
from airflow_provider_wiro.links.s3_console import console_of
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.conditions import ObjectExistsError
from airflow_provider_wiro.storage.digests import PIECE_BYTES, sha256_of
from airflow_provider_wiro.storage.location import fixed_folder, identity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.landing.plan import PlannedObject
    from airflow_provider_wiro.landing.provenance import Provenance
    from airflow_provider_wiro.links.consoles import Console
    from airflow_provider_wiro.storage.digests import Stream

T = TypeVar("T")

log = plain_logger(__name__)

#: Large enough that requests don't count, small enough that the parts of one file keep all threads busy.
PART_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class StorageDestination:
    """
    Where outputs land and how.

    :ivar template: of the files' paths, rendered by Jinja.
    :ivar unrendered: the same as the DAG file has it, None if not known.
    :ivar replace: overwrite files that are there.
    :ivar workers: how many threads move outputs.
    :ivar require_size: refuse a file of unknown size whose end is the connection's.
    :ivar part_size: bytes of each part of a large output.
    :ivar metadata: the user's own, beside what says where an object comes from.
    """

    template: str
    unrendered: str | None
    replace: bool
    workers: int
    require_size: bool
    part_size: int = PART_BYTES
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """A file that is in the store, and whether this transfer has put it there."""

    size: int
    sha256: str
    content_type: str
    etag: str | None
    is_new: bool


#: What is to land, where, and, if it is reused, from where.
Item = tuple["PlannedObject", "StorageFile", "StoredCopy | None"]


class ObjectStorageTransfer(Transfer[Item]):
    """
    Lands a task's outputs in files of a store, in parts where the store takes them.

    :param summary: what the operator was given as the task. That of a reused result names the files to copy.
    :param manifest: False, True (beside the first output), or its URI, local path or ObjectStoragePath.
    :param unrendered_manifest: the same as the DAG file has it, None if not known or True.
    :raises WiroError: there is no such store, a file is outside of the template's fixed folder, or something
        else is where the manifest is to be.
    """

    def __init__(
        self,
        destination: StorageDestination,
        hook: WiroHook,
        task: Task,
        provenance: Provenance,
        *,
        summary: object = None,
        manifest: Any = False,
        unrendered_manifest: str | None = None,
    ) -> None:
        template, unrendered = destination.template, destination.unrendered
        super().__init__(
            hook, task, provenance, workers=destination.workers, require_size=destination.require_size
        )
        self._replaces = destination.replace
        self._part_size = destination.part_size
        self._of_user = destination.metadata
        self._reused = reused = ReusedResult.in_summary(summary)
        self._copies: list[StoredCopy | None]
        names: Any = {"model": provenance.model, "label": provenance.label, "argument": "path"}
        if reused is None:
            self.planned = plan(task, template, **names)
            self._copies = [None] * len(self.planned)
        else:
            self.planned = plan_landed(task, reused.landed, template, **names)
            self._copies = [StoredCopy.of(one, template) for one in reused.landed]
        if not self.planned:
            log.warning("Wiro task %s has no outputs; nothing to land.%s", task.id, last_lines(task))
        below = fixed_folder(unrendered, template)
        self._files = [StorageFile(one.key, below=below, check=self._pool.check) for one in self.planned]
        self._open_manifest(template, manifest, unrendered if manifest is True else unrendered_manifest)

    def _open_manifest(self, template: str, wanted: Any, unrendered: str | None) -> None:
        """Read the manifest that is there, if one is wanted and there are outputs."""
        given = wanted if isinstance(wanted, bool) else with_connection(wanted)
        provenance = self.provenance
        uri = manifests.manifest_key(given, template, self.planned, provenance)
        if uri is None or not self.planned:
            return
        below = fixed_folder(unrendered, template if given is True else str(given))
        file = StorageFile(uri, below=below, argument="manifest", is_private=True, check=self._pool.check)
        store = StorageManifestStore(file, provenance)
        self._manifest = manifests.ManifestFile(
            store, provenance.wiro_task_id, replace=self._replaces, api=provenance.api
        )

    @property
    def console(self) -> Console:
        if not self._files:
            return console_of()
        return console_of(self._files[0].s3_client, self._files[0].google_endpoint)

    @property
    def keeps_manifest(self) -> bool:
        return self._reused is not None

    def _items(self) -> Sequence[Item]:
        return list(zip(self.planned, self._files, self._copies, strict=True))

    def _land(self, item: Item) -> dict[str, Any]:
        planned, file, copy = item
        self._pool.check()
        with plain_store_errors(file.uri, "path"):
            before = file.facts()
            is_in_place = copy is not None and identity_of(copy.uri) == identity_of(file.uri)
            existing = None if self._replaces and not is_in_place else before
            stored = self._put(item, before) if existing is None else None
            if stored is None:
                stored = self._require_same(item, existing or self._facts_of_faster(file))
                log.info("Skipped %s: it is there already, identical.", file.uri)
            else:
                log.info("Landed %s: %s bytes, %s.", file.uri, f"{stored.size:,}", stored.content_type)
        return {
            "uri": file.uri,
            "name": planned.name,
            "size": stored.size,
            "sha256": stored.sha256,
            "content_type": stored.content_type,
            "etag": stored.etag,
            "skipped": not stored.is_new,
        }

    def _put(self, item: Item, before: Mapping[str, Any] | None) -> Stored | None:
        """Return the new file; None if another task was faster and its file has yet to be compared."""
        planned, file, copy = item
        own = self.provenance.metadata(planned.output_id, self._of_user)
        is_checked = copy is not None or planned.body is not None
        label = None if is_checked else planned.output.label
        metadata = ObjectMetadata(planned.content_type, own, None, label)
        upload = file.upload(metadata, only_if_absent=not self._replaces)
        if upload is None:
            return self._put_stream(item, metadata, before)
        part_bytes = partial(file.part_bytes, wanted=self._part_size)
        try:
            if is_checked:
                size, sha256 = self._read(
                    planned,
                    copy,
                    lambda stream: move_stream(stream, upload, part_bytes(planned.size), self._pool.check),
                )
            else:
                first = part_bytes(planned.output.size)
                download = Download(self._downloader, planned.output, first, part_bytes)
                size, sha256 = move(download, upload, self._pool)
        except ObjectExistsError:
            made = upload.own()
            if made is None:
                return None
            return Stored(made.size, upload.sha256, made.content_type, made.etag, is_new=True)
        file.check_written(size)
        return Stored(size, sha256, metadata.content_type, upload.etag, is_new=True)

    def _put_stream(self, item: Item, metadata: ObjectMetadata, before: Mapping[str, Any] | None) -> Stored:
        planned, file, copy = item
        written = self._read(
            planned,
            copy,
            lambda stream: file.write(stream, expected_size=planned.size, before=before),
        )
        file.check_written(written.size)
        return Stored(written.size, written.sha256, metadata.content_type, None, is_new=True)

    @staticmethod
    def _facts_of_faster(file: StorageFile) -> Mapping[str, Any]:
        found = file.facts()
        if found is None:
            raise WiroOutputUnavailableError(
                f"Another task writes {file.uri} at this moment; nothing was overwritten."
            )
        return found

    def _require_same(self, item: Item, existing: Mapping[str, Any]) -> Stored:
        """Return the file that is there, if it is this very output."""
        planned, file, copy = item
        size = int(existing.get("size") or 0)
        content_type = existing.get("content_type") or planned.content_type
        stored = partial(
            Stored, size, content_type=content_type, etag=existing.get("etag") or None, is_new=False
        )
        known = self._digest_by_metadata(item, existing.get("metadata") or {})
        if known is not None and planned.size == size:
            return stored(known)
        if planned.size is None or planned.size == size:
            with file.open() as stream:
                found = sha256_of(stream, self._pool.check)
            is_known = copy is not None and copy.sha256 == found
            if (
                is_known
                or self._read(planned, copy, lambda stream: sha256_of(stream, self._pool.check)) == found
            ):
                return stored(found)
        raise WiroOutputRefusedError(
            f"{file.uri} is there already and is not output {planned.output.index} of Wiro task "
            f"{self.provenance.wiro_task_id}. Choose another path, or overwrite it with replace=True."
        )

    def _digest_by_metadata(self, item: Item, metadata: Mapping[str, str]) -> str | None:
        """Return the digest that an object's metadata names, if that names this very output."""
        planned, file, copy = item
        identity = file.kept(self.provenance.identity(planned.output_id))
        sha256 = metadata.get("sha256")
        if not sha256 or not identity or not identity.items() <= metadata.items():
            return None
        if planned.body is not None and hashlib.sha256(planned.body).hexdigest() != sha256:
            return None
        return sha256 if copy is None or copy.sha256 in {None, sha256} else None

    def _read(self, planned: PlannedObject, copy: StoredCopy | None, use: Callable[[Stream], T]) -> T:
        """Return what ``use`` makes of an output's bytes; called again if they have to be fetched again."""
        self._pool.check()
        if copy is not None:
            with copy.open() as stream:
                return use(stream)
        if planned.body is not None:
            return use(io.BytesIO(planned.body))
        return Download(self._downloader, planned.output, PIECE_BYTES).read_through(use)


class StorageManifestStore:
    """One file of a store, as a :class:`~airflow_provider_wiro.landing.manifest.ManifestStore`."""

    def __init__(self, file: StorageFile, provenance: Provenance) -> None:
        self.uri = file.uri
        self._file = file
        self._provenance = provenance

    def read(self) -> bytes | None:
        with plain_store_errors(self.uri, "manifest"):
            if self._file.object is not None:
                read = self._file.object.read(manifests.MAX_BYTES)
                return None if read is None else read[0]
            if self._file.facts() is None:
                return None
            with self._file.open() as file:
                found: bytes = file.read(manifests.MAX_BYTES)
        return found

    def put(self, body: bytes, *, only_if_absent: bool) -> None:
        metadata = ObjectMetadata(manifests.CONTENT_TYPE, self._provenance.metadata(manifests.OUTPUT))
        with plain_store_errors(self.uri, "manifest"):
            upload = self._file.upload(metadata, only_if_absent=only_if_absent)
            if upload is None:
                before = self._file.facts()
                self._file.write(io.BytesIO(body), expected_size=len(body), before=before)
            else:
                upload.put(body, hashlib.sha256(body).hexdigest())
            self._file.check_written(len(body))

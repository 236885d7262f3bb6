"""WiroToObjectStorageOperator: a finished Wiro task's outputs into any store that Airflow reaches."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_wiro.dag_arguments.literals import check_closed, check_flags, is_known_later
from airflow_provider_wiro.links.landed import STORAGE_LINKS
from airflow_provider_wiro.links.wiro import WiroTaskLink
from airflow_provider_wiro.transfers.base import TransferOperator
from airflow_provider_wiro.version_compat import is_parsed

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.landing.object_storage.transfer import StorageDestination
    from airflow_provider_wiro.landing.provenance import Provenance
    from airflow_provider_wiro.landing.transfer import Transfer


class WiroToObjectStorageOperator(TransferOperator):
    """
    Stream a finished Wiro task's outputs to any ``ObjectStoragePath`` (Google, Azure, local disk, S3, …).

    Each output is checked against the size Wiro announced and hashed on the way. A file that fails a check
    is not left behind; the others land or stay, and are skipped when the task runs again. An interrupted
    transfer resumes where it was; an expired link is renewed. An LLM's answer lands as ``.json`` (structured)
    and ``.txt``.

    Several outputs, or parts of a large one, are moved at once. This takes up to ``max_concurrency`` times
    ``part_size`` of memory, in object stores up to twice that, however large the outputs are.

    What a store can do, and this therefore does:

    * Google Cloud Storage and Azure get each file's content type, and its task, model, DAG and ``sha256`` as
      metadata. By that a second run recognises it without reading anything. Nothing is overwritten unseen,
      not even of two tasks that write one file at once: a file is created on the condition that there is
      none (``ifGenerationMatch=0``, ``If-None-Match: *``). The store's own checksums are compared.
    * Azure takes the parts of a large file at once. Google takes them in order; those that come next are
      fetched from Wiro meanwhile.
    * On a local disk a large file's parts are written at once. It appears as a whole, by renaming, and
      replaces nothing that another process has put there; a killed process can leave a ``.wiro-….part``.
    * Any other store (S3 through s3fs, file servers) gets each output as one stream, without metadata and
      without a condition: of two tasks that write one file at once, the last one wins, and a second run has
      to read both the file and the output at Wiro. File servers (``sftp://``, ``smb://``) show a file
      growing, and with ``replace=True`` the old one is gone from the beginning of the write.

    An upload that a killed process leaves unfinished shows nowhere; Google and Azure discard it after a week.

    :param wiro_task_id: a Wiro task's id, or a run summary such as ``run.output``. (templated)
    :param path: URI of each file, its connection included (``gs://google_cloud_default@bucket/…``), or an
        absolute local path. After Jinja, ``{wiro_task_id}``, ``{model}``, ``{index}``, ``{name}``, ``{stem}``
        and ``{suffix}`` are filled for each output, and ``{label}`` with the label that the run summary has.
        Nothing lands outside the folder that its fixed part
        names. (templated)
    :param replace: overwrite files that are there. Otherwise an identical one is skipped, and a different one
        is an error.
    :param wiro_conn_id: the Airflow connection to Wiro. (templated)
    :param manifest: write a JSON file that describes the task, its parameters without secrets, its cost, and
        each file. True: as ``manifest.json`` beside the first output; or a URI or local path like ``path``,
        with ``{wiro_task_id}``, ``{model}`` and ``{label}``. (templated)
    :param metadata: further metadata of the files, text to text, in stores that keep any: names of letters,
        digits, ``-`` and ``_`` (Azure makes ``_`` of ``-``), values of printable ASCII. (templated)
    :param asset_events: "one": an ``AssetAlias`` in ``outlets`` gets one event for the whole transfer, whose
        asset is the file's URI or, of several, the folder that they share; so a DAG that is scheduled on
        the alias runs once. "each": one event for each file, with its own share of the cost.
    :param max_concurrency: how many outputs, or parts of one, are moved at once, from 1 to 64.
    :param part_size: bytes of each part of a large output, from 1 MiB to 1 GiB.
    :param require_size: refuse an output whose size neither Wiro nor the CDN states and whose body ends with
        the connection: a truncated file can't be distinguished from a complete one. Otherwise it lands, and a
        warning says that it is unverified.
    :param log_links: log, at the end, where the first 20 outputs are: the URI and, where the store's console
        is known (Google's, and S3's), its page.
    :return: ``{"wiro_task_id", "files": [{"uri", "name", "size" (bytes), "sha256", "content_type", "etag",
        "skipped"}], "total_bytes", "cost_usd"}``, and with a manifest its URI as ``"manifest"``. ``etag`` is
        Azure's ETag, Google's generation, None in other stores.
    :raises AirflowFailException: a retry can't help: the task failed, a file is not what Wiro announced,
        another file is in the way, there is no such store.
    :raises WiroError: a retry may help: the CDN, the store or Wiro can't be reached.
    """

    template_fields: Sequence[str] = ("wiro_task_id", "path", "wiro_conn_id", "manifest", "metadata")
    operator_extra_links = (WiroTaskLink(), *STORAGE_LINKS)

    def __init__(
        self,
        *,
        wiro_task_id: Any,
        path: str | os.PathLike[str],
        replace: bool = False,
        wiro_conn_id: str = "wiro_default",
        manifest: bool | str = False,
        metadata: Mapping[str, str] | None = None,
        asset_events: Literal["one", "each"] = "one",
        max_concurrency: int = 4,
        part_size: int = 8 * 1024**2,
        require_size: bool = False,
        log_links: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            wiro_task_id=wiro_task_id,
            wiro_conn_id=wiro_conn_id,
            manifest=manifest,
            asset_events=asset_events,
            max_concurrency=max_concurrency,
            require_size=require_size,
            log_links=log_links,
            **kwargs,
        )
        if is_parsed(self):
            check_closed("path", path)
            if not is_known_later(path):
                from airflow_provider_wiro.landing.object_storage.path_template import path_template

                path_template(path)
            if metadata is not None and not is_known_later(metadata):
                from airflow_provider_wiro.landing.object_storage.argument_checks import check_metadata

                check_metadata(metadata)
        check_flags(replace=replace, require_size=require_size)
        self.path = path
        self.replace = replace
        self.metadata = metadata
        self.part_size = part_size
        self._keep_templates()

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        # Airflow calls this for mapped tasks as well, in all versions. render_template_fields is called for
        # others only.
        self._keep_templates()
        super()._do_render_template_fields(*args, **kwargs)

    def _keep_templates(self) -> None:
        """Keep what is fixed of the templates that say where files go."""
        self._path_template, self._manifest_template = (
            str(given) if isinstance(given, str | PurePath) else None for given in (self.path, self.manifest)
        )

    def _open_destination(self) -> StorageDestination:
        from airflow_provider_wiro.landing.object_storage.argument_checks import (
            check_metadata,
            check_part_size,
        )
        from airflow_provider_wiro.landing.object_storage.path_template import path_template
        from airflow_provider_wiro.landing.object_storage.transfer import StorageDestination
        from airflow_provider_wiro.landing.workers import check_max_concurrency

        check_max_concurrency(self.max_concurrency)
        check_part_size(self.part_size)
        return StorageDestination(
            path_template(self.path),
            self._path_template,
            self.replace,
            self.max_concurrency,
            self.require_size,
            self.part_size,
            check_metadata(self.metadata),
        )

    def _make_transfer(
        self, destination: StorageDestination, task: Task, provenance: Provenance
    ) -> Transfer[Any]:
        from airflow_provider_wiro.landing.object_storage.transfer import ObjectStorageTransfer

        return ObjectStorageTransfer(
            destination,
            self.hook,
            task,
            provenance,
            summary=self.wiro_task_id,
            manifest=self.manifest,
            unrendered_manifest=self._manifest_template,
        )

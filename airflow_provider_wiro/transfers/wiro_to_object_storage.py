"""WiroToObjectStorageOperator: a finished Wiro task's outputs into any store that Airflow reaches."""

from __future__ import annotations

from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_wiro.dag_arguments.literals import (
    check_closed,
    check_conn_id,
    check_flags,
    check_wiro_task_id,
    is_known_later,
)
from airflow_provider_wiro.failures import TaskStoppedError, airflow_failures, in_brief
from airflow_provider_wiro.redaction.loggers import PlainLogs
from airflow_provider_wiro.transfers.assets import asset_facts, check_asset_events, report
from airflow_provider_wiro.version_compat import is_parsed

# What takes long to import is imported where it is used: DAG files are parsed all day long and need none of
# it.
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.landing.object_storage.file import StoredOutput
    from airflow_provider_wiro.landing.object_storage.output_stream import OutputReader
    from airflow_provider_wiro.landing.plan import PlannedObject
    from airflow_provider_wiro.landing.workers import WorkerPool
    from airflow_provider_wiro.transfers.openlineage import Landed


class WiroToObjectStorageOperator(PlainLogs, BaseOperator):
    """
    Stream a finished Wiro task's outputs to any ``ObjectStoragePath`` (Google, Azure, local disk, S3, …).

    Each output is checked against the size Wiro announced and hashed on the way. Several are moved at once,
    however large, with about 20 MiB of memory for each of ``max_concurrency`` on an object store and 3 MiB on
    a local disk. A file that fails a check is not left behind; the others land or stay, and are skipped when
    the task runs again. An interrupted transfer resumes where it was; an expired link is renewed. An LLM's
    answer lands as ``.json`` (structured) and ``.txt``.

    What :class:`~airflow_provider_wiro.transfers.wiro_to_s3.WiroToS3Operator` does and this can't, since not
    every store can:

    * There is no conditional write: of two tasks that write the same file at once, the last one wins.
    * Each output is one stream: a single large one is not moved in parts at once.
    * Nothing is kept beside the bytes, neither a content type nor metadata nor tags. So a second run can only
      compare by reading both the file and the output at Wiro, which has to be there still: hence no
      ``delete_after``. A ``manifest`` says where it all came from.
    * On a local disk a file appears as a whole, by renaming; a killed process can leave a ``.wiro-….part``.
      Object stores, too, show a file only when it is complete; what a killed process leaves of an upload is
      for the store's own rules to remove. File servers (``sftp://``, ``smb://``) show a file growing, and
      with ``replace=True`` the old one is gone from the beginning of the write.

    :param wiro_task_id: a Wiro task's id, or a run summary such as ``run.output``. (templated)
    :param path: URI of each file, its connection included (``gs://google_cloud_default@bucket/…``), or an
        absolute local path. After Jinja, ``{wiro_task_id}``, ``{model}``, ``{index}``, ``{name}``, ``{stem}``
        and ``{suffix}`` are filled for each output. Nothing lands outside the folder that its fixed part
        names. (templated)
    :param replace: overwrite files that are there. Otherwise an identical one is skipped, and a different one
        is an error.
    :param wiro_conn_id: the Airflow connection to Wiro. (templated)
    :param manifest: write a JSON file that describes the task, its parameters without secrets, its cost, and
        each file. True: as ``manifest.json`` beside the first output; or a URI or local path like ``path``,
        with ``{wiro_task_id}`` and ``{model}``. (templated)
    :param asset_events: "one": an ``AssetAlias`` in ``outlets`` gets one event for the whole transfer, whose
        asset is the file's URI or, of several, the folder that they share; so a DAG that is scheduled on
        the alias runs once. "each": one event for each file, with its own share of the cost.
    :param max_concurrency: how many outputs are moved at once, from 1 to 64.
    :param require_size: refuse an output whose size neither Wiro nor the CDN states and whose body ends with
        the connection: a truncated file can't be distinguished from a complete one. Otherwise it lands, and a
        warning says that it is unverified.
    :return: ``{"wiro_task_id", "files": [{"uri", "name", "size" (bytes), "sha256", "content_type", "etag",
        "skipped"}], "total_bytes", "cost_usd"}``, and with a manifest its URI as ``"manifest"``; ``etag`` is
        None.
    :raises AirflowFailException: a retry can't help: the task failed, a file is not what Wiro announced,
        another file is in the way, there is no such store.
    :raises WiroError: a retry may help: the CDN or Wiro can't be reached.
    """

    template_fields: Sequence[str] = ("wiro_task_id", "path", "wiro_conn_id", "manifest")
    ui_color = "#e8e4ff"

    def __init__(
        self,
        *,
        wiro_task_id: Any,
        path: str | os.PathLike[str],
        replace: bool = False,
        wiro_conn_id: str = "wiro_default",
        manifest: bool | str = False,
        asset_events: Literal["one", "each"] = "one",
        max_concurrency: int = 4,
        require_size: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if is_parsed(self):
            check_wiro_task_id(wiro_task_id)
            check_conn_id("wiro_conn_id", wiro_conn_id)
            check_closed("path", path)
            if not is_known_later(path):
                from airflow_provider_wiro.landing.object_storage.path_template import path_template

                path_template(path)
        check_flags(replace=replace, require_size=require_size)
        self.wiro_task_id = wiro_task_id
        self.path = path
        self.replace = replace
        self.wiro_conn_id = wiro_conn_id
        self.manifest = manifest
        check_asset_events(asset_events)
        self.asset_events = asset_events
        self.max_concurrency = max_concurrency
        self.require_size = require_size
        self._is_killed = False
        self._crew: WorkerPool[tuple[PlannedObject, StoredOutput], dict[str, Any]] | None = None
        self._reader: OutputReader | None = None
        self._landed: Landed | None = None
        self._keep_templates()

    @cached_property
    def hook(self) -> WiroHook:
        """The hook for the operator's Wiro connection."""
        from airflow_provider_wiro.hooks.wiro import WiroHook

        return WiroHook(self.wiro_conn_id)

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

    @in_brief
    def execute(self, context: Context) -> dict[str, Any]:
        """Check everything that can be checked first; then move several outputs at once."""
        from airflow_provider_wiro.api.run_summary import last_lines, model_of
        from airflow_provider_wiro.landing import manifest as manifests
        from airflow_provider_wiro.landing.object_storage import arguments as destination
        from airflow_provider_wiro.landing.object_storage.path_template import path_template
        from airflow_provider_wiro.landing.plan import plan
        from airflow_provider_wiro.landing.provenance import Provenance
        from airflow_provider_wiro.landing.result import (
            finished_task,
            landed,
            secrets_of,
            with_cost,
        )
        from airflow_provider_wiro.landing.workers import check_max_concurrency
        from airflow_provider_wiro.redaction.task_parameters import without
        from airflow_provider_wiro.transfers.openlineage import Landed

        with airflow_failures(), self.hook:
            check_max_concurrency(self.max_concurrency)
            template = path_template(self.path)
            task = finished_task(self.hook, self.wiro_task_id)
            base_url = self.hook.connection.base_url
            origin = Provenance.of(task, model_of(self.wiro_task_id), context.get("ti"), base_url)
            landings = plan(task, template, model=origin.model, argument="path")
            if not landings:
                self.log.warning("Wiro task %s has no outputs; nothing to land.%s", task.id, last_lines(task))
            targets = destination.open_outputs(landings, template, self._path_template)
            manifest = destination.open_manifest(
                self.manifest,
                template,
                landings,
                origin,
                replaces=self.replace,
                unrendered=self._path_template if self.manifest is True else self._manifest_template,
            )
            files = self._land_all(task, list(zip(landings, targets, strict=True)))
            task = with_cost(self.hook, task)
            if manifest is not None:
                manifest.write(
                    manifests.build(task, origin, landings, files, without(secrets_of(self.hook, task)))
                )
            report(
                context, self.outlets, files, asset_facts(task, origin.model), asset_events=self.asset_events
            )
            self._landed = Landed(task, origin.model, files)
        told = {"manifest": manifest.uri if manifest else None} if self.manifest else {}
        return {**landed(task, files), **told}

    def on_kill(self) -> None:
        """
        Let all reads that are going on, or the next, fail, which undoes the writes.

        Airflow calls this in a signal handler and kills the process 5 s later: too soon for a read timeout.
        """
        self._is_killed = True
        if self._crew is not None:
            self._crew.stop()
        if self._reader is not None:
            self._reader.interrupt()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Tell OpenLineage what was read and written, and what the run cost; it asks if it is installed."""
        if self._landed is None:
            return None
        from airflow_provider_wiro.transfers.openlineage import operator_lineage

        return operator_lineage(self._landed)

    def _land_all(
        self, task: Task, items: Sequence[tuple[PlannedObject, StoredOutput]]
    ) -> list[dict[str, Any]]:
        """Land all outputs, several at once; what :meth:`on_kill` needs is at hand meanwhile."""
        from airflow_provider_wiro.landing.object_storage.output_stream import OutputReader
        from airflow_provider_wiro.landing.object_storage.transfer import StoredLanding
        from airflow_provider_wiro.landing.workers import WorkerPool

        crew: WorkerPool[tuple[PlannedObject, StoredOutput], dict[str, Any]] = WorkerPool(
            self.max_concurrency, self._stopped
        )
        self.hook.interrupted_by(crew.check)
        with OutputReader(self.hook, task, crew.check, require_size=self.require_size) as reader:
            self._crew, self._reader = crew, reader
            if self._is_killed:
                crew.stop()
            try:
                return crew.run(StoredLanding(reader, task.id, self.replace).land, items)
            finally:
                self._crew = self._reader = None

    @staticmethod
    def _stopped() -> TaskStoppedError:
        return TaskStoppedError()

"""Opens an export by its operator's arguments: the bucket, the state, the manifest, and what lands."""

from __future__ import annotations

import random
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_wiro.export.dated_keys import dates_in, with_example_date
from airflow_provider_wiro.export.deletion import FileDeletion
from airflow_provider_wiro.export.execution import Parts, ProjectExport
from airflow_provider_wiro.export.export_run import ExportRun
from airflow_provider_wiro.export.landing.chunk_landing import ChunkLanding, LandingRules
from airflow_provider_wiro.export.manifest import ExportManifest
from airflow_provider_wiro.export.state_store import ExportStateStore
from airflow_provider_wiro.export.wanted import ExportIdentity
from airflow_provider_wiro.landing.plan import PLACEHOLDERS
from airflow_provider_wiro.landing.s3.bucket_trial import check_bucket, try_put
from airflow_provider_wiro.landing.s3.destination import open_destination
from airflow_provider_wiro.landing.s3.uploads import S3Uploads
from airflow_provider_wiro.state_files.dag_run import start_of
from airflow_provider_wiro.state_files.folder import find_state_folder, instance_key
from airflow_provider_wiro.state_files.results_place import in_bucket, results_uri
from airflow_provider_wiro.storage.location import fixed_folder, identity_of
from airflow_provider_wiro.storage.open_folder import open_folder
from airflow_provider_wiro.storage.s3.put_object import OwnObjects
from airflow_provider_wiro.storage.store_refusals import refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.export.wanted import Filters
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.landing.s3.destination import S3Destination, S3Settings

#: The folder of the state and of the manifests. What reads tables passes over a name with such a beginning.
STATE_FOLDER = "_wiro_export"
_NOTHING = "Nothing was exported."


@dataclass(frozen=True)
class ExportArguments:
    """
    What an export's operator was given, rendered and checked.

    :ivar since: where the export begins, if this is its first run; None: now.
    :ivar max_tasks: how many tasks a run lands; None: all that have ended.
    :ivar manifest: of each task.
    :ivar manifest_uri: of the run; None: beside the export.
    :ivar state_path: where the state is; None: beside the export.
    :ivar deletes: None: the tasks' files stay at Wiro; else whether inputs that other runs may need are
        deleted as well.
    """

    s3: S3Settings
    filters: Filters
    since: datetime | None = None
    max_tasks: int | None = None
    manifest: bool | str = False
    manifest_uri: str | None = None
    state_path: str | None = None
    deletes: bool | None = None


@dataclass(frozen=True)
class OpenedExport:
    """
    An export that is ready.

    :ivar folder: the URI of the folder into which all of it goes, without a slash at its end.
    """

    export: ProjectExport
    destination: S3Destination
    folder: str


@contextmanager
def opened_export(
    arguments: ExportArguments,
    hook: WiroHook,
    context: Context,
    check: Callable[[], None],
    *,
    is_beginning: bool,
) -> Iterator[OpenedExport]:
    """
    Open an export for the block; what the run has left of unfinished uploads is removed at its end.

    :param check: raises what is to end the export.
    :param is_beginning: nothing was asked of the bucket yet.
    :raises WiroUsageError: an argument can't be right, or the bucket refuses what the export will do.
    :raises WiroError: the state can't be read.
    """
    destination = open_export_destination(arguments.s3)
    if is_beginning:
        check_bucket(destination, so_far="nothing was exported")
        example = replace(destination, key_template=with_example_date(destination.key_template))
        try_put(example, "owner/model", so_far=_NOTHING)
    bucket, conn_id = destination.bucket.name, arguments.s3.aws_conn_id
    prefix = export_prefix(destination.key_template)
    folder = "/".join(filter(None, (f"s3://{bucket}", prefix)))
    beside = "/".join(filter(None, (prefix, STATE_FOLDER)))
    own = OwnObjects(destination.bucket.arguments, bucket, arguments.s3.verify)
    identity = ExportIdentity(urlsplit(hook.connection.base_url).netloc, folder, arguments.filters)
    state_uri = _state_uri(arguments.state_path) or f"{in_bucket(bucket, conn_id)}/{beside}"
    manifest_uri = arguments.manifest_uri or results_uri(
        context, f"{beside}/manifests", bucket=bucket, aws_conn_id=conn_id
    )
    token = secrets.token_hex(6)
    store = ExportStateStore(
        open_folder(state_uri, own, max_connections=destination.workers),
        identity,
        pause=hook.pause,
        chance=random.random,
    )
    instance = "/".join(instance_key(context)) + start_of(context).label
    run = ExportRun(store, token=token, instance=instance, now=time.time, manifest=identity_of(manifest_uri))
    ti: Any = context["ti"]
    uploads = S3Uploads(destination.bucket, is_retry=True)  # of a run that has died, if of no try
    landing = ChunkLanding(
        destination,
        hook,
        LandingRules(
            arguments.filters,
            run.verdict,
            arguments.manifest,
            arguments.deletes,
            frozenset({identity_of(manifest_uri)}),
        ),
        uploads,
        task_instance=ti,
        renew=run.renew,
    )
    parts = Parts(
        run,
        landing,
        ExportManifest(manifest_uri, f"{state_uri}/{identity.digest}.parts", token, own),
        FileDeletion(hook, destination.workers, is_wanted=arguments.deletes is not None),
    )
    export = ProjectExport(
        parts,
        hook,
        since=arguments.since,
        max_tasks=arguments.max_tasks,
        check=check,
        pause=hook.pause,
    )
    with refusals(f"keep the state of this export in {state_uri}", so_far=_NOTHING):
        export.begin()
    try:
        with uploads.incomplete.cleaned_up(hook.pause):
            yield OpenedExport(export, destination, folder)
    finally:
        uploads.abort_open()


def open_export_destination(settings: S3Settings) -> S3Destination:
    """
    Check the settings and connect to S3; the key may have dates.

    :raises WiroUsageError: a setting, or the connection, can't be right.
    """
    return open_destination(settings, PLACEHOLDERS | dates_in(settings.s3_key))


def export_prefix(key_template: str) -> str:
    """Return the folder into which all outputs go: what stands before the first placeholder of the key."""
    return (fixed_folder(key_template, key_template) or "").strip("/")


def _state_uri(state_path: str | None) -> str | None:
    if not state_path:
        return None
    folder = find_state_folder(state_path)
    return None if folder is None else f"{folder.uri.rstrip('/')}/exports"

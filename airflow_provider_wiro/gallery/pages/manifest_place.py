"""
Where the manifest of a batch or an export may be read.

Users who are no authors of DAGs can write XComs, and so a result that names any object. A manifest is read
only where the task's own arguments say, or at the place of its own that the operator chooses: no other DAG's.
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.gallery.cards.connections import argument, without_connection
from airflow_provider_wiro.gallery.left.rows import Kind
from airflow_provider_wiro.state_files.dag_run import start_of
from airflow_provider_wiro.state_files.folder import (
    absolute,
    environment_folder,
    file_name,
    find_state_folder,
)
from airflow_provider_wiro.state_files.results_place import in_bucket, instance_names
from airflow_provider_wiro.storage.location import identity_of
from airflow_provider_wiro.storage.s3.location import split_url

if TYPE_CHECKING:
    from airflow_provider_wiro.gallery.left.rows import DagRunRow, Instance, Values

#: The start of the DAG run in a name, see ``state_files/dag_run.py``.
_START = r"(?:~[0-9A-Za-z]{1,40})?"


def is_own_manifest(uri: str, dag_id: str, instance: Instance, values: Values) -> bool:
    """Whether this is where the task instance's own manifest is."""
    try:
        named = argument(instance, values.rendered, "manifest_uri")
        if isinstance(named, str) and named:
            return identity_of(without_connection(uri)) == identity_of(
                without_connection(absolute(named, "manifest_uri"))
            )
        identity_of(uri)
    except WiroUsageError:
        return False
    scheme, _, rest = uri.partition("://")
    bucket = bucket_of(instance, values)
    if scheme == "s3" and bucket is not None and not _is_in(rest, bucket):
        return False
    if scheme == "s3" and _ends(uri, _names(dag_id, instance), r"\.jsonl"):
        return True  # beside its outputs; without a bucket the connection names one
    state = _state_names(dag_id, instance)
    return instance.kind is Kind.BATCH and bucket is None and _ends(uri, state, r"\.manifest\.jsonl")


def likely_manifest(run: DagRunRow, instance: Instance, values: Values) -> str | None:
    """
    Return where the manifest of a batch is that has failed, and so has returned nothing.

    :return: None if that isn't known.
    """
    if instance.kind is not Kind.BATCH or values.rendered is None:
        return None
    label = start_of(
        {"dag_run": SimpleNamespace(start_date=run.start_date, logical_date=run.logical_date)}
    ).label
    named = argument(instance, values.rendered, "manifest_uri")
    bucket = bucket_of(instance, values)
    try:
        if isinstance(named, str) and named:
            return absolute(named, "manifest_uri")
        if bucket is not None:
            names = _names(run.dag_id, instance)
            below = "/".join(filter(None, ("wiro/batches", environment_folder(), names)))
            return f"{in_bucket(bucket, None)}/{below}{label}.jsonl"
        folder = find_state_folder()
    except WiroUsageError:
        return None
    if folder is None:
        return None
    return f"{folder.uri}/{_state_names(run.dag_id, instance)}{label}.manifest.jsonl"


def bucket_of(instance: Instance, values: Values) -> str | None:
    """Return the bucket, or access point, that outputs land in; None if none is named."""
    bucket = argument(instance, values.rendered, "s3_bucket")
    if isinstance(bucket, str) and bucket:
        return bucket
    key = argument(instance, values.rendered, "s3_key")
    try:
        return split_url(key)[0] if isinstance(key, str) and key.startswith("s3://") else None
    except WiroUsageError:
        return None


def _is_in(rest: str, bucket: str) -> bool:
    named = without_connection(f"s3://{rest}").removeprefix("s3://")
    return named.startswith(f"{bucket}/")


def _ends(uri: str, names: str, ending: str) -> bool:
    return re.search(rf"/{re.escape(names)}{_START}{ending}\Z", uri) is not None


def _names(dag_id: str, instance: Instance) -> str:
    key = instance.key
    return instance_names(dag_id, key.run_id, key.task_id, str(key.map_index))


def _state_names(dag_id: str, instance: Instance) -> str:
    key = instance.key
    return "/".join(map(file_name, (dag_id, key.run_id, key.task_id, str(key.map_index))))

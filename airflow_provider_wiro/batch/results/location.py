"""Where the results of a task instance are kept: its manifest, and the folder of its shards."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.state_files.dag_run import start_of
from airflow_provider_wiro.state_files.folder import (
    absolute,
    environment_folder,
    file_name,
    find_state_folder,
    instance_key,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: Characters of DAG run ids that are safe in a key.
_READABLE = ":+=,"


def manifest_uri(
    context: Context,
    given: str | None,
    *,
    bucket: str | None,
    aws_conn_id: str | None,
    state_path: str | None,
) -> str:
    """
    Return where the manifest goes: where the user says, else in the bucket of the outputs, else beside the
    journal.

    :param bucket: of the outputs, None if none are landed.
    :param state_path: the operator's argument.
    :raises WiroUsageError: there is no such place, or it is relative.
    """
    label = start_of(context).label
    if given:
        return absolute(given, "manifest_uri")
    if bucket is not None:
        *ids, index = instance_key(context)
        names = "/".join(filter(None, (environment_folder(), *map(_key_name, ids))))
        user = "" if aws_conn_id is None else f"{quote(aws_conn_id, safe='')}@"
        mapped = f"-{index}" if int(index) >= 0 else ""
        return f"s3://{user}{bucket}/wiro/batches/{names}{mapped}{label}.jsonl"
    folder = find_state_folder(state_path)
    if folder is None:
        raise WiroUsageError(
            "Nothing says where the results of this batch are to be written. Give manifest_uri, such as "
            "s3://aws_default@my-bucket/batch.jsonl, or s3_bucket, or set [wiro] state_path."
        )
    return f"{folder.location(context)}{label}.manifest.jsonl"


def _key_name(part: str) -> str:
    """
    Return a unique name for a part of an S3 key. People read it, so dates stay as they are.

    As in the keys of Airflow's own logs, ``:`` and ``+`` are kept; what would end a URI's path is quoted.
    """
    safe = file_name(part)
    is_whole = unquote(safe) == part
    return quote(part, safe=_READABLE) if is_whole and part.strip(".") else safe


def shards_uri(context: Context, manifest: str) -> str:
    """
    Return the folder of the shards: beside the manifest, and only for this task instance.

    Deployments that share a bucket share it. Each shard's name is unique to its process, and a Clear, which
    can change the manifest's name, finds the shards again.
    """
    if label := start_of(context).label:
        manifest = manifest.replace(label, "")
    names = filter(None, (*instance_key(context), environment_folder()))
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    return f"{manifest}.parts/{digest}"

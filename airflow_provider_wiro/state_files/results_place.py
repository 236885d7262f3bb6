"""Where the results of a task instance go: one file of JSON Lines, and the folder of its parts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from airflow_provider_wiro.state_files.dag_run import start_of
from airflow_provider_wiro.state_files.folder import environment_folder, file_name, instance_key

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: Characters of DAG run ids that are safe in a key.
_READABLE = ":+=,"


def results_uri(context: Context, folder: str, *, bucket: str, aws_conn_id: str | None) -> str:
    """
    Return the place of a task instance's results in the bucket of its outputs.

    :param folder: for the results of all task instances, such as ``wiro/batches``.
    """
    names = instance_names(*instance_key(context))
    below = "/".join(filter(None, (folder, environment_folder(), names)))
    return f"{in_bucket(bucket, aws_conn_id)}/{below}{start_of(context).label}.jsonl"


def instance_names(dag_id: str, run_id: str, task_id: str, map_index: str) -> str:
    """Return the part of a key that names a task instance: it is the end of the key, without its ending."""
    mapped = f"-{map_index}" if int(map_index) >= 0 else ""
    return f"{'/'.join(map(_key_name, (dag_id, run_id, task_id)))}{mapped}"


def in_bucket(bucket: str, aws_conn_id: str | None) -> str:
    """Return the URI of a bucket with the connection that leads to it, without a slash at its end."""
    user = "" if aws_conn_id is None else f"{quote(aws_conn_id, safe='')}@"
    return f"s3://{user}{bucket}"


def _key_name(part: str) -> str:
    """
    Return a unique name for a part of an S3 key. People read it, so dates stay as they are.

    As in the keys of Airflow's own logs, ``:`` and ``+`` are kept; what would end a URI's path is quoted.
    """
    safe = file_name(part)
    is_whole = unquote(safe) == part
    return quote(part, safe=_READABLE) if is_whole and part.strip(".") else safe


def parts_uri(context: Context, results: str) -> str:
    """
    Return the folder of the parts: beside the results, and only for this task instance.

    Deployments that share a bucket share it. Each part's name is unique to its process, and a Clear, which
    can change the name of the results, finds the parts again.
    """
    if label := start_of(context).label:
        results = results.replace(label, "")
    names = filter(None, (*instance_key(context), environment_folder()))
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    return f"{results}.parts/{digest}"

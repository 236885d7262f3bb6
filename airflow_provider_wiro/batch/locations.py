"""Where a task instance's journal, its results and its manifest are."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from airflow_provider_wiro.batch.expiring_journal import ExpiringJournal
from airflow_provider_wiro.batch.journal_file import LocalJournal
from airflow_provider_wiro.batch.places import open_place
from airflow_provider_wiro.batch.segments import (
    HEAD,
    OBJECT_SEGMENT_BYTES,
    TASK_STATE_SEGMENT_BYTES,
    SegmentedJournal,
)
from airflow_provider_wiro.batch.slots import PlaceSlots, TaskStateSlots, file_of
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.spent_state import SpentState, spent_folder_uri
from airflow_provider_wiro.state_folder import (
    absolute,
    environment_folder,
    file_name,
    find_state_folder,
    instance_key,
    local_path,
    remove_with_trace,
)

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.batch.journal import JournalStore
    from airflow_provider_wiro.batch.own_objects import OwnObjects
    from airflow_provider_wiro.batch.places import Place


#: What stands in the ids of DAG runs, and is safe in a key.
_READABLE = ":+=,"


def open_journal(
    context: Context, *, state_path: str | None, own: OwnObjects | None = None
) -> JournalStore | None:
    """
    Return where the journal is kept, by the rule of ``run_record.open_record_store``.

    :param state_path: used on every Airflow if given.
    :param own: how its objects are put into S3.
    :return: None if this Airflow offers no store and no path is configured.
    :raises WiroUsageError: the configured path is relative.
    """
    state = context.get("task_state_store")
    if state is not None and state_path is None:
        return SegmentedJournal(TaskStateSlots(state), TASK_STATE_SEGMENT_BYTES)
    folder = find_state_folder(state_path)
    if folder is None:
        return None
    location = folder.location(context)
    spent = SpentState(open_place(spent_folder_uri(folder), own), context)
    file = local_path(f"{location}.batch.jsonl")
    if file is not None:
        return ExpiringJournal(LocalJournal(file), spent, lambda: _discard_file(file))
    place = open_place(f"{location}.batch", own)
    journal = SegmentedJournal(PlaceSlots(place), OBJECT_SEGMENT_BYTES)
    return ExpiringJournal(journal, spent, lambda: _discard_place(place))


def _discard_file(file: Path) -> None:
    remove_with_trace(file)


def _discard_place(place: Place) -> None:
    head = file_of(HEAD)
    place.delete(head)  # first: segments without it are nothing, and it without them is damaged
    for name in place.names() - {head}:
        place.delete(name)


def manifest_uri(
    context: Context,
    given: str | None,
    *,
    bucket: str | None,
    aws_conn_id: str | None,
    state_path: str | None,
) -> str:
    """
    Return where the manifest goes: where the user says, else into the bucket of the outputs, else beside the
    state.

    :param bucket: of the outputs, None if none are landed.
    :raises WiroUsageError: there is no such place, or it is relative.
    """
    if given:
        return absolute(given, "manifest_uri")
    if bucket is not None:
        *ids, index = instance_key(context)
        names = "/".join(filter(None, (environment_folder(), *map(_key_name, ids))))
        user = "" if aws_conn_id is None else f"{quote(aws_conn_id, safe='')}@"
        return f"s3://{user}{bucket}/wiro/batches/{names}{f'-{index}' if int(index) >= 0 else ''}.jsonl"
    folder = find_state_folder(state_path)
    if folder is None:
        raise WiroUsageError(
            "Nothing says where the results of this batch are to be written. Give manifest_uri, such as "
            "s3://aws_default@my-bucket/batch.jsonl, or s3_bucket, or set [wiro] state_path."
        )
    return f"{folder.location(context)}.manifest.jsonl"


def _key_name(part: str) -> str:
    """
    Return a name of its own for a part of an S3 key, which people read: dates stay as they are.

    As in the keys of Airflow's own logs, ``:`` and ``+`` are kept; what ends a URI's path is quoted.
    """
    safe = file_name(part)
    is_whole = unquote(safe) == part
    return quote(part, safe=_READABLE) if is_whole and part.strip(".") else safe


def parts_uri(context: Context, manifest: str) -> str:
    """Return the folder of the parts: beside the manifest, and this task instance's own."""
    names = filter(None, (*instance_key(context), environment_folder()))
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    return f"{manifest}.parts/{digest}"

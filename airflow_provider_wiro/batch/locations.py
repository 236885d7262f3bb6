"""Where a task instance's journal, its results and its manifest are."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow_provider_wiro.batch.journal_file import LocalJournal
from airflow_provider_wiro.batch.places import open_place
from airflow_provider_wiro.batch.segments import (
    OBJECT_SEGMENT_BYTES,
    TASK_STATE_SEGMENT_BYTES,
    SegmentedJournal,
)
from airflow_provider_wiro.batch.slots import PlaceSlots, TaskStateSlots
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.run_record import file_name, record_location

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.batch.journal import JournalStore


def open_journal(context: Context, *, state_path: str | None) -> JournalStore | None:
    """
    Return where the journal is kept, by the rule of ``run_record.open_record_store``.

    :param state_path: used on every Airflow if given.
    :return: None if this Airflow offers no store and no path is configured.
    """
    state = context.get("task_state_store")
    if state is not None and state_path is None:
        return SegmentedJournal(TaskStateSlots(state), TASK_STATE_SEGMENT_BYTES)
    location = record_location(context, state_path=state_path)
    if location is None:
        return None
    path = location.removeprefix("file://")
    if "://" not in path:
        return LocalJournal(Path(f"{path}.batch.jsonl"))
    return SegmentedJournal(PlaceSlots(open_place(f"{location}.batch")), OBJECT_SEGMENT_BYTES)


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
    :raises WiroUsageError: there is no such place.
    """
    if given:
        return given
    if bucket is not None:
        ti = context["ti"]
        index = getattr(ti, "map_index", -1)
        names = "/".join(map(file_name, (ti.dag_id, ti.run_id, ti.task_id)))
        user = "" if aws_conn_id is None else f"{quote(aws_conn_id, safe='')}@"
        return f"s3://{user}{bucket}/wiro/batches/{names}{f'-{index}' if index >= 0 else ''}.jsonl"
    location = record_location(context, state_path=state_path)
    if location is None:
        raise WiroUsageError(
            "Nothing says where the results of this batch are to be written. Give manifest_uri, such as "
            "s3://aws_default@my-bucket/batch.jsonl, or s3_bucket, or set [wiro] state_path."
        )
    return f"{location}.manifest.jsonl"


def parts_uri(context: Context, manifest: str) -> str:
    """Return the folder of the parts: beside the manifest, and this task instance's own."""
    ti = context["ti"]
    names = [ti.dag_id, ti.run_id, ti.task_id, str(getattr(ti, "map_index", -1))]
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    return f"{manifest}.parts/{digest}"

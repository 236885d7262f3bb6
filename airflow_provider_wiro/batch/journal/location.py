"""Where a task instance's journal, its results and its manifest are."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from airflow_provider_wiro.batch.journal.interface import unreadable
from airflow_provider_wiro.batch.journal.local_file import FileJournal
from airflow_provider_wiro.batch.journal.retention import ExpiringJournal
from airflow_provider_wiro.batch.journal.segmented import (
    HEAD_FILE,
    SegmentedJournal,
)
from airflow_provider_wiro.batch.state import batch_state as batch_state
from airflow_provider_wiro.batch.state.batch_state import BatchState
from airflow_provider_wiro.exceptions import WiroError, WiroUsageError
from airflow_provider_wiro.state_files.dag_run import find_earlier, start_of
from airflow_provider_wiro.state_files.folder import (
    absolute,
    environment_folder,
    file_name,
    find_state_folder,
    instance_key,
    local_path,
    remove_with_trace,
)
from airflow_provider_wiro.state_files.retention import SpentState, spent_folder_uri
from airflow_provider_wiro.storage.open_folder import open_folder

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.state_files.dag_run import DagRunStart
    from airflow_provider_wiro.state_files.task_try import WrittenBy
    from airflow_provider_wiro.storage.folder import Folder
    from airflow_provider_wiro.storage.s3.put_object import OwnObjects


#: What stands in the ids of DAG runs, and is safe in a key.
_READABLE = ":+=,"


def open_journal(
    context: Context, *, state_path: str | None, own: OwnObjects | None = None
) -> Journal | None:
    """
    Return where the journal is kept, by the rule of ``run_record.open_record_store``.

    :param state_path: used on every Airflow if given.
    :param own: how its objects are put into S3.
    :return: None if this Airflow offers no store and no path is configured.
    :raises WiroUsageError: the configured path is relative.
    """
    state = context.get("task_state_store")
    if state is not None and state_path is None:
        return SegmentedJournal.in_task_state(state)
    folder = find_state_folder(state_path)
    if folder is None:
        return None
    files = _Files(folder.location(context), own)
    spent = SpentState(open_folder(spent_folder_uri(folder), own), context)
    try:
        name = _own_or_earlier(files, start_of(context), spent)
    except WiroError:
        raise
    except Exception as error:
        raise unreadable(files.folder, error) from error
    return ExpiringJournal(files.journal(name), spent, lambda: files.discard(name))


def _own_or_earlier(files: _Files, start: DagRunStart, spent: SpentState) -> str:
    """Return the name of the DAG run's journal: where it has none, of the one to begin."""
    own = f"{files.stem}{start.label}{files.suffix}"
    if files.has(own):
        return own
    earlier = find_earlier(files.names, files.stem, files.suffix, start, files.written)
    return own if earlier is None or spent.get() is not None else earlier


class _Files:
    """
    The journals of task instances in one folder.

    :param location: what the path or URI of a task instance's files begins with.
    :param own: how they are put into S3.
    """

    def __init__(self, location: str, own: OwnObjects | None) -> None:
        self._own = own
        self.folder, _, self.stem = location.rpartition("/")
        self._local = local_path(self.folder)
        self.suffix = ".batch" if self._local is None else ".batch.jsonl"

    def names(self) -> set[str]:
        return open_folder(self.folder, self._own).names()

    def has(self, name: str) -> bool:
        if self._local is None:
            return self._place(name).read(HEAD_FILE) is not None
        file = self._local / name
        return file.exists() and file.stat().st_size > 0  # an empty one is only begun

    def written(self, name: str) -> WrittenBy | None:
        """Return who began a journal, None if there is none; of one that is damaged nothing is known."""
        if not self.has(name):
            return None
        first = next(iter(self.journal(name).salvage()), {})
        return batch_state.written_by(first, BatchState(0, try_number=0))

    def journal(self, name: str) -> Journal:
        if self._local is not None:
            return FileJournal(self._local / name)
        return SegmentedJournal.in_folder(self._place(name))

    def discard(self, name: str) -> None:
        if self._local is not None:
            _discard_file(self._local / name)
        else:
            _discard_place(self._place(name))

    def _place(self, name: str) -> Folder:
        return open_folder(f"{self.folder}/{name}", self._own)


def _discard_file(file: Path) -> None:
    remove_with_trace(file)


def _discard_place(place: Folder) -> None:
    place.delete(HEAD_FILE)  # first: segments without it are nothing, and it without them is damaged
    for name in place.names() - {HEAD_FILE}:
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
    Return a name of its own for a part of an S3 key, which people read: dates stay as they are.

    As in the keys of Airflow's own logs, ``:`` and ``+`` are kept; what ends a URI's path is quoted.
    """
    safe = file_name(part)
    is_whole = unquote(safe) == part
    return quote(part, safe=_READABLE) if is_whole and part.strip(".") else safe


def parts_uri(context: Context, manifest: str) -> str:
    """
    Return the folder of the parts: beside the manifest, and this task instance's own.

    Deployments with one bucket share it. No part has a name that another process takes, and a Clear, which
    can change the manifest's name, finds the parts again.
    """
    if label := start_of(context).label:
        manifest = manifest.replace(label, "")
    names = filter(None, (*instance_key(context), environment_folder()))
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    return f"{manifest}.parts/{digest}"

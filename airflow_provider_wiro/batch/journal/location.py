"""Where the journal of a task instance is kept: in Airflow's task state store, or in a folder of its own."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.journal.earlier_file import EarlierFile
from airflow_provider_wiro.batch.journal.interface import unreadable
from airflow_provider_wiro.batch.journal.retention import ExpiringJournal
from airflow_provider_wiro.batch.journal.segmented import (
    HEAD_FILE,
    LOCAL_SEGMENT_BYTES,
    OBJECT_SEGMENT_BYTES,
    SegmentedJournal,
)
from airflow_provider_wiro.batch.state.batch_state import BatchState, written_by
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.state_files.dag_run import find_earlier, start_of
from airflow_provider_wiro.state_files.folder import find_state_folder, local_path, remove_with_trace
from airflow_provider_wiro.state_files.retention import RetainedFile, retained_folder_uri
from airflow_provider_wiro.storage.open_folder import open_folder

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.state_files.dag_run import DagRunStart
    from airflow_provider_wiro.state_files.task_try import WrittenBy
    from airflow_provider_wiro.storage.folder import Folder
    from airflow_provider_wiro.storage.s3.put_object import OwnObjects

#: The end of a journal's folder's name.
_SUFFIX = ".batch"
#: What the name of the version before's file had after that.
_EARLIER_SUFFIX = ".jsonl"


def open_journal(
    context: Context, *, state_path: str | None, own: OwnObjects | None = None
) -> Journal | None:
    """
    Return the journal of a task instance, kept where the record of a single run would be.

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
    journals = _Journals(folder.location(context), own)
    spent = RetainedFile(open_folder(retained_folder_uri(folder), own), context)
    try:
        name = _own_or_earlier(journals, start_of(context), spent)
    except WiroError:
        raise
    except Exception as error:
        raise unreadable(journals.folder, error) from error
    return ExpiringJournal(
        journals.journal(name), spent, lambda: journals.discard(name), journals.earlier_file(name)
    )


def _own_or_earlier(journals: _Journals, start: DagRunStart, spent: RetainedFile) -> str:
    """Return the name of the DAG run's journal; if it has none, the one to create."""
    own = f"{journals.stem}{start.label}{_SUFFIX}"
    if journals.has(own):
        return own
    earlier = find_earlier(journals.names, journals.stem, _SUFFIX, start, journals.written)
    return own if earlier is None or spent.get() is not None else earlier


class _Journals:
    """
    The journals of one task instance, of this DAG run and of others with its id: a folder for each.

    :param location: the path or URI that the names of the task instance's files start with.
    :param own: how they are put into S3.
    """

    def __init__(self, location: str, own: OwnObjects | None) -> None:
        self._own = own
        self.folder, _, self.stem = location.rpartition("/")
        self._local = local_path(self.folder)

    def names(self) -> set[str]:
        names = open_folder(self.folder, self._own).names()
        return {name.removesuffix(_EARLIER_SUFFIX) for name in names}

    def has(self, name: str) -> bool:
        earlier = self.earlier_file(name)
        return self._open(name).read(HEAD_FILE) is not None or (earlier is not None and earlier.exists)

    def written(self, name: str) -> WrittenBy | None:
        """Return who wrote a journal, None if there is none; of a damaged one nothing is known."""
        if not self.has(name):
            return None
        first = next(iter(self.journal(name).salvage()), None)
        if first is None and (earlier := self.earlier_file(name)) is not None:
            first = next(earlier.salvage(), None)
        return written_by(first or {}, BatchState(0, try_number=0))

    def journal(self, name: str) -> SegmentedJournal:
        size = OBJECT_SEGMENT_BYTES if self._local is None else LOCAL_SEGMENT_BYTES
        return SegmentedJournal.in_folder(self._open(name), size)

    def earlier_file(self, name: str) -> EarlierFile | None:
        return None if self._local is None else EarlierFile(self._local / f"{name}{_EARLIER_SUFFIX}")

    def discard(self, name: str) -> None:
        _discard(self._open(name), None if self._local is None else self._local / name)

    def _open(self, name: str) -> Folder:
        return open_folder(f"{self.folder}/{name}", self._own)


def _discard(folder: Folder, path: Path | None) -> None:
    """
    Delete a journal.

    :param path: of its folder, if that is a local one.
    """
    folder.delete(
        HEAD_FILE
    )  # first: segments without a pointer are nothing, a pointer without them is damage
    for name in folder.names():
        folder.delete(name)
    if path is not None:
        with suppress(FileNotFoundError):
            path.rmdir()
        remove_with_trace(path)

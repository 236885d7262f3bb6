"""
Where the durable record of a run is kept, so that a retry finds it after a worker has died.

XCom is emptied at each retry. Airflow 3.3 has a state store for just this; before it, a small file in object
storage does. Both are asked for one key of their own task instance, mapped ones by their index.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_wiro.exceptions import WiroError, WiroOrphanedRunError, WiroRecordError
from airflow_provider_wiro.recovery.run_record import RunRecord
from airflow_provider_wiro.state_files.dag_run import DagRunStart, find_earlier, start_of
from airflow_provider_wiro.state_files.folder import (
    find_state_folder,
    local_path,
    remove_with_trace,
)
from airflow_provider_wiro.state_files.retention import SpentState, spent_folder_uri
from airflow_provider_wiro.state_files.task_try import TaskTry, WrittenBy
from airflow_provider_wiro.storage.private_files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.providers.common.compat.sdk import Context

STATE_KEY = "wiro_run"
_SUFFIX = ".json"
_UNKNOWN_START = DagRunStart()


class RecordStore(Protocol):
    """Keeps one record."""

    def read(self) -> RunRecord | None:
        """
        Return the record, None if there certainly is none.

        :raises WiroRecordError: it can't be told.
        """

    def write(self, record: RunRecord) -> None:
        """
        Keep a record in place of the one before.

        :raises WiroRecordError: it may not be kept.
        """

    def clear(self) -> None:
        """
        Forget the record.

        :raises WiroRecordError: it may still be there.
        """


def open_record_store(context: Context, *, state_path: str | None = None) -> RecordStore | None:
    """
    Return the store for a task instance, None if this Airflow offers none and no path is configured.

    :param state_path: where files are kept, see ``state_folder.find_state_folder``. Given explicitly it is
        used on every Airflow.
    :raises WiroUsageError: the folder is no absolute path or URI.
    """
    state = context.get("task_state_store")
    if state is not None and state_path is None:
        return TaskStateRecordStore(state)
    folder = find_state_folder(state_path)
    if folder is None:
        return None
    spent = SpentState(_FileFolder(spent_folder_uri(folder)), context)
    return FileRecordStore(f"{folder.location(context)}{_SUFFIX}", spent=spent, start=start_of(context))


def current_try(context: Context, *, retries: int | None, is_beginning: bool) -> TaskTry:
    """
    Return the try that is running.

    :param retries: of the operator.
    :param is_beginning: nothing of this try ran before. That says something of a record only where there is a
        DAG run; a context made by hand may have none.
    """
    start = start_of(context)
    return TaskTry(
        context["ti"].try_number,
        retries,
        start.clears,
        start.at,
        is_beginning=is_beginning and context.get("dag_run") is not None,
    )


class TaskStateRecordStore:
    """Airflow 3.3's own store, in its database."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def read(self) -> RunRecord | None:
        """See :meth:`RecordStore.read`."""
        try:
            stored = self._state.get(STATE_KEY)
        except Exception as error:
            raise _unreadable("Airflow's task state store", error) from error
        return None if stored is None else RunRecord.from_json(stored)

    def write(self, record: RunRecord) -> None:
        """See :meth:`RecordStore.write`."""
        try:
            self._state.set(STATE_KEY, json.loads(json.dumps(record.to_json())))
        except Exception as error:
            raise _unwritable("Airflow's task state store", error) from error

    def clear(self) -> None:
        """See :meth:`RecordStore.clear`."""
        try:
            self._state.delete(STATE_KEY)
        except Exception as error:
            raise _unwritable("Airflow's task state store", error) from error


class FileRecordStore:
    """
    A file, local or in object storage.

    A record whose result was returned moves to ``spent``, whence it is removed after some hours.

    :param uri: a path, or any URI Airflow's ObjectStoragePath takes, which ends in ``.json``.
    :param spent: None keeps such a record where it is.
    :param start: of the DAG run whose record it is, which its name gets.
    """

    def __init__(
        self, uri: str, *, spent: SpentState | None = None, start: DagRunStart = _UNKNOWN_START
    ) -> None:
        self._folder, _, name = uri.rpartition("/")
        self._stem = name.removesuffix(_SUFFIX)
        self._start = start
        self._spent = spent
        self._use(f"{self._stem}{start.label}{_SUFFIX}")

    def _use(self, name: str) -> None:
        self._uri = f"{self._folder}/{name}"
        self._local = local_path(self._uri)

    def read(self) -> RunRecord | None:
        """See :meth:`RecordStore.read`."""
        try:
            stored = self._stored()
        except WiroError:
            raise
        except Exception as error:
            raise _unreadable(self._uri, error) from error
        if stored is None:
            return None
        try:
            return RunRecord.from_json(json.loads(stored))
        except ValueError:
            return RunRecord.from_json(stored)  # which says what is wrong with it

    def write(self, record: RunRecord) -> None:
        """See :meth:`RecordStore.write`."""
        body = json.dumps(record.to_json()).encode()
        try:
            if record.is_spent and self._spent is not None:
                self._spent.put(body)
                self._remove_all()
            elif self._local is not None:
                _replace_file(self._local, body)
            else:
                _put_object(self._path(), body)
        except Exception as error:
            raise _unwritable(self._uri, error) from error

    def clear(self) -> None:
        """See :meth:`RecordStore.clear`."""
        try:
            self._path().unlink(missing_ok=True)
        except Exception as error:
            raise _unwritable(self._uri, error) from error

    def _stored(self) -> bytes | None:
        if (body := self._body()) is not None:
            return body
        if self._spent is not None and (body := self._spent.get()) is not None:
            return body
        folder = _FileFolder(self._folder)

        def written(name: str) -> WrittenBy | None:
            found = folder.read(name)
            return None if found is None else _writer_of(found)

        earlier = find_earlier(folder.names, self._stem, _SUFFIX, self._start, written)
        if earlier is None:
            return None
        self._use(earlier)
        return self._body()

    def _body(self) -> bytes | None:
        try:
            body: bytes = self._path().read_bytes()
        except FileNotFoundError:
            return None
        return body

    def _remove_all(self) -> None:
        if self._local is not None:
            remove_with_trace(self._local)
        else:
            self._path().unlink(missing_ok=True)

    def _path(self) -> Any:
        return _open_path(self._uri, self._local)


class _FileFolder:
    """
    A folder, local or in object storage: see :class:`~airflow_provider_wiro.state_files.retention.Folder`.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._local = local_path(uri)

    def read(self, name: str) -> bytes | None:
        try:
            body: bytes = (self._path() / name).read_bytes()
        except FileNotFoundError:
            return None
        return body

    def write(self, name: str, body: bytes) -> None:
        if self._local is not None:
            _replace_file(self._local / name, body)
        else:
            _put_object(self._path() / name, body)

    def delete(self, name: str) -> None:
        (self._path() / name).unlink(missing_ok=True)

    def names(self, most: int | None = None) -> set[str]:
        try:
            return {str(found).rstrip("/").rpartition("/")[2] for found in self._path().iterdir()}
        except FileNotFoundError:
            return set()

    def _path(self) -> Any:
        return _open_path(self._uri, self._local)


def _writer_of(body: bytes) -> WrittenBy:
    """Return who wrote a record; of one that is damaged nothing is known."""
    try:
        return RunRecord.from_json(json.loads(body)).written_by
    except (ValueError, WiroOrphanedRunError):
        return WrittenBy(0, 0)


def _open_path(uri: str, local: Path | None) -> Any:
    if local is not None:
        return local
    from airflow_provider_wiro.storage.object_files import open_object

    return open_object(uri, "state_path")


def _put_object(path: Any, body: bytes) -> None:
    """Write an object, which an object store does as a whole."""
    try:
        path.write_bytes(body)
    except FileNotFoundError:  # no object store but a file system, such as sftp://
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def _replace_file(path: Path, body: bytes) -> None:
    with replacing(path) as file:
        file.write(body)


def _unreadable(where: str, error: Exception) -> WiroRecordError:
    return WiroRecordError(
        f"Can't read this run's record in {where}: {error}. Nothing was started, since an earlier try may "
        "have been."
    )


def _unwritable(where: str, error: Exception) -> WiroRecordError:
    return WiroRecordError(f"Can't write this run's record in {where}: {error}.")

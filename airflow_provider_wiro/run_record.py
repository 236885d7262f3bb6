"""
Where the durable record of a run is kept, so that a retry finds it after a worker has died.

XCom is emptied at each retry. Airflow 3.3 has a state store for just this; before it, a small file in object
storage does. Both are asked for one key of their own task instance, mapped ones by their index.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.api.run_record import RunRecord
from airflow_provider_wiro.exceptions import WiroRecordError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

STATE_KEY = "wiro_run"
#: File systems take 255 bytes; Airflow's ids go up to 250 characters, which quoting can make three of each.
_LONGEST_NAME = 180


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

    :param state_path: where files are kept; default: ``[wiro] state_path``, and with an executor that runs on
        the scheduler's machine a folder in ``AIRFLOW_HOME``. Given explicitly it is used on every Airflow.
    """
    state = context.get("task_state_store")
    if state is not None and state_path is None:
        return TaskStateRecordStore(state)
    location = record_location(context, state_path=state_path)
    return None if location is None else FileRecordStore(f"{location}.json")


def record_location(context: Context, *, state_path: str | None = None) -> str | None:
    """
    Return the beginning of the path or URI of a task instance's files, None if no folder is configured.

    :param state_path: see :func:`open_record_store`.
    """
    folder = state_path or version_compat.configured_state_path()
    if folder is None:
        return None
    ti = context["ti"]
    parts = [ti.dag_id, ti.run_id, ti.task_id, str(getattr(ti, "map_index", -1))]
    return folder.rstrip("/") + "/" + "/".join(map(file_name, parts))


def file_name(part: str) -> str:
    """Return a name of its own for a part of a key, whatever it holds: no ``..``, nothing too long."""
    name = quote(part, safe="")
    if not name.strip("."):
        return name.replace(".", "%2E")
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}~{hashlib.sha256(part.encode()).hexdigest()[:32]}"


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

    :param uri: a path, or any URI Airflow's ObjectStoragePath takes.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        path = uri.removeprefix("file://")
        self._local = None if "://" in path else Path(path)

    def read(self) -> RunRecord | None:
        """See :meth:`RecordStore.read`."""
        try:
            stored = self._path().read_bytes()
        except FileNotFoundError:
            return None
        except Exception as error:
            raise _unreadable(self._uri, error) from error
        try:
            return RunRecord.from_json(json.loads(stored))
        except ValueError:
            return RunRecord.from_json(stored)  # which says what is wrong with it

    def write(self, record: RunRecord) -> None:
        """See :meth:`RecordStore.write`."""
        body = json.dumps(record.to_json())
        try:
            if self._local is not None:
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

    def _path(self) -> Any:
        if self._local is not None:
            return self._local
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        return ObjectStoragePath(self._uri)


def _put_object(path: Any, body: str) -> None:
    """Write an object, which an object store does as a whole."""
    try:
        path.write_text(body)
    except FileNotFoundError:  # no object store but a file system, such as sftp://
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body)


def _replace_file(path: Path, body: str) -> None:
    """Write a file so that a crash at any moment leaves the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    with scratch.open("w") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def _unreadable(where: str, error: Exception) -> WiroRecordError:
    return WiroRecordError(
        f"Can't read this run's record in {where}: {error}. Nothing was started, since an earlier try may "
        "have been."
    )


def _unwritable(where: str, error: Exception) -> WiroRecordError:
    return WiroRecordError(f"Can't write this run's record in {where}: {error}.")

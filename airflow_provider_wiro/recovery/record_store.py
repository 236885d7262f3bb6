"""
Where the durable record of a run is kept, so that a retry finds it after a worker has died.

XCom is emptied at each retry. Airflow 3.3 has a state store that isn't; before it, a small file is kept below
``[wiro] state_path``. Each task instance has one record, mapped ones by their index.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroError, WiroOrphanedRunError, WiroRecordError
from airflow_provider_wiro.recovery.run_record import RunRecord
from airflow_provider_wiro.state_files.dag_run import DagRunStart, find_earlier, start_of
from airflow_provider_wiro.state_files.folder import find_state_folder, local_path, remove_with_trace
from airflow_provider_wiro.state_files.retention import RetainedFile, retained_folder_uri
from airflow_provider_wiro.state_files.task_try import TaskTry, WrittenBy
from airflow_provider_wiro.storage.key_value import TaskStateKeys
from airflow_provider_wiro.storage.open_folder import open_folder, split_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.recovery.run_record import RecordStore
    from airflow_provider_wiro.storage.folder import Folder

STATE_KEY = "wiro_run"
_SUFFIX = ".json"
_UNKNOWN_START = DagRunStart()


def open_record_store(context: Context, *, state_path: str | None = None) -> RecordStore | None:
    """
    Return the store for a task instance, None if this Airflow offers none and no path is configured.

    :param state_path: where files are kept, see
        :func:`~airflow_provider_wiro.state_files.folder.find_state_folder`. If given, it is used on every
        Airflow.
    :raises WiroUsageError: the folder is no absolute path or URI.
    """
    state = context.get("task_state_store")
    if state is not None and state_path is None:
        return TaskStateRecordStore(state)
    folder = find_state_folder(state_path)
    if folder is None:
        return None
    return FileRecordStore(
        f"{folder.location(context)}{_SUFFIX}",
        open_retained=lambda: RetainedFile(open_folder(retained_folder_uri(folder)), context),
        start=start_of(context),
    )


def current_try(context: Context, *, retries: int | None, is_beginning: bool) -> TaskTry:
    """
    Return the try that is running.

    :param retries: of the operator.
    :param is_beginning: nothing of this try ran before. It counts only where there is a DAG run; a context
        made by hand may have none.
    """
    start = start_of(context)
    return TaskTry(
        context["ti"].try_number,
        retries,
        start.clears,
        start.at,
        is_beginning=is_beginning and context.get("dag_run") is not None,
    )


class _TextRecordStore(ABC):
    """A record as JSON, wherever a subclass keeps texts. See :class:`RecordStore` for the methods."""

    @property
    @abstractmethod
    def _location(self) -> str:
        """Where the record is, for messages."""

    @abstractmethod
    def _get(self) -> str | bytes | None: ...
    @abstractmethod
    def _put(self, text: str, *, is_consumed: bool) -> None: ...
    @abstractmethod
    def _delete(self) -> None: ...

    def read(self) -> RunRecord | None:
        """See :class:`~airflow_provider_wiro.recovery.run_record.RecordStore`."""
        with _record_errors(
            f"Can't read this run's record in {self._location}",
            " Nothing was started: an earlier try may already have started a run.",
        ):
            stored = self._get()
        if stored is None:
            return None
        try:
            return RunRecord.from_json(json.loads(stored))
        except ValueError:
            return RunRecord.from_json(stored)  # which says what is wrong with it

    def write(self, record: RunRecord) -> None:
        """See :class:`~airflow_provider_wiro.recovery.run_record.RecordStore`."""
        with self._unwritable():
            self._put(json.dumps(record.to_json()), is_consumed=record.is_consumed)

    def clear(self) -> None:
        """See :class:`~airflow_provider_wiro.recovery.run_record.RecordStore`."""
        with self._unwritable():
            self._delete()

    def _unwritable(self) -> AbstractContextManager[None]:
        return _record_errors(f"Can't write this run's record in {self._location}")


class TaskStateRecordStore(_TextRecordStore):
    """Airflow 3.3's own store, in its database."""

    def __init__(self, state: Any) -> None:
        self._keys = TaskStateKeys(state, is_json=True)

    @property
    def _location(self) -> str:
        return self._keys.location

    def _get(self) -> str | None:
        return self._keys.get(STATE_KEY)

    def _put(self, text: str, *, is_consumed: bool) -> None:
        self._keys.put(STATE_KEY, text)

    def _delete(self) -> None:
        self._keys.delete(STATE_KEY)


class FileRecordStore(_TextRecordStore):
    """
    A file, local, in S3 or in another object store.

    The record of a run whose result was returned moves to another folder, where it is removed after some
    hours.

    :param uri: a path or URI that ends in ``.json``, in a folder as
        :func:`~airflow_provider_wiro.storage.open_folder.open_folder` takes it.
    :param open_retained: opens the place of such a record; None keeps it where it is.
    :param start: of the DAG run whose record it is, which the file's name gets.
    """

    def __init__(
        self,
        uri: str,
        *,
        open_retained: Callable[[], RetainedFile] | None = None,
        start: DagRunStart = _UNKNOWN_START,
    ) -> None:
        self._folder_uri, name = split_uri(uri)
        self._stem = name.removesuffix(_SUFFIX)
        self._name = f"{self._stem}{start.label}{_SUFFIX}"
        self._start = start
        self._open_retained = open_retained

    @property
    def _location(self) -> str:
        return f"{self._folder_uri}/{self._name}"

    @cached_property
    def _folder(self) -> Folder:
        return open_folder(self._folder_uri)

    @cached_property
    def _retained(self) -> RetainedFile | None:
        return None if self._open_retained is None else self._open_retained()

    def _get(self) -> bytes | None:
        if (body := self._folder.read(self._name)) is not None:
            return body
        if self._retained is not None and (body := self._retained.get()) is not None:
            return body

        def written(name: str) -> WrittenBy | None:
            found = self._folder.read(name)
            return None if found is None else _writer_of(found)

        earlier = find_earlier(self._folder.names, self._stem, _SUFFIX, self._start, written)
        if earlier is None:
            return None
        self._name = earlier
        return self._folder.read(earlier)

    def _put(self, text: str, *, is_consumed: bool) -> None:
        if not is_consumed or self._retained is None:
            self._folder.write(self._name, text.encode())
            return
        self._retained.put(text.encode())
        if (file := local_path(self._location)) is None:
            self._delete()
        else:
            remove_with_trace(file)

    def _delete(self) -> None:
        self._folder.delete(self._name)


def _writer_of(body: bytes) -> WrittenBy:
    """Return who wrote a record; of a damaged one nothing is known."""
    try:
        return RunRecord.from_json(json.loads(body)).written_by
    except (ValueError, WiroOrphanedRunError):
        return WrittenBy(0, 0)


@contextmanager
def _record_errors(what: str, then: str = "") -> Iterator[None]:
    """
    Raise what a store raises as a WiroRecordError.

    :param what: failed, as the beginning of the message.
    :param then: its end.
    """
    try:
        yield
    except WiroError:
        raise
    except Exception as error:
        raise WiroRecordError(f"{what}: {error}.{then}") from error

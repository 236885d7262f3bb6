"""
TryTrace: shows whether a task's earlier tries ran on this machine, where its records are assumed to be.

With LocalExecutor and no ``[wiro] state_path``, records are on the scheduler's disk. A second scheduler has
another disk, where a retry finds no record, though an earlier try may have started a run. So each try leaves
a small file beside the records, and a retry that finds none doesn't take "no record" for "nothing was
started".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroRecordError
from airflow_provider_wiro.state_files.folder import find_state_folder, local_path, trace_beside
from airflow_provider_wiro.storage.private_files import open_in_folder

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.providers.common.compat.sdk import Context


class TryTrace:
    """
    The file by which a try shows that it ran on this machine.

    :param file: None where all tries share the folder.
    :param is_retry: there was an earlier try since the task was last cleared.
    """

    def __init__(self, file: Path | None, *, is_retry: bool = False) -> None:
        self._file = file
        self._is_retry = is_retry

    @property
    def is_missing(self) -> bool:
        """Whether an earlier try may have run on another machine."""
        return self._file is not None and self._is_retry and not self._file.exists()

    def leave(self) -> None:
        """
        Write the file for the next try.

        :raises WiroRecordError: it can't be written.
        """
        if self._file is None or self._file.exists():
            return
        try:
            open_in_folder(self._file).close()
        except OSError as error:
            raise WiroRecordError(f"Can't write {self._file}: {error}.") from error


def open_trace(context: Context, *, state_path: str | None, retries: int) -> TryTrace:
    """
    Return the trace of a task instance.

    :param state_path: the operator's argument.
    :param retries: the operator's.
    """
    has_store = context.get("task_state_store") is not None
    folder = None if has_store and state_path is None else find_state_folder(state_path)
    if folder is None or not folder.is_assumed:
        return TryTrace(None)
    file = local_path(f"{folder.location(context)}.json")
    if file is None:
        raise AssertionError("an assumed folder is a local one")
    ti = context["ti"]
    first = ti.max_tries - retries + 1
    return TryTrace(trace_beside(file), is_retry=ti.try_number > max(1, first))

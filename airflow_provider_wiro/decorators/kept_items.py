"""
KeptItems: what a batch's function has returned, kept beside the batch's results for later parts of the task.

The items are read again after each deferral and by each retry. A function that returns others each time would
have them paid for again, so it is called once, until the task is cleared.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroRecordError
from airflow_provider_wiro.state_files.record_errors import record_errors
from airflow_provider_wiro.state_files.task_try import WrittenBy, is_of_deleted_dag_run, was_cleared_since
from airflow_provider_wiro.storage.s3.responses import code_and_status, is_missing_bucket
from airflow_provider_wiro.storage.store_refusals import refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.state_files.task_try import TaskTry
    from airflow_provider_wiro.storage.folder import Folder

#: The file's name, in the folder of the batch's results.
NAME = "inputs.jsonl"
_VERSION = 1


@dataclass(frozen=True)
class KeptItems:
    """
    The place where one task instance keeps them: a line that says whose they are, then an item a line.

    :ivar folder: of the batch's results.
    """

    folder: Folder
    this_try: TaskTry
    max_tries: int

    @property
    def where(self) -> str:
        """The place, for messages."""
        return f"{self.folder.uri}/{NAME}"

    def find(self, items: Path) -> str | None:
        """
        Copy the kept items, if they hold for this try, into a local file.

        :param items: the file.
        :return: the path of the items: ``items``, or what the function returned; None: none are kept.
        :raises WiroRecordError: they can't be read.
        """
        with record_errors(f"what the function has returned, kept in {self.where}"), _temporary() as kept:
            try:
                self.folder.download(NAME, kept)
            except Exception as error:
                if self._says_that_none_are_kept(error):
                    return None
                raise
            with kept.open("rb") as source:
                head = self._head(source.readline())
                if not self._holds(head):
                    return None
                path: str | None = head["path"]
                if path is not None:
                    return path
                with items.open("wb") as target:
                    shutil.copyfileobj(source, target)
            return str(items)

    def keep(self, items: Path, path: str | None) -> None:
        """
        Keep what the function has returned.

        :param items: the file that has the items.
        :param path: the path that it returned in place of items.
        :raises WiroUsageError: the place refuses it.
        :raises WiroRecordError: it can't be written.
        """
        now = self.this_try
        written = WrittenBy(now.number, self.max_tries, now.clears, now.run_started_at)
        head = {"version": _VERSION, "written_by": asdict(written), "path": path}
        what = f"keep what the function has returned, in {self.where}"
        with refusals(what), record_errors(self.where), _temporary() as kept:
            with kept.open("wb") as target, items.open("rb") as source:
                target.write(f"{json.dumps(head)}\n".encode())
                if path is None:
                    shutil.copyfileobj(source, target)
            self.folder.upload(NAME, kept)

    def _says_that_none_are_kept(self, error: Exception) -> bool:
        if isinstance(error, FileNotFoundError) or is_missing_bucket(error):
            return True
        # S3 refuses to say that a key doesn't exist if the role may not list the bucket (s3:ListBucket).
        is_first = self.this_try.is_beginning and self.this_try.number == 1
        return is_first and "403" in code_and_status(error)

    def _head(self, line: bytes) -> dict[str, Any]:
        try:
            head = json.loads(line)
            if head["version"] == _VERSION and isinstance(head.get("path"), str | None):
                return {**head, "written_by": WrittenBy(**head["written_by"])}
        except (ValueError, TypeError, KeyError):
            pass
        raise WiroRecordError(
            f"Expected in {self.where} what the batch's function has returned, found {line[:100]!r}. Delete "
            "the file to have the function called again: of its items, those that were run are not run again."
        )

    def _holds(self, head: dict[str, Any]) -> bool:
        written: WrittenBy = head["written_by"]
        if is_of_deleted_dag_run(written, self.this_try):
            return False
        # A later try's: this one will find that the batch's journal is that try's.
        is_later = written.number > self.this_try.number
        return is_later or not was_cleared_since(written, self.this_try, self.max_tries)


@contextmanager
def _temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wiro-") as folder:
        yield Path(folder) / NAME

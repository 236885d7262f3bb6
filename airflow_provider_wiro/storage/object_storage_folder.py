"""A folder in any store that Airflow's ObjectStoragePath knows."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.storage.folder import COPIED_BYTES, check_then_write
from airflow_provider_wiro.storage.object_files import open_object

if TYPE_CHECKING:
    from pathlib import Path


class ObjectStorageFolder:
    """A folder in any other store of Airflow, as a :class:`~airflow_provider_wiro.storage.folder.Folder`."""

    has_conditional_writes = False

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        self._path: Any = open_object(self.uri, "a folder")
        self._path.fs  # noqa: B018  reads the connection, which only this thread may do

    def read(self, name: str, most: int | None = None) -> bytes | None:
        """See :meth:`Folder.read`."""
        try:
            if most is None:
                body: bytes = (self._path / name).read_bytes()
            else:
                with (self._path / name).open("rb") as file:
                    body = file.read(most)
        except FileNotFoundError:
            return None
        return body

    def write(self, name: str, body: bytes) -> None:
        """See :meth:`Folder.write`."""
        with self._open_for_writing(name) as target:
            target.write(body)

    def compare_and_swap(self, name: str, body: bytes, expected: bytes | None) -> bool:
        """See :meth:`Folder.compare_and_swap`."""
        return check_then_write(self.read, self.write, name, body, expected)

    def upload(self, name: str, file: Path) -> None:
        """See :meth:`Folder.upload`."""
        with file.open("rb") as source, self._open_for_writing(name) as target:
            shutil.copyfileobj(source, target, COPIED_BYTES)

    def download(self, name: str, file: Path) -> None:
        """See :meth:`Folder.download`."""
        with (self._path / name).open("rb") as source, file.open("wb") as target:
            shutil.copyfileobj(source, target, COPIED_BYTES)

    def names(self, most: int | None = None) -> set[str]:
        """See :meth:`Folder.names`."""
        try:
            return {str(found).rstrip("/").rpartition("/")[2] for found in self._path.iterdir()}
        except FileNotFoundError:
            return set()

    def delete(self, name: str) -> None:
        """See :meth:`Folder.delete`."""
        (self._path / name).unlink(missing_ok=True)

    def _open_for_writing(self, name: str) -> Any:
        try:
            return (self._path / name).open("wb")
        except FileNotFoundError:  # no object store but a file system, such as sftp://
            self._path.mkdir(parents=True, exist_ok=True)
            return (self._path / name).open("wb")

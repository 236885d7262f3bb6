"""A folder in any store that Airflow's ObjectStoragePath knows."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.storage.conditions import ObjectExistsError
from airflow_provider_wiro.storage.folder import COPIED_BYTES, JSON_LINES, check_then_write, content_type_of
from airflow_provider_wiro.storage.location import parse_location
from airflow_provider_wiro.storage.object_files import open_object
from airflow_provider_wiro.storage.object_stores.opening import store_object
from airflow_provider_wiro.storage.object_stores.store_object import (
    IF_ABSENT,
    Condition,
    Described,
    ObjectReader,
)

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_wiro.storage.object_stores.store_object import StoreObject

#: Of a file that is copied there; two of them are in memory.
_PART_BYTES = 8 * 1024 * 1024


class ObjectStorageFolder:
    """
    A folder in any other store of Airflow, as a :class:`~airflow_provider_wiro.storage.folder.Folder`.

    In Google Cloud Storage and Azure a file is compared and swapped under a condition that the store checks.
    """

    has_conditional_writes = False

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        self._path: Any = open_object(self.uri, "a folder")
        self._location = parse_location(self.uri, "a folder")
        self._path.fs  # noqa: B018  reads the connection, which only this thread may do

    def read(self, name: str, most: int | None = None) -> bytes | None:
        """See :meth:`Folder.read`."""
        if (found := self._object(name)) is not None:
            read = found.read(most)
            return None if read is None else read[0]
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
        if (found := self._object(name)) is not None:
            found.put(body, _described(name))
            return
        with self._open_for_writing(name) as target:
            target.write(body)

    def compare_and_swap(self, name: str, body: bytes, expected: bytes | None) -> bool:
        """See :meth:`Folder.compare_and_swap`."""
        found = self._object(name)
        if found is None:
            return check_then_write(self.read, self.write, name, body, expected)
        current = found.read()
        if (None if current is None else current[0]) != expected:
            return current is not None and current[0] == body
        try:
            found.put(body, _described(name), IF_ABSENT if current is None else Condition(current[1]))
        except ObjectExistsError:
            # Or this call wrote it: a put whose response was lost is repeated, which the first one refuses.
            return self.read(name) == body
        return True

    def upload(self, name: str, file: Path) -> None:
        """See :meth:`Folder.upload`."""
        if (found := self._object(name)) is not None:
            _upload(found, Described(JSON_LINES), file)
            return
        with file.open("rb") as source, self._open_for_writing(name) as target:
            shutil.copyfileobj(source, target, COPIED_BYTES)

    def download(self, name: str, file: Path) -> None:
        """See :meth:`Folder.download`."""
        with self._open_for_reading(name) as source, file.open("wb") as target:
            shutil.copyfileobj(source, target, COPIED_BYTES)

    def names(self, most: int | None = None) -> set[str]:
        """See :meth:`Folder.names`."""
        if (itself := self._object("")) is not None:
            try:
                return itself.names()
            except FileNotFoundError:
                return set()
        # By the file system itself: what `iterdir` of a path yields has lost the connection.
        fs, folder = self._path.fs, str(self._path.path)
        fs.invalidate_cache()  # some list from memory what another process has changed
        try:
            listed = [str(found).rstrip("/") for found in fs.ls(folder, detail=False)]
        except FileNotFoundError:
            return set()
        here = folder.strip("/")  # some stores have an object for the folder itself
        return {found.rpartition("/")[2] for found in listed if found.strip("/") != here}

    def delete(self, name: str) -> None:
        """See :meth:`Folder.delete`."""
        if (found := self._object(name)) is not None:
            found.delete()
        else:
            (self._path / name).unlink(missing_ok=True)

    def _object(self, name: str) -> StoreObject | None:
        """Return a file of a store that offers more than files, None in any other."""
        key = f"{self._location.path}/{name}".strip("/")
        return store_object(self._path, f"{self.uri}/{name}", self._location.bucket, key)

    def _open_for_reading(self, name: str) -> Any:
        found = self._object(name)
        if found is None:
            return (self._path / name).open("rb")
        facts = found.facts()
        if facts is None:
            raise FileNotFoundError(name)
        return ObjectReader(found, facts)

    def _open_for_writing(self, name: str) -> Any:
        try:
            return (self._path / name).open("wb")
        except FileNotFoundError:  # no object store but a file system, such as sftp://
            self._path.mkdir(parents=True, exist_ok=True)
            return (self._path / name).open("wb")


def _described(name: str) -> Described:
    return Described(content_type_of(name))


def _upload(target: StoreObject, described: Described, file: Path) -> None:
    size = file.stat().st_size
    part_bytes = target.part_bytes(size, _PART_BYTES)
    if size <= part_bytes:
        target.put(file.read_bytes(), described)
        return
    parts = target.begin(described)
    try:
        with file.open("rb") as source:
            number = 0
            while part := bytearray(source.read(part_bytes)):
                number += 1
                parts.put(number, part)
        parts.complete(described)
    except BaseException:
        parts.abort()
        raise

"""StoredCopy: a file that an earlier transfer has landed, read again for a copy of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.reused import source_changed, source_elsewhere
from airflow_provider_wiro.storage.location import fixed_folder, parse_location
from airflow_provider_wiro.storage.named_stores import LocalPlace, NamedStores, S3Place
from airflow_provider_wiro.storage.object_files import LocalFile
from airflow_provider_wiro.storage.object_stores.opening import open_file
from airflow_provider_wiro.storage.object_stores.store_object import ObjectReader

if TYPE_CHECKING:
    from airflow_provider_wiro.storage.landed_object import LandedObject
    from airflow_provider_wiro.storage.object_stores.store_object import StoreObject

_BLOCK_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True)
class StoredCopy:
    """
    A file in the store that a transfer writes to, as it was when it landed.

    :ivar file: with ``open``.
    :ivar object: what the store offers beyond a file, None where it doesn't.
    """

    uri: str
    size: int
    sha256: str | None
    file: Any
    object: StoreObject | None = None

    @classmethod
    def of(cls, landed: LandedObject, template: str) -> Self:
        """
        Find the file by the connection of a path's template, and on this machine only below its fixed folder.

        :raises WiroUsageError: it is elsewhere.
        """
        own = parse_location(template, "path")
        folder = fixed_folder(template, template) or template
        stores = NamedStores(folder, own.conn_id)
        try:
            place = stores.place_of(landed.uri)
        except WiroUsageError as error:
            raise source_elsewhere(landed.uri, str(error)) from error
        if isinstance(place, LocalPlace):
            return cls(landed.uri, landed.size, landed.sha256, LocalFile(place.path))
        if isinstance(place, S3Place):
            if own.scheme != "s3":
                raise source_elsewhere(landed.uri, "its path names no connection to S3")
            user = "" if place.conn_id is None else f"{place.conn_id}@"
            uri = f"s3://{user}{place.bucket}/{place.key}"
        else:
            uri = place.uri
        path, known = open_file(uri, "a landed object")
        return cls(landed.uri, landed.size, landed.sha256, path, known)

    def open(self) -> CheckedStream:
        """
        Open it. Reading to the end raises if it isn't what has landed.

        :raises WiroOutputRefusedError: it is gone.
        """
        if self.object is not None:
            facts = self.object.facts()
            if facts is None:
                raise source_changed(self.uri)
            return CheckedStream(self, ObjectReader(self.object, facts))
        try:
            arguments = {} if isinstance(self.file, LocalFile) else {"block_size": _BLOCK_BYTES}
            return CheckedStream(self, self.file.open("rb", **arguments))
        except FileNotFoundError as error:
            raise source_changed(self.uri) from error


class CheckedStream:
    """The bytes of a landed file, compared at their end with what has landed."""

    def __init__(self, copy: StoredCopy, stream: Any) -> None:
        self._copy = copy
        self._stream = stream
        self._digest, self._size = hashlib.sha256(), 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stream.close()

    def read(self, size: int, /) -> bytes:
        """
        Return the next bytes.

        :raises WiroOutputRefusedError: at the end, if they aren't those that have landed.
        """
        piece: bytes = self._stream.read(size)
        self._digest.update(piece)
        self._size += len(piece)
        copy = self._copy
        is_other = copy.sha256 is not None and self._digest.hexdigest() != copy.sha256
        if not piece and (self._size != copy.size or is_other):
            raise source_changed(copy.uri)
        return piece

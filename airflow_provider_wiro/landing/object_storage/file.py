"""One file of a store that Airflow's ObjectStoragePath reaches: written whole, or not at all."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError, WiroUsageError
from airflow_provider_wiro.landing.object_storage.disk_upload import DiskUpload
from airflow_provider_wiro.landing.object_storage.object_upload import ObjectUpload
from airflow_provider_wiro.landing.object_storage.store_errors import plain_opening_errors
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.digests import PIECE_BYTES
from airflow_provider_wiro.storage.location import check_below, local_folder, parse_target
from airflow_provider_wiro.storage.object_files import (
    LocalFile,
    google_endpoint,
    open_object,
)
from airflow_provider_wiro.storage.object_stores.opening import store_object
from airflow_provider_wiro.storage.object_stores.store_object import ObjectReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_wiro.landing.object_metadata import ObjectMetadata
    from airflow_provider_wiro.storage.digests import Stream
    from airflow_provider_wiro.storage.object_stores.store_object import StoreObject

log = plain_logger(__name__)

#: Kept in memory up to three times while writing. s3fs would take 50 MiB; S3 takes parts from 5.
BLOCK_BYTES = 5 * 1024 * 1024
#: The most parts an S3 object has; other stores take more.
_MAX_BLOCKS = 10_000
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Written:
    """What was written: bytes, and their digest."""

    size: int
    sha256: str


class StorageFile:
    """
    One file in a store, there or to be.

    :param uri: an object-storage URI with or without its connection, or an absolute local path.
    :param below: a path or URI of a folder that a local file may not be outside of, symbolic links resolved.
    :param argument: the name of the path's argument, for messages.
    :param is_private: a local file may be read by its owner only.
    :param check: called while a store is waited for; what it raises ends the wait.
    :ivar object: what the store offers beyond a file, None where it doesn't.
    :raises WiroUsageError: it is neither, there is no such store, or the file is not below ``below``.
    """

    def __init__(
        self,
        uri: str,
        *,
        below: str | None = None,
        argument: str = "path",
        is_private: bool = False,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        location = parse_target(uri, argument)
        self.uri = location.uri
        self._argument = argument
        self._is_private = is_private
        self._below: Path | None = None
        self._local: Path | None = None
        self.object: StoreObject | None = None
        if location.is_local:
            self._local = Path(location.path)
            self._path: Any = LocalFile(self._local)
            self._below = None if below is None else local_folder(below)
            self._check_below()
            return
        with plain_opening_errors(self.uri, location.conn_id, argument):
            self._path = open_object(location.uri, argument)
            # Some versions of Airflow notice only here that there is no such store.
            self.object = store_object(self._path, self.uri, location.bucket, location.path, check)

    def _check_below(self) -> None:
        if self._local is not None and self._below is not None:
            check_below(self._local, self._below, self._argument)

    def facts(self) -> Mapping[str, Any] | None:
        """
        Return what the store knows of the file, None if there is none.

        That is ``size``, where :attr:`object` is one also ``etag``, ``content_type`` and ``metadata``, and
        what else the store likes.

        :raises WiroUsageError: there is something else, such as a directory.
        """
        if self.object is not None:
            known = self.object.facts()
            return None if known is None else asdict(known)
        try:
            found: Mapping[str, Any] = dict(self._path.stat())
        except FileNotFoundError:
            return None
        if found.get("type", "file") != "file":
            raise WiroUsageError(f"Expected a file, or nothing, at {self.uri}, found a {found['type']}.")
        return found

    @property
    def s3_client(self) -> Any:
        """The client of S3 that the file was reached by; None in any other store."""
        return None if self._local is not None else getattr(self._path.fs, "s3", None)

    @property
    def google_endpoint(self) -> str | None:
        """Where Google's store is that has the file; None in any other store."""
        return None if self._local is not None else google_endpoint(self._path.fs)

    def open(self) -> Any:
        """Open what is there for reading."""
        if self.object is not None and (known := self.object.facts()) is not None:
            return ObjectReader(self.object, known)
        return self._path.open("rb", block_size=BLOCK_BYTES)

    def kept(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """Return metadata with the names that the store keeps; none where it keeps no metadata."""
        return {} if self.object is None else self.object.kept(metadata)

    def part_bytes(self, size: int | None, wanted: int) -> int:
        """
        Return how large the parts of the file have to be, of which the store takes a limited number.

        :param size: of the file, None if not known.
        """
        return wanted if self.object is None else self.object.part_bytes(size, wanted)

    def upload(self, metadata: ObjectMetadata, *, only_if_absent: bool) -> ObjectUpload | DiskUpload | None:
        """
        Return what takes the file in parts, None where the store only takes it as a stream.

        :param only_if_absent: overwrite nothing.
        """
        if self.object is not None:
            return ObjectUpload(self.object, metadata, only_if_absent=only_if_absent)
        if self._local is not None:
            return DiskUpload(
                self._local,
                metadata,
                self._check_below,
                is_private=self._is_private,
                only_if_absent=only_if_absent,
            )
        return None

    def check_written(self, size: int) -> None:
        """
        Compare the file with the number of bytes that its store was given; remove it if it has another.

        :raises WiroOutputUnavailableError: it has.
        """
        if self.object is not None:
            return  # compared by its checksum
        found = self.facts()
        if found is None or found.get("size") not in {size, None}:
            shown = "nothing" if found is None else f"{found.get('size')} bytes"
            if found is not None:
                self._path.unlink()
            raise WiroOutputUnavailableError(f"{self.uri} took {size} bytes and its store now shows {shown}.")

    def write(
        self, stream: Stream, *, expected_size: int | None, before: Mapping[str, Any] | None
    ) -> Written:
        """
        Store what ``stream`` gives; if it fails, what was not there before is not there afterwards.

        :param expected_size: bytes, if known: very large files need larger blocks.
        :param before: the facts of what is there now.
        """
        file = self._open_for_writing(expected_size)
        try:
            written = _copy(stream, file)
            file.close()
        except BaseException:  # also when the task is stopped
            self._undo(file, before)
            raise
        return written

    def _open_for_writing(self, expected_size: int | None) -> Any:
        least = -(-(expected_size or 0) // _MAX_BLOCKS)
        block_bytes = max(BLOCK_BYTES, -(-least // _MIB) * _MIB)  # Google takes multiples of 256 KiB
        try:
            return self._path.open("wb", block_size=block_bytes)
        except FileNotFoundError:  # no object store but a file system, such as sftp://
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return self._path.open("wb", block_size=block_bytes)

    def _undo(self, file: Any, before: Mapping[str, Any] | None) -> None:
        """
        Undo a write. A failure is only logged: the error that led here matters more.

        fsspec's files must not be closed, not even when they are garbage collected: that would make an object
        of what was written so far.
        """
        raw = getattr(file, "_obj", file)  # out of Airflow's wrapper, which has its own attributes
        try:
            if hasattr(raw, "discard"):
                with suppress(AttributeError):  # a BytesIO's can't be set, and there it doesn't matter
                    raw.closed = True
                raw.discard()
            else:
                raw.close()
            after = self.facts()
            # If the store made no object, the one that was there before is still there.
            if after is not None and after != before:
                self._path.unlink()
        except Exception:
            log.warning("Could not remove what was written of %s.", self.uri, exc_info=True)


def _copy(stream: Stream, file: Any) -> Written:
    digest, size = hashlib.sha256(), 0
    while piece := stream.read(PIECE_BYTES):
        digest.update(piece)
        file.write(piece)
        size += len(piece)
    return Written(size, digest.hexdigest())

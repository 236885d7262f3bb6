"""One file of a store that Airflow's ObjectStoragePath reaches: written whole, or not at all."""

from __future__ import annotations

import hashlib
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError, WiroUsageError
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.digests import PIECE_BYTES
from airflow_provider_wiro.storage.location import check_below, local_folder, parse_target
from airflow_provider_wiro.storage.object_files import LocalFile, open_object, provider_hint
from airflow_provider_wiro.storage.private_files import open_private, replacing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.storage.digests import Stream

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
    :raises WiroUsageError: it is neither, there is no such store, or the file is not below ``below``.
    """

    def __init__(
        self, uri: str, *, below: str | None = None, argument: str = "path", is_private: bool = False
    ) -> None:
        location = parse_target(uri, argument)
        self.uri = location.uri
        self._argument = argument
        self._is_private = is_private
        self._below: Path | None = None
        self._local: Path | None = None
        if location.is_local:
            self._local = Path(location.path)
            self._path: Any = LocalFile(self._local)
            self._below = None if below is None else local_folder(below)
            self._check_below()
            return
        try:
            self._path = open_object(location.uri, argument)
            _ = self._path.fs  # some versions of Airflow notice only here that there is no such store
        except (ImportError, ValueError) as error:
            raise WiroUsageError(
                f"Can't open {self.uri}: {error}. Expected an object-storage URI, such as "
                f"gs://google_cloud_default@bucket/key. {provider_hint(self.uri)}"
            ) from error

    def _check_below(self) -> None:
        if self._local is not None and self._below is not None:
            check_below(self._local, self._below, self._argument)

    def facts(self) -> Mapping[str, Any] | None:
        """
        Return what the store knows of the file (``size``, and what else it likes), None if there is none.

        :raises WiroUsageError: there is something else, such as a directory.
        """
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

    def open(self) -> Any:
        """Open what is there for reading."""
        return self._path.open("rb", block_size=BLOCK_BYTES)

    def write(
        self, stream: Stream, *, expected_size: int | None, before: Mapping[str, Any] | None
    ) -> Written:
        """
        Store what ``stream`` gives; if it fails, what was not there before is not there afterwards.

        :param expected_size: bytes, if known: very large files need larger blocks.
        :param before: the facts of what is there now.
        :raises WiroOutputUnavailableError: the store has another number of bytes than it was given.
        """
        if self._local is not None:
            written = self._write_beside(self._local, stream)
        else:
            written = self._write_object(stream, expected_size, before)
        found = self.facts()
        if found is None or found.get("size") not in {written.size, None}:
            shown = "nothing" if found is None else f"{found.get('size')} bytes"
            if found is not None:
                self._path.unlink()
            raise WiroOutputUnavailableError(
                f"{self.uri} took {written.size} bytes and its store now shows {shown}."
            )
        return written

    def _write_beside(self, path: Path, stream: Stream) -> Written:
        """Write beside it and rename: it is there as a whole or not at all, whenever the machine stops."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._check_below()
        scratch = path.with_name(f".wiro-{uuid.uuid4().hex}.part")
        open_file = open_private if self._is_private else Path.open
        with replacing(path, open_file=open_file, scratch=scratch) as file:
            return _copy(stream, file)

    def _write_object(
        self, stream: Stream, expected_size: int | None, before: Mapping[str, Any] | None
    ) -> Written:
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

"""A file to be sent to Wiro, local or in an object store: inspected first, then read if unchanged."""

from __future__ import annotations

import errno
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from airflow_provider_wiro.exceptions import WiroConnectionError, WiroError, WiroUsageError
from airflow_provider_wiro.storage.location import parse_location
from airflow_provider_wiro.storage.object_files import check_opened, connection_of, open_object, provider_hint
from airflow_provider_wiro.storage.object_stores.wrong_connections import wrong_connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Bytes read from an object store at once. s3fs would read 50 MiB, and hold them more than once.
BLOCK_BYTES = 4 * 1024 * 1024

#: How many characters of a path or URI a message quotes.
_QUOTED = 200

#: Schemes of URIs that an ``aws`` connection reads.
_S3 = frozenset({"s3", "s3a"})

#: Errors of a store that no retry helps.
_PERMANENT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_PERMANENT_ERRNOS = frozenset({errno.ENAMETOOLONG, errno.ELOOP})
#: The statuses with which Azure refuses a connection. Of Google gcsfs says "Forbidden".
_DENIED = frozenset({401, 403})


@dataclass(frozen=True)
class StoredFile:
    """
    A file as it was when it was inspected.

    :ivar source: its path, or its object-storage URI, with the connection's id if it was given with one.
    :ivar size: bytes.
    :ivar etag: the store's ETag, None where it has none.
    :ivar open_raw: opens the file for reading; takes the block size in bytes.
    :ivar content_type: the store's media type, None where it has none.
    :ivar purpose: what the file is for; messages quote it.
    """

    source: str
    name: str
    size: int
    is_local: bool
    etag: str | None
    open_raw: Callable[[int], Any]
    content_type: str | None = None
    purpose: str = ""

    def head(self, size: int) -> bytes:
        """
        Return the file's first bytes, at most ``size``.

        :raises WiroError: they can't be read.
        """
        try:
            with self.open_raw(size) as file:
                found: bytes = file.read(size)
        except Exception as error:  # each store has its own
            raise self.failure(error) from error
        return found

    def open(self) -> BinaryIO:
        """
        Open the file at its beginning.

        Reading raises a WiroError if the file can't be read, or has changed since it was inspected: the HTTP
        libraries would take an OSError for a lost connection.
        """
        return cast("BinaryIO", _Reading(self))

    def failure(self, error: Exception) -> WiroError:
        """Return the error for a file that can't be opened or read."""
        return _failure(self.label, error, is_local=self.is_local)

    @property
    def label(self) -> str:
        """The file's name in a message."""
        place = _quoted(self.source)
        return f"{place} ({self.purpose[:1].lower()}{self.purpose[1:]})" if self.purpose else place


def local_file(path: Path) -> StoredFile:
    """
    Inspect a file on this machine.

    :raises WiroUsageError: there is none, or it can't be inspected.
    """
    if not path.is_absolute():
        raise WiroUsageError(
            f"Expected a file by its absolute path, or as an object-storage URI or an http(s) URL, found "
            f"{str(path)[:200]!r}. A relative path is another file for each worker."
        )
    try:
        if not path.is_file():
            raise _missing(path, "a folder" if path.is_dir() else "none")
        size = path.stat().st_size
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _failure(_quoted(path), error, is_local=True) from error
    return StoredFile(
        str(path), path.name, size, is_local=True, etag=None, open_raw=lambda _: path.open("rb")
    )


def object_file(source: Any, aws_conn_id: str | None = None) -> StoredFile:
    """
    Inspect a file in an object store, with one request.

    :param source: a URI, an ObjectStoragePath, or a path of fsspec's.
    :param aws_conn_id: the connection for an ``s3://`` URI that names none.
    :raises WiroUsageError: there is none, it may not be read, or no such store is known.
    :raises WiroConnectionError: the store can't be asked; a retry may help.
    """
    try:
        path = _object_storage_path(source.strip(), aws_conn_id) if isinstance(source, str) else source
        if type(path).__name__ == "ObjectStoragePath":  # which can be a chain without showing it
            check_opened(path, parse_location(with_connection(path), "a file"), "a file")
        found = path.stat()
        facts = found if isinstance(found, dict) else getattr(found, "as_info", dict)()
        size = int(found.st_size)
    except FileNotFoundError as error:
        raise _missing(source) from error
    except (ImportError, ValueError) as error:
        raise WiroUsageError(
            f"Can't open {_quoted(source)}: {str(error)[:100]}. Expected an object-storage URI, such as "
            f"s3://aws_default@bucket/key. {provider_hint(str(source))}"
        ) from error
    except WiroError:
        raise
    except Exception as error:  # each store has its own
        raise _failure(_quoted(source), error, is_local=False) from error
    if facts.get("type", "file") != "file":
        raise _missing(source, "a folder")
    etag = facts.get("ETag") or facts.get("etag")

    def open_raw(block_bytes: int) -> Any:
        # Paths like pathlib's call `buffering` what fsspec calls `block_size`.
        return path.open("rb", **({"block_size": block_bytes} if hasattr(path, "fs") else {}))

    return StoredFile(
        with_connection(source),
        path.name,
        size,
        is_local=False,
        etag=str(etag).strip('"') if etag else None,
        open_raw=open_raw,
        content_type=str(facts.get("ContentType") or facts.get("contentType") or "") or None,
    )


def with_connection(source: Any) -> str:
    """Return a URI with the id of its connection; ObjectStoragePath shows it on some versions of Airflow."""
    uri, conn_id = str(source), connection_of(source)
    if not conn_id or f"://{conn_id}@" in uri:
        return uri
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{conn_id}@{rest}"


def _object_storage_path(uri: str, aws_conn_id: str | None) -> Any:
    is_s3 = uri.partition("://")[0].lower() in _S3
    conn_id = aws_conn_id if is_s3 else None
    try:
        path = open_object(uri, "a file", conn_id)
        _ = path.fs  # some stores read their connection only here
    except WiroError:
        raise
    except Exception as error:
        wrong = wrong_connection(error, uri, parse_location(uri, "a file").conn_id or conn_id)
        if wrong is None:
            raise
        raise wrong from error
    return path


def _quoted(source: Any) -> str:
    """Return a path or URI for a message, truncated to 200 characters."""
    text = str(source)
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…"


def _missing(source: Any, found: str = "none") -> WiroUsageError:
    return WiroUsageError(f"Expected a file at {_quoted(source)}, found {found}.")


def _failure(source: str, error: Exception, *, is_local: bool) -> WiroError:
    # Azure's client has the name of what is wrong beside its text; gcsfs has only a text.
    code = getattr(error, "error_code", None)
    words = getattr(error, "strerror", None) or getattr(code, "value", code) or str(error)
    reason = " ".join(str(words).split())[:_QUOTED].rstrip(".") or type(error).__name__
    is_denied = getattr(error, "status_code", None) in _DENIED or reason.startswith("Forbidden")
    is_permanent = isinstance(error, _PERMANENT) or getattr(error, "errno", None) in _PERMANENT_ERRNOS
    if is_local or is_denied or is_permanent:
        return WiroUsageError(f"Can't read {source}: {reason}.")
    return WiroConnectionError(f"Can't read {source}: {reason}. Nothing was sent to Wiro.")


def _changed(stored: StoredFile, how: str) -> WiroConnectionError:
    return WiroConnectionError(
        f"{stored.label} had {stored.size} bytes and {how} now: it is being changed. Wiro did not get it."
    )


class _Reading(io.RawIOBase):
    """
    The bytes of a file, exactly as many as it had when it was inspected.

    Both HTTP libraries can read its length, but not that of fsspec's files and Airflow's wrapper:
    the body would go out in chunks, or not at all.
    """

    def __init__(self, stored: StoredFile) -> None:
        self._stored = stored
        self._position = 0
        try:
            self._file = stored.open_raw(BLOCK_BYTES)
            end = self._file.seek(0, io.SEEK_END)
            self._file.seek(0)
        except Exception as error:
            raise stored.failure(error) from error
        if end is not None and end != stored.size:
            self.close()
            raise _changed(stored, f"has {end}")

    def __len__(self) -> int:
        return self._stored.size

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes, none only at the end; raises a WiroError, never an OSError."""
        left = self._stored.size - self._position
        wanted = left if size is None or size < 0 else min(size, left)
        if not wanted:
            return b""
        try:
            piece: bytes = self._file.read(wanted)
        except Exception as error:
            raise self._stored.failure(error) from error
        if not piece:
            raise _changed(self._stored, f"ends after {self._position}")
        self._position += len(piece)
        return piece

    def readinto(self, buffer: Any) -> int:
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if not self.closed and hasattr(self, "_file"):
            self._file.close()
        super().close()

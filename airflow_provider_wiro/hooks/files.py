"""What a user names as a file (a path, an object-storage URI, a URL), turned into what is sent to Wiro."""

from __future__ import annotations

import hashlib
import mimetypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from airflow_provider_wiro.api.filenames import clean_name
from airflow_provider_wiro.api.parameters import (
    MAX_FILE_BYTES,
    FileContent,
    FileUrl,
    FileValue,
    check_web_url,
)
from airflow_provider_wiro.exceptions import WiroUsageError

#: A local path, an object-storage URI or path, or an http(s) URL.
FileSource = str | os.PathLike[str]


def resolve_files(files: Mapping[str, Any] | None) -> dict[str, list[FileValue]]:
    """
    Return file parameter → its files, checked but not yet read.

    :param files: file parameter → a source or a list of sources.
    :raises WiroUsageError: a file is missing, empty or too large, or a value is no source.
    """
    if files is not None and not isinstance(files, Mapping):
        raise WiroUsageError(
            f"Expected `files` as a dict of file parameter to file, found {type(files).__name__}."
        )
    resolved = {}
    for name, given in (files or {}).items():
        sources = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
        sources = [source for source in sources if source is not None]
        if sources:
            resolved[name] = [resolve_file(source) for source in sources]
    return resolved


def resolve_file(source: Any) -> FileValue:
    """
    Return one file.

    :raises WiroUsageError: see :func:`resolve_files`.
    """
    if isinstance(source, str) and source.strip().lower().startswith(("http://", "https://")):
        return FileUrl(check_web_url(source, "a file"))
    return resolve_content(source)


def resolve_content(source: Any) -> FileContent:
    """
    Return one file whose bytes we send.

    :raises WiroUsageError: it is missing, empty or too large, or no path.
    """
    if isinstance(source, str) and not source.strip():
        raise WiroUsageError(
            "Expected a path, an object-storage URI or an http(s) URL as a file, found empty text."
        )
    if isinstance(source, str) and "://" in source:
        path = _object_storage_path(source)
    elif isinstance(source, str):
        path = Path(source)
    elif isinstance(source, os.PathLike) or hasattr(source, "open"):
        path = source
    else:
        raise WiroUsageError(
            "Expected a path, an object-storage URI or an http(s) URL as a file, found "
            f"{type(source).__name__}."
        )
    try:
        if not path.is_file():
            raise WiroUsageError(f"Expected a file at {source}, found none.")
        size = int(path.stat().st_size)
    except ImportError as error:
        raise WiroUsageError(
            f"Reading {source} needs a package that is not installed: {error}. For s3:// install "
            "apache-airflow-providers-amazon[s3fs]."
        ) from error
    except OSError as error:
        raise _unreadable(source, error) from error
    if not 0 < size <= MAX_FILE_BYTES:
        raise WiroUsageError(f"Wiro takes files of 1 to {MAX_FILE_BYTES} bytes, {source} has {size}.")

    def open_anew() -> BinaryIO:
        try:
            return cast("BinaryIO", path.open("rb"))
        except OSError as error:  # gone, or made unreadable, since it was checked
            raise _unreadable(source, error) from error

    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    name = clean_name(path.name, fallback="file")
    return FileContent(name, content_type, size, open_anew, identity=_identity(path, size))


def _identity(path: Any, size: int) -> str:
    """
    Tell a local file by its content; one in object storage, which would have to be fetched, by place and
    size.
    """
    if not isinstance(path, Path):
        return f"{path} ({size} bytes)"
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(source: object, error: OSError) -> WiroUsageError:
    return WiroUsageError(f"Can't read {source}: {error.strerror or type(error).__name__}.")


def _object_storage_path(uri: str) -> Any:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    try:
        return ObjectStoragePath(uri)
    except (ValueError, ImportError) as error:
        raise WiroUsageError(
            f"Can't open {uri}: {error}. Expected an object-storage URI such as s3://aws_default@bucket/key; "
            "its provider has to be installed (for s3://: apache-airflow-providers-amazon[s3fs])."
        ) from error

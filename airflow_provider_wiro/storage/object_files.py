"""Files in object stores as Airflow's ObjectStoragePath, opened only where it names what was asked for."""

from __future__ import annotations

import logging
import os
import posixpath
import stat
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroMissingConnectionError, WiroUsageError
from airflow_provider_wiro.storage.location import parse_location, refuse_marks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airflow_provider_wiro.storage.location import Location

#: What has to be installed for the stores of these schemes.
_PROVIDERS = {
    ("s3", "s3a", "s3n"): "apache-airflow-providers-amazon[s3fs]",
    ("gs", "gcs"): "apache-airflow-providers-google and gcsfs",
    ("abfs", "abfss", "adl"): "apache-airflow-providers-microsoft-azure",
}
#: Other names of Azure's store, which Airflow's provider of it doesn't know.
_ONLY_ELSEWHERE = frozenset({"az", "wasb", "wasbs"})
#: The connection that Airflow's S3 needs no entry for.
_DEFAULT_AWS = "aws_default"

#: Azure's client logs each request and response in some 20 lines.
_AZURE_LOGGER = "azure.core.pipeline.policies.http_logging_policy"
_AZURE_SCHEMES = frozenset({"abfs", "abfss", "adl", "az", "wasb", "wasbs"})

#: Stores whose paths begin with the bucket. Others (file servers) know their host from the connection.
_BUCKET_SCHEMES = frozenset(
    {"s3", "s3a", "s3n", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "r2", "wasb", "wasbs"}
)


def open_object(uri: str, what: str, conn_id: str | None = None) -> Any:
    """
    Return the ObjectStoragePath of a URI; a connection is read from Airflow here.

    :param what: the argument that has the URI, for messages.
    :param conn_id: the connection to use if the URI names none.
    :raises WiroUsageError: Airflow or fsspec would make another place of it, or it is no URI.
    :raises WiroMissingConnectionError: Airflow hasn't the connection, or its secrets backend is out.
    :raises ImportError: the store's provider is not installed.
    :raises ValueError: there is no such store.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    asked = parse_location(uri, what)
    if asked.conn_id is None and conn_id is not None:
        asked = replace(asked, conn_id=conn_id)
    refuse_marks(asked, f"{asked.bucket}/{asked.path}", what)
    if asked.conn_id is not None:
        check_known(asked.conn_id, asked.uri)
    path = ObjectStoragePath(asked.uri)
    check_opened(path, asked, what)
    if asked.scheme in _AZURE_SCHEMES:
        _quiet_azure()
    return path


def google_endpoint(fs: Any) -> str | None:
    """
    Return where Google's store is that a file system talks to; None if it talks to another kind of store.

    It isn't Google itself, if it is an emulator.
    """
    packages = {kind.__module__.partition(".")[0] for kind in type(fs).__mro__}
    return str(fs.base) if "gcsfs" in packages else None


def _quiet_azure() -> None:
    """Let Azure's client log its requests only if somebody has asked for it, as Airflow's own hook does."""
    logger = logging.getLogger(_AZURE_LOGGER)  # noqa: TID251  Azure's own
    if logger.level == logging.NOTSET:
        logger.setLevel(os.environ.get("AZURE_HTTP_LOGGING_LEVEL") or logging.WARNING)


def check_known(conn_id: str, uri: str) -> None:
    """
    Make sure that Airflow has the connection of a URI.

    Airflow's S3 takes what boto3 finds, or nothing, in place of a connection that isn't there. For its
    default that is relied on; any other name was meant to be one.

    :raises WiroMissingConnectionError: it hasn't, or its secrets backend is out.
    """
    if conn_id == _DEFAULT_AWS:
        return
    from airflow.providers.common.compat.sdk import AirflowException

    try:
        _read_connection(conn_id)
    except AirflowException as error:
        if type(error).__name__ != "AirflowNotFoundException":
            raise
        raise WiroMissingConnectionError(
            f"Can't open {uri[:200]}: Airflow has no connection {conn_id[:100]!r}. Create it, or correct the "
            "id before the @."
        ) from None


@cache
def _read_connection(conn_id: str) -> None:
    """Ask Airflow once in each process: there may be thousands of files."""
    from airflow.providers.common.compat.sdk import BaseHook

    BaseHook.get_connection(conn_id)


def provider_hint(uri: str) -> str:
    """Say what has to be installed for a URI's store, or how Airflow calls it."""
    scheme = uri.partition("://")[0].lower()
    if scheme in _ONLY_ELSEWHERE:
        return "Airflow's name of Azure's store is abfs://."
    name = next((name for schemes, name in _PROVIDERS.items() if scheme in schemes), None)
    return "Its provider has to be installed." if name is None else f"Install {name}."


def check_opened(path: Any, asked: Location, what: str) -> None:
    """
    Compare what became of a URI with what was asked.

    :param path: an ObjectStoragePath.
    :raises WiroUsageError: it is another place.
    """
    scheme = "file" if path.protocol in {"", "file", "local"} else path.protocol
    made = str(path.path)
    if asked.is_local:
        is_same = posixpath.normpath(made) == posixpath.normpath(asked.path)
    else:
        whole = f"{asked.bucket}/{asked.path}"
        if asked.scheme in _BUCKET_SCHEMES:
            is_same = made.strip("/") == whole.strip("/")
        else:  # what reads `//` as `/` may drop one
            accepted = {_segments(place) for place in (whole, asked.path, asked.uri)}
            is_same = _segments(made) in accepted
        if is_same and (file_system := _file_system(path)) is not None:
            # What it makes of its own path, as it does at each call.
            is_same = str(file_system._strip_protocol(made)).strip("/") == made.strip("/")
    if (scheme, connection_of(path)) != (asked.scheme, asked.conn_id) or not is_same:
        raise WiroUsageError(
            f"Expected {what} to name one place, found {asked.uri[:200]!r}: its store would open "
            f"{made[:200]!r} instead. Write it without special characters."
        )


def _segments(path: str) -> tuple[str, ...]:
    return tuple(segment for segment in path.split("/") if segment)


def connection_of(path: Any) -> str | None:
    """Return the id of a path's connection; before Airflow 3 an ObjectStoragePath has it as an option."""
    found: str | None = getattr(path, "conn_id", None)
    return found or (getattr(path, "storage_options", None) or {}).get("conn_id")


def _file_system(path: Any) -> Any:
    """Return the store behind a path, None where Airflow knows no such store: using the path says so."""
    try:
        return path.fs
    except ValueError:
        return None


class LocalFile:
    """A file on this machine, with what an ObjectStoragePath offers of one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def stat(self) -> Mapping[str, Any]:
        """Return size (bytes), type (``file``, ``directory`` or ``other``), and its identity."""
        found = os.stat(self._path)  # noqa: PTH116
        is_file, is_folder = stat.S_ISREG(found.st_mode), stat.S_ISDIR(found.st_mode)
        kind = "file" if is_file else "directory" if is_folder else "other"
        return {"size": found.st_size, "type": kind, "mtime": found.st_mtime, "ino": found.st_ino}

    def open(self, mode: str, block_size: int | None = None) -> Any:
        """Open it; ``block_size`` is for stores only."""
        return self._path.open(mode)

    def unlink(self) -> None:
        """Remove it."""
        self._path.unlink()

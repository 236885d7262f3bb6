"""
Which connection reads what a task instance has landed.

Users who are no authors of DAGs can write XComs, so none of their texts names a connection. What says it are
the task's own arguments: as its worker rendered them, which only workers store, or as the DAG file has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow_provider_wiro.gallery.cards.cut_fields import is_cut
from airflow_provider_wiro.gallery.left.rows import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.gallery.left.rows import Instance

_MASK = "***"
_S3 = frozenset({"s3", "s3a", "s3n"})
#: Schemes of one store.
_ALIASES = {"gcs": "gs", "abfss": "abfs", "az": "abfs"}


@dataclass(frozen=True)
class Reader:
    """
    How an object is read.

    :ivar conn_id: None: by boto3's own way to credentials.
    """

    conn_id: str | None


def reader_of(instance: Instance, rendered: Mapping[str, Any] | None, uri: str) -> Reader | None:
    """
    Return how an object is read that a task instance has landed; None if its arguments don't say it.

    :param rendered: the task instance's rendered fields.
    """
    path = argument(instance, rendered, "path")
    if isinstance(path, str):
        return _by_path(path, uri)
    scheme = uri.partition("://")[0].lower()
    if scheme not in _S3 or instance.kind is Kind.SENSOR:
        return None
    found = argument(instance, rendered, "aws_conn_id", missing=_MASK)
    return Reader(found) if found is None or (isinstance(found, str) and found != _MASK) else None


def manifest_reader_of(instance: Instance, rendered: Mapping[str, Any] | None, uri: str) -> Reader | None:
    """
    Return how the manifest of a batch or an export is read: if the arguments name it, as they name it.

    Whether it may be read at all is another question, see ``pages/manifest_place.py``.
    """
    named = argument(instance, rendered, "manifest_uri")
    if isinstance(named, str) and "://" in named.removeprefix("file://"):
        return _by_path(named, uri)
    return reader_of(instance, rendered, uri) if uri.startswith("s3://") else Reader(None)


def argument(
    instance: Instance, rendered: Mapping[str, Any] | None, name: str, missing: object = None
) -> object:
    """
    Return an argument of a task instance; ``missing`` if it isn't known.

    The DAG file's is only asked where Airflow no longer has what the worker rendered.
    """
    known = instance.task.arguments if rendered is None else rendered
    value = known.get(name, missing)
    return missing if is_cut(value) or value == _MASK else value


def without_connection(uri: str) -> str:
    """Return a URI without the connection in it."""
    scheme, separator, rest = uri.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


def _by_path(path: str, uri: str) -> Reader | None:
    """Return the connection of the place that the arguments name, if the object is in the same store."""
    named, found = _store(path), _store(without_connection(uri))
    if named is None or found is None or named[0] != found[0] or named[2] != found[2]:
        return None
    return Reader(named[1])


def _store(uri: str) -> tuple[str, str | None, str] | None:
    """Return scheme, connection and bucket of a URI; None if it is none."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return None
    conn_id, _, bucket = rest.partition("/")[0].rpartition("@")
    scheme = scheme.lower()
    return _ALIASES.get(scheme, scheme), unquote(conn_id) if conn_id else None, bucket

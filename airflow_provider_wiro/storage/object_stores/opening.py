"""Opens what a store offers beyond a file, where the store is one that offers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.storage.location import parse_location
from airflow_provider_wiro.storage.object_files import open_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.storage.object_stores.store_object import StoreObject


def open_file(uri: str, what: str) -> tuple[Any, StoreObject | None]:
    """
    Return the ObjectStoragePath of a file's URI, and what its store offers beyond a file, None if nothing.

    :param what: the argument that has the URI, for messages.
    :raises Exception: see :func:`~airflow_provider_wiro.storage.object_files.open_object`.
    """
    path, location = open_object(uri, what), parse_location(uri, what)
    return path, store_object(path, location.uri, location.bucket, location.path)


def store_object(
    path: Any, uri: str, bucket: str, key: str, check: Callable[[], None] = lambda: None
) -> StoreObject | None:
    """
    Return the object of a path in Google Cloud Storage or Azure, None for a file of any other store.

    :param path: an ObjectStoragePath.
    :param uri: the same, for messages.
    :param check: called while waiting; what it raises ends the wait.
    """
    packages = {kind.__module__.partition(".")[0] for kind in type(path.fs).__mro__}
    if "gcsfs" in packages:
        from airflow_provider_wiro.storage.object_stores.google import GoogleObject

        return GoogleObject(path.fs, uri, bucket, key, check)
    if "adlfs" in packages:
        from airflow_provider_wiro.storage.object_stores.azure import AzureBlob

        return AzureBlob(path.fs, uri, bucket, key, check)
    return None

"""Opens what a store offers beyond a file, where the store is one that offers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.storage.object_stores.store_object import StoreObject


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

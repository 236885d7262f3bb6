"""Opens the folder that a path or URI names: on this machine, in S3, or where ObjectStoragePath leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroMissingConnectionError, WiroRecordError, WiroUsageError
from airflow_provider_wiro.storage.local_folder import LocalFolder
from airflow_provider_wiro.storage.location import parse_location
from airflow_provider_wiro.storage.object_keys import refuse_parent_folders
from airflow_provider_wiro.storage.object_storage_folder import ObjectStorageFolder
from airflow_provider_wiro.storage.s3.folder import S3Folder

if TYPE_CHECKING:
    from airflow_provider_wiro.storage.folder import Folder
    from airflow_provider_wiro.storage.s3.put_object import OwnObjects


def split_uri(uri: str) -> tuple[str, str]:
    """Return folder and name of a file's URI or path."""
    folder, _, name = uri.rpartition("/")
    if not name or folder.endswith(":/"):
        raise WiroUsageError(f"Expected the path or URI of a file, found {uri!r}.")
    return folder or "/", name


def open_folder(uri: str, own: OwnObjects | None = None, *, max_connections: int = 1) -> Folder:
    """
    Return a folder; an object store's connection is read from Airflow here.

    S3 is accessed with boto3, which the package needs anyway; ObjectStoragePath would need s3fs.

    :param uri: a local path, ``file://``, ``s3://conn_id@bucket/key``, or what ObjectStoragePath takes.
    :param own: how the provider's own objects are put into S3; default: as boto3 does.
    :param max_connections: how many threads use it at once.
    :raises WiroUsageError: it is relative, or would be read as another place than the one it shows.
    :raises WiroRecordError: the store can't be opened.
    """
    location = parse_location(uri, "a folder")
    if location.is_local:
        return LocalFolder(location.path)
    refuse_parent_folders(location.path, argument="a folder")
    if location.scheme == "s3" and location.path.startswith("/"):
        raise WiroUsageError(f"Expected a key without a slash at its beginning, found {uri[:200]!r}.")
    if location.scheme != "s3" and "//" in f"{location.path}/":
        raise WiroUsageError(
            f"Expected a folder without '//', found {uri[:200]!r}: some stores take it for '/', others "
            "don't. Is a templated piece empty?"
        )
    try:
        if location.scheme == "s3":
            return S3Folder(location.uri, own, max_connections=max_connections)
        return ObjectStorageFolder(location.uri)
    except WiroUsageError:
        raise
    except WiroMissingConnectionError as error:  # also while Airflow's secrets backend is out
        raise WiroRecordError(str(error)) from error
    except ImportError as error:
        raise WiroUsageError(f"Can't open {uri}: {error}. Its provider has to be installed.") from error
    except Exception as error:
        raise WiroRecordError(f"Can't open {uri}: {type(error).__name__}: {error}") from error

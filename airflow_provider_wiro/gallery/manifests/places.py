"""Which manifests may be read: those in S3, and those below the folder of the provider's own state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.gallery.manifests.page import UnreadableManifestError
from airflow_provider_wiro.gallery.ranged.local_object import LocalObject
from airflow_provider_wiro.gallery.ranged.s3_object import S3Object
from airflow_provider_wiro.gallery.ranged.store_object import GoogleOrAzureObject
from airflow_provider_wiro.state_files.folder import find_state_folder
from airflow_provider_wiro.storage.location import Location, local_folder, parse_location
from airflow_provider_wiro.storage.object_keys import refuse_parent_folders
from airflow_provider_wiro.storage.s3.location import split_url

if TYPE_CHECKING:
    from airflow_provider_wiro.gallery.ranged.ranged_object import RangedObject

_S3 = "s3://"
_LONGEST = 1000


def manifest_object(uri: str, aws_conn_id: str | None) -> RangedObject:
    """
    Return what reads a manifest.

    :param uri: where it is. It chooses no connection.
    :param aws_conn_id: reads ``s3://``; None: the credentials that boto3 finds.
    :raises UnreadableManifestError: it is elsewhere.
    """
    try:
        if not isinstance(uri, str) or len(uri) > 2 * _LONGEST:
            raise UnreadableManifestError("Its result names no place of a manifest.")
        state = _state_folder()
        if uri.startswith(_S3):
            return _in_s3(uri, aws_conn_id, state)
        return _below(state, uri)
    except WiroUsageError as error:
        raise UnreadableManifestError(f"Its manifest can't be read: {error}"[:_LONGEST]) from None


def without_connection(uri: str) -> str:
    """Return a URI as a page may show it."""
    scheme, separator, rest = uri.partition("://")
    first, slash, path = rest.partition("/")
    return f"{scheme}{separator}{first.rpartition('@')[2]}{slash}{path}"[:_LONGEST] if separator else uri


def _in_s3(uri: str, aws_conn_id: str | None, state: Location | None) -> RangedObject:
    first, slash, key = uri.removeprefix(_S3).partition("/")
    conn_id, at, bucket = first.rpartition("@")
    bucket, key = split_url(f"{_S3}{bucket}{slash}{key}", "a manifest")
    refuse_parent_folders(key, argument="a manifest")
    if not key or key.endswith("/"):
        raise UnreadableManifestError(f"{without_connection(uri)} is no manifest: it names a folder.")
    if state is not None and (state.scheme, state.bucket) == ("s3", bucket):
        is_below = key.startswith(f"{state.path.strip('/')}/".removeprefix("/"))
        if is_below and state.conn_id == (conn_id if at else None):
            return S3Object(None if state.conn_id is None else unquote(state.conn_id), bucket, key)
    return S3Object(aws_conn_id, bucket, key)


def _below(state: Location | None, uri: str) -> RangedObject:
    found = parse_location(uri, "a manifest")
    refuse_parent_folders(found.path, argument="a manifest")
    shown = without_connection(uri)
    folder = "" if state is None else state.path.strip("/")
    if (
        state is None
        or (found.scheme, found.conn_id, found.bucket) != (state.scheme, state.conn_id, state.bucket)
        or not found.path.strip("/").startswith(f"{folder}/".removeprefix("/"))
    ):
        raise UnreadableManifestError(
            f"Its manifest is {shown}. The gallery reads manifests in S3, and those below [wiro] state_path."
        )
    if found.is_local:
        return LocalObject(Path(found.path), local_folder(state.path))
    return GoogleOrAzureObject(found)


def _state_folder() -> Location | None:
    state = find_state_folder()
    return None if state is None else parse_location(state.uri, "[wiro] state_path")

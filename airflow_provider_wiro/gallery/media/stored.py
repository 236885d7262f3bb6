"""The object of an output: in S3, Google Cloud Storage or Azure. Nothing else is served."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.gallery.ranged.ranged_object import MissingObjectError
from airflow_provider_wiro.gallery.ranged.s3_object import S3Object
from airflow_provider_wiro.gallery.ranged.store_object import GoogleOrAzureObject
from airflow_provider_wiro.storage.location import parse_target
from airflow_provider_wiro.storage.object_keys import refuse_parent_folders
from airflow_provider_wiro.storage.s3.location import split_url

if TYPE_CHECKING:
    from airflow_provider_wiro.gallery.landed_output import LandedOutput

_S3 = "s3://"
_WITH_METADATA = frozenset({"gs", "gcs", "abfs", "abfss", "az", "adl"})
_LONGEST_URI = 3000


def why_not_served(uri: str) -> str:
    """Return why an output's bytes can't be had from here, a sentence for the page; empty if they can."""
    scheme = uri.partition("://")[0].lower() if "://" in uri else "file"
    if uri.startswith(_S3) or scheme in _WITH_METADATA:
        return ""
    if scheme in {"file", "local"}:
        return "It is on the disk of the machine that landed it, which the gallery doesn't show."
    return "Its store keeps no metadata, by which the gallery could recognise it."


def stored_output(output: LandedOutput) -> S3Object | GoogleOrAzureObject:
    """
    Return the object of an output, read by the connection that the task names, whatever its URI says.

    :raises MissingObjectError: its bytes can't be had from here.
    """
    uri = output.uri
    if (reason := why_not_served(uri)) or len(uri) > _LONGEST_URI:
        raise MissingObjectError(reason or "Its URI is too long.")
    try:
        if uri.startswith(_S3):
            first, slash, key = uri.removeprefix(_S3).partition("/")
            bucket, key = split_url(f"{_S3}{first.rpartition('@')[2]}{slash}{key}", "the URI of an output")
            refuse_parent_folders(key, argument="the URI of an output")
            if not key:
                raise MissingObjectError("Its URI names no object.")
            return S3Object(output.aws_conn_id, bucket, key)
        location = parse_target(uri, "the URI of an output")
    except WiroUsageError as error:
        raise MissingObjectError(str(error)) from None
    return GoogleOrAzureObject(replace(location, conn_id=output.aws_conn_id))

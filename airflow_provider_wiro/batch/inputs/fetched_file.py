"""Fetches a file of inputs, so that a later change of it doesn't affect what was checked."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroConnectionError, WiroError, WiroUsageError
from airflow_provider_wiro.state_files.folder import absolute
from airflow_provider_wiro.storage.location import parse_location
from airflow_provider_wiro.storage.open_folder import open_folder, split_uri

if TYPE_CHECKING:
    from airflow_provider_wiro.storage.location import Location


@dataclass(frozen=True)
class FetchedFile:
    """
    A copy on this machine.

    :ivar uri: of the file itself, for messages.
    """

    path: Path
    uri: str


def fetched(
    source: str | os.PathLike[str], aws_conn_id: str | None, *, kind: str, argument: str = "inputs"
) -> FetchedFile:
    """
    Fetch a file.

    :param kind: what it should be, such as ``file of JSON Lines``, for messages.
    :param argument: that names it, for messages.
    :raises WiroUsageError: there is none.
    :raises WiroConnectionError: it can't be fetched.
    """
    uri = str(source).strip()
    if argument == "inputs" and (not uri or "\n" in uri or uri.startswith("[")):
        raise WiroUsageError(
            "Expected `inputs` as a list of dicts, or the path or URI of a file of JSON Lines, found the "
            f"text {uri[:100]!r}. If it comes from a template, set render_template_as_native_obj=True on "
            "the DAG, or hand over the task's output itself."
        )
    location = parse_location(absolute(uri, argument), argument)
    if location.scheme == "s3" and location.conn_id is None and aws_conn_id:
        location = replace(location, conn_id=aws_conn_id)
    folder, name = split_uri(location.uri)
    place = open_folder(folder)
    handle, copy = tempfile.mkstemp(prefix="wiro-inputs-", suffix=".part")
    os.close(handle)
    try:
        place.download(name, Path(copy))
    except BaseException as error:
        Path(copy).unlink()
        if isinstance(error, FileNotFoundError | IsADirectoryError):
            found = "a folder" if isinstance(error, IsADirectoryError) else "none"
            raise WiroUsageError(f"Expected a {kind} at {uri}, found {found}.") from error
        if isinstance(error, Exception):
            if (refusal := _refusal(error, location)) is not None:
                raised = WiroConnectionError if refusal.may_retry else type(refusal)
                what = "the inputs" if argument == "inputs" else argument
                raise raised(f"Can't read {what}: {refusal}") from error
            raise WiroConnectionError(f"Can't read {uri}: {type(error).__name__}: {error}") from error
        raise
    return FetchedFile(Path(copy), uri)


def _refusal(error: Exception, location: Location) -> WiroError | None:
    """Return why S3, or boto3, refuses to read a file; None if the error isn't theirs."""
    if location.scheme != "s3":
        return None
    from airflow_provider_wiro.storage.s3.refusals import S3Access

    return S3Access(location.bucket, location.conn_id).explained(error, location.path)

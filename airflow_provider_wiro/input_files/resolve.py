"""Resolves a user's files (path, URI, URL, another task's result) into what a request sends."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from airflow_provider_wiro.api.parameters import (
    MAX_FILE_BYTES,
    FileContent,
    FileUrl,
    FileValue,
    check_web_url,
)
from airflow_provider_wiro.exceptions import WiroError, WiroUsageError
from airflow_provider_wiro.input_files.data_uris import decode_data_uri, is_data_uri
from airflow_provider_wiro.input_files.sent_files import SentFile, sent_files
from airflow_provider_wiro.input_files.sources import (
    EXPECTED,
    FileSource,
    check_is_mapping,
    flattened,
    is_landed,
    is_web_url,
    object_uri_of,
    output_identity,
    shown,
    sources_of,
)
from airflow_provider_wiro.input_files.stored_file import StoredFile, local_file, object_file
from airflow_provider_wiro.media_types.signatures import HEAD_BYTES, type_of_bytes
from airflow_provider_wiro.media_types.suffixes import OCTET_STREAM, plain_type, says_nothing, type_of_name
from airflow_provider_wiro.storage.object_keys import clean_name, with_suffix

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "FileSource",
    "files_as_far_as_known",
    "flattened",
    "resolve_file",
    "resolve_files",
    "resolve_upload",
    "sources_of",
]

_T = TypeVar("_T")

#: The default connection for ``s3://bucket/key``, as in Airflow's own operators.
AWS_CONN_ID = "aws_default"

#: What File/Upload accepts by its API reference; a run's file parameters accept what their model does.
UPLOAD_EXTENSIONS = frozenset(
    "jpg jpeg png gif webp heic mp4 webm mov mp3 wav m4a pdf csv docx xlsx pptx txt md epub zip".split()  # noqa: SIM905  a line for each word would be a page
)


def resolve_files(
    files: Mapping[str, Any] | None, aws_conn_id: str | None = AWS_CONN_ID
) -> dict[str, list[FileValue]]:
    """
    Return file parameter → its files, checked but not yet read.

    :param files: file parameter → a source, a result that stands for several, or a list of these; see
        :func:`resolve_file` and :func:`~airflow_provider_wiro.input_files.sources.flattened`.
    :param aws_conn_id: the connection for ``s3://bucket/key``.
    :raises WiroUsageError: a file is missing, empty or too large, or a value is no source; names the
        parameter.
    :raises WiroConnectionError: an object store can't be reached; a retry may help.
    """
    check_is_mapping(files)
    resolved = {}
    for name, given in (files or {}).items():
        where = f"File parameter {name!r:.100}"
        sources = [source for source in flattened(given) if source is not None]
        if sources:
            resolved[name] = [resolve_file(source, aws_conn_id, where) for source in sources]
    return resolved


def files_as_far_as_known(
    files: Mapping[str, Any] | None, aws_conn_id: str | None = AWS_CONN_ID
) -> dict[str, list[SentFile]]:
    """Return a run's files for comparison with tasks; a file that is gone becomes an empty entry."""
    found: dict[str, list[SentFile]] = {}
    for name, sources in sources_of(files).items():
        found[name] = []
        for source in sources:
            try:
                found[name] += sent_files({name: [resolve_file(source, aws_conn_id)]})[name]
            except WiroError:
                found[name].append(SentFile())
    return found


def resolve_file(source: Any, aws_conn_id: str | None = AWS_CONN_ID, where: str = "") -> FileValue:
    """
    Return one file.

    :param source: a local path, an object-storage URI or path, an http(s) or ``data:`` URL, or a dict with
        a ``url`` (an item of WiroUploadOperator's result, an output of a run summary) or an object-storage
        URI as its ``uri`` (a file that a transfer has written).
    :param where: what the file is for; error messages start with it.
    :raises WiroUsageError: see :func:`resolve_files`.
    """
    if isinstance(source, Mapping) and not is_landed(
        source
    ):  # another task's result: a URL, never a path on this machine
        return _naming(where, partial(_linked_file, source))
    if is_web_url(source):
        return FileUrl(_naming(where, partial(check_web_url, source, "a file")))
    return resolve_content(source, aws_conn_id, where)


def resolve_upload(source: Any, aws_conn_id: str | None = AWS_CONN_ID, where: str = "") -> FileContent:
    """
    Return one file for File/Upload; for the parameters see :func:`resolve_file`.

    :raises WiroUsageError: it is missing, empty, too large or of a kind that Wiro doesn't store, or a URL.
    :raises WiroConnectionError: an object store can't be reached; a retry may help.
    """
    return _naming(where, partial(_uploadable, source, aws_conn_id, where))


def resolve_content(source: Any, aws_conn_id: str | None = AWS_CONN_ID, where: str = "") -> FileContent:
    """
    Return one file whose bytes are sent.

    :raises WiroUsageError: it is missing, empty or too large, or no path.
    :raises WiroConnectionError: an object store can't be reached; a retry may help.
    """
    return _naming(where, partial(_content, source, aws_conn_id, where))


def _naming(where: str, resolve: Callable[[], _T]) -> _T:
    """Resolve a file; an error starts with what the file is for."""
    try:
        return resolve()
    except WiroError as error:
        if not where or str(error).startswith(where):
            raise
        raise type(error)(f"{where}: {error}") from error.__cause__


def _linked_file(source: Mapping[str, Any]) -> FileUrl:
    if "url" in source:
        url, task = source["url"], source.get("wiro_task_id")
        if not url and task:
            raise WiroUsageError(
                f"Output {source.get('index')} of Wiro task {str(task)[:100]} has no link (yet): let the run "
                "wait for completion, or put a WiroTaskSensor between and give its result."
            )
        return FileUrl(check_web_url(url, "the `url` of a file"), output_identity(source))
    if "wiro_task_id" in source and "outputs" in source:
        raise WiroUsageError(
            f"Wiro task {str(source['wiro_task_id'])[:40]} has no output that is a file (status "
            f"{str(source.get('status'))[:40]}). A run that didn't wait for completion has none yet: put a "
            "WiroTaskSensor between and give its result. An LLM's answer is the summary's `text`."
        )
    raise WiroUsageError(f"Expected {EXPECTED}, found {shown(source)}.")


def _uploadable(source: Any, aws_conn_id: str | None, where: str) -> FileContent:
    found = f"the URL {shown(source)}" if is_web_url(source) else None
    if isinstance(source, Mapping) and not is_landed(source):
        found = f"{type(source).__name__} with the URL {shown(_linked_file(source).url)}"
    if found is not None:
        raise WiroUsageError(
            f"Expected a file to upload, found {found}. "
            "Wiro fetches URLs itself: give it to `files` of the run as it is."
        )
    content = _content(source, aws_conn_id, where)
    extension = Path(content.name).suffix.removeprefix(".").lower()
    if extension not in UPLOAD_EXTENSIONS:
        raise WiroUsageError(
            f"Wiro stores no files of the kind of {shown(source)}: the name has to end in one of "
            f"{', '.join(sorted(UPLOAD_EXTENSIONS))}, found {extension[:20] or 'no extension'!r}."
        )
    return content


def _content(source: Any, aws_conn_id: str | None, where: str) -> FileContent:
    if is_data_uri(source):
        return _data_content(source)
    stored = replace(_stored_file(source, aws_conn_id), purpose=where)
    _check_size(stored.size, source)
    name, content_type = _name_and_type(stored.name, stored.content_type, stored.head)
    return FileContent(name, content_type, stored.size, stored.open, identity=_identity(stored))


def _data_content(uri: str) -> FileContent:
    decoded = decode_data_uri(uri, MAX_FILE_BYTES)
    content, media_type = decoded.content, decoded.media_type
    _check_size(len(content), uri)
    if says_nothing(media_type):
        media_type = type_of_bytes(content[:HEAD_BYTES]) or OCTET_STREAM
    return FileContent(
        with_suffix("file", media_type),
        media_type,
        len(content),
        # It has a length, like every file that is sent.
        lambda: cast("BinaryIO", _Bytes(content)),
        identity=f"sha256:{hashlib.sha256(content).hexdigest()}",
    )


class _Bytes(io.BytesIO):
    def __len__(self) -> int:
        return len(self.getbuffer())


def _check_size(size: int, source: Any) -> None:
    if not 0 < size <= MAX_FILE_BYTES:
        raise WiroUsageError(f"Wiro takes files of 1 to {MAX_FILE_BYTES} bytes, {shown(source)} has {size}.")


def _name_and_type(given: str, stored_type: str | None, head: Callable[[int], bytes]) -> tuple[str, str]:
    """
    Return the name and the media type that a file is sent with.

    A known suffix decides, without reading the file. Otherwise the first bytes do, or else the store; the
    name then gets the missing suffix, since Wiro and its models rely on it.
    """
    name = clean_name(given, fallback="file")
    by_name = type_of_name(name)
    if by_name is not None:
        return name, by_name
    found = type_of_bytes(head(HEAD_BYTES)) or (
        None if says_nothing(stored_type) else plain_type(stored_type)
    )
    return with_suffix(name, found or ""), found or OCTET_STREAM


def _stored_file(source: Any, aws_conn_id: str | None) -> StoredFile:
    if isinstance(source, str) and not source.strip():
        raise WiroUsageError(f"Expected {EXPECTED}, found empty text.")
    if isinstance(source, Mapping):
        source = object_uri_of(source)
    if isinstance(source, str):
        return object_file(source, aws_conn_id) if "://" in source else local_file(Path(source))
    # Both Airflow's and fsspec's paths are os.PathLike; below Airflow 3.2 they even are pathlib's.
    if hasattr(source, "protocol"):
        return object_file(source)
    if isinstance(source, os.PathLike):
        return local_file(Path(source))
    hint = ""
    if hasattr(source, "task_id") and hasattr(source, "output"):
        hint = f" Write `{str(source.task_id)[:100]}.output`, its result, in place of the operator."
    elif isinstance(source, bytes | bytearray):
        hint = " Put the bytes into a file, or write them as a data: URI."
    raise WiroUsageError(f"Expected {EXPECTED}, found {type(source).__name__}.{hint}")


def _identity(stored: StoredFile) -> str:
    """
    Return a file's identity in a run's record: a local file's digest; for one in object storage, which would
    have to be fetched, its URI, its size, and its ETag where the store has one.
    """
    if not stored.is_local:
        return f"{stored.source} ({stored.size} bytes{f', {stored.etag}' if stored.etag else ''})"
    with stored.open() as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"  # type: ignore[arg-type]

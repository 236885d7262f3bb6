"""What a user names as a file (a path, an object-storage URI, a URL), turned into what is sent to Wiro."""

from __future__ import annotations

import hashlib
import mimetypes
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_wiro.api.filenames import clean_name
from airflow_provider_wiro.api.parameters import (
    MAX_FILE_BYTES,
    FileContent,
    FileUrl,
    FileValue,
    check_web_url,
    shown_url,
)
from airflow_provider_wiro.api.sent_files import SentFile, sent_files
from airflow_provider_wiro.exceptions import WiroError, WiroUsageError
from airflow_provider_wiro.hooks.stored_file import StoredFile, local_file, object_file

#: A local path, an object-storage URI or path, or an http(s) URL.
FileSource = str | os.PathLike[str]

#: What File/Upload takes by its API reference; a run's own file parameters take what their model does.
UPLOAD_EXTENSIONS = frozenset(
    "jpg jpeg png gif webp heic mp4 webm mov mp3 wav m4a pdf csv docx xlsx pptx txt md epub zip".split()  # noqa: SIM905  a line for each word would be a page
)


def resolve_files(files: Mapping[str, Any] | None) -> dict[str, list[FileValue]]:
    """
    Return file parameter → its files, checked but not yet read.

    :param files: file parameter → a source or a list of sources; see :func:`resolve_file`.
    :raises WiroUsageError: a file is missing, empty or too large, or a value is no source.
    :raises WiroConnectionError: an object store can't be asked; a retry may help.
    """
    if files is not None and not isinstance(files, Mapping):
        raise WiroUsageError(
            f"Expected `files` as a dict of file parameter to file, found {type(files).__name__}."
        )
    resolved = {}
    for name, given in (files or {}).items():
        sources = [source for source in flattened(given) if source is not None]
        if sources:
            resolved[name] = [resolve_file(source) for source in sources]
    return resolved


def sources_of(files: Mapping[str, Any] | None) -> dict[str, list[Any]]:
    """Return file parameter → its sources, none of which is looked at; those without any are left out."""
    if not isinstance(files, Mapping):
        return {}
    found = {
        str(name): [source for source in flattened(given) if source is not None]
        for name, given in files.items()
    }
    return {name: sources for name, sources in found.items() if sources}


def files_as_far_as_known(files: Mapping[str, Any] | None) -> dict[str, list[SentFile]]:
    """Return a run's files to compare tasks with; of those that are gone, only that there were some."""
    found: dict[str, list[SentFile]] = {}
    for name, sources in sources_of(files).items():
        found[name] = []
        for source in sources:
            try:
                found[name] += sent_files({name: [resolve_file(source)]})[name]
            except WiroError:
                found[name].append(SentFile())
    return found


def flattened(given: Any) -> Iterator[Any]:
    """Yield a source, or those of a list; a mapped task's output is a list of lists."""
    if isinstance(given, Sequence) and not isinstance(given, str | bytes | os.PathLike):
        for item in given:
            yield from flattened(item)
    else:
        yield given


def resolve_file(source: Any) -> FileValue:
    """
    Return one file.

    :param source: a local path, an object-storage URI or path, an http(s) URL, or what has the URL as its
        ``url``: an item of WiroUploadOperator's result, an output of a run summary.
    :raises WiroUsageError: see :func:`resolve_files`.
    """
    if isinstance(source, Mapping):  # whoever made it means a URL, never a path on this machine
        return FileUrl(check_web_url(source.get("url", ""), "the `url` of a file"))
    if _is_web_url(source):
        return FileUrl(check_web_url(source, "a file"))
    return resolve_content(source)


def resolve_upload(source: Any) -> FileContent:
    """
    Return one file for File/Upload.

    :raises WiroUsageError: it is missing, empty, too large or of a kind that Wiro doesn't store, or a URL.
    :raises WiroConnectionError: an object store can't be asked; a retry may help.
    """
    if _is_web_url(source):
        raise WiroUsageError(
            f"Expected a file to upload, found the URL {shown_url(source)!r}. "
            "Wiro fetches URLs itself: give it to `files` of the run as it is."
        )
    content = resolve_content(source)
    extension = Path(content.name).suffix.removeprefix(".").lower()
    if extension not in UPLOAD_EXTENSIONS:
        raise WiroUsageError(
            f"Wiro stores no files of the kind of {source}: the name has to end in one of "
            f"{', '.join(sorted(UPLOAD_EXTENSIONS))}, found {extension or 'no extension'!r}."
        )
    return content


def resolve_content(source: Any) -> FileContent:
    """
    Return one file whose bytes we send.

    :raises WiroUsageError: it is missing, empty or too large, or no path.
    :raises WiroConnectionError: an object store can't be asked; a retry may help.
    """
    stored = _stored_file(source)
    if not 0 < stored.size <= MAX_FILE_BYTES:
        raise WiroUsageError(f"Wiro takes files of 1 to {MAX_FILE_BYTES} bytes, {source} has {stored.size}.")
    content_type = mimetypes.guess_type(stored.name)[0] or "application/octet-stream"
    name = clean_name(stored.name, fallback="file")
    return FileContent(name, content_type, stored.size, stored.open, identity=_identity(stored))


def _stored_file(source: Any) -> StoredFile:
    if isinstance(source, str) and not source.strip():
        raise WiroUsageError(
            "Expected a path, an object-storage URI or an http(s) URL as a file, found empty text."
        )
    if isinstance(source, str):
        return object_file(source) if "://" in source else local_file(Path(source))
    # Both Airflow's and fsspec's paths are os.PathLike; below Airflow 3.2 they even are pathlib's.
    if hasattr(source, "protocol"):
        return object_file(source)
    if isinstance(source, os.PathLike):
        return local_file(Path(source))
    raise WiroUsageError(
        f"Expected a path, an object-storage URI or an http(s) URL as a file, found {type(source).__name__}."
    )


def _identity(stored: StoredFile) -> str:
    """
    Tell a local file by its content; one in object storage, which would have to be fetched, by its place,
    its size, and the ETag where the store has one.
    """
    if not stored.is_local:
        return f"{stored.source} ({stored.size} bytes{f', {stored.etag}' if stored.etag else ''})"
    with stored.open() as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"  # type: ignore[arg-type]


def _is_web_url(source: Any) -> bool:
    return isinstance(source, str) and source.strip().lower().startswith(("http://", "https://"))

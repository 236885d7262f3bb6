"""
Parses local paths and object-storage URIs strictly: each names one place, or is refused.

fsspec reads more into a path than it shows: ``::`` chains file systems, ``~`` is a home directory,
``file://localhost/x`` is a relative path, ``?`` and ``#`` name versions of an object. A file written to such
a path is in another place than the one that was named. Here a path means what it says, or is refused.
"""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.redaction.masking import text_without_secrets
from airflow_provider_wiro.storage.object_keys import refuse_parent_folders

_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
#: A chain of file systems, and what stores read as a version of an object.
_MARKS = re.compile(r"::|[?#]")
_LOCAL_SCHEMES = frozenset({"file", "local"})
#: Schemes that name the same store.
_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "az": "abfs", "abfss": "abfs", "ssh": "sftp"}
#: Longest part of a value that a message quotes, in characters.
_QUOTED = 200


@dataclass(frozen=True)
class Location:
    """
    A place on this machine or in an object store.

    :ivar scheme: of the URI, in lower case; ``file`` for a local path.
    :ivar conn_id: the Airflow connection that the URI names, None if it names none.
    :ivar bucket: bucket, container or host; empty for a local path.
    :ivar path: an absolute local path, or the key in the bucket, without the slash that ends the bucket.
    """

    scheme: str
    conn_id: str | None
    bucket: str
    path: str

    @property
    def is_local(self) -> bool:
        """Whether it is a path on this machine."""
        return self.scheme == "file"

    @property
    def uri(self) -> str:
        """The URI, with its connection."""
        if self.is_local:
            return f"file://{self.path}"
        user = "" if self.conn_id is None else f"{self.conn_id}@"
        return f"{self.scheme}://{user}{self.bucket}/{self.path}"

    @property
    def identity(self) -> str:
        """
        Text that is equal for two spellings of one place.

        Of a local path symbolic links are resolved. Connections don't count: two may lead to one store.
        """
        if self.is_local:
            folder, name = os.path.split(os.path.normpath(self.path))
            return f"file://{os.path.join(os.path.realpath(folder), name)}"  # noqa: PTH118  it is text
        segments = [part for part in (self.bucket.lower(), *self.path.split("/")) if part not in {"", "."}]
        return f"{_ALIASES.get(self.scheme, self.scheme)}://{'/'.join(segments)}"


def parse_location(text: str, what: str) -> Location:
    """
    Return what an absolute local path or a URI names.

    :param what: the argument, for messages.
    :raises WiroUsageError: it is relative, or would be read as another place than the one it shows.
    """
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise _refused(text, what, "It has a control character in it.")
    found = _URI.fullmatch(text)
    if found is None:
        return Location("file", None, "", _absolute(text, text, what))
    scheme, rest = found["scheme"].lower(), found["rest"]
    if scheme in _LOCAL_SCHEMES:
        return Location("file", None, "", _absolute(rest, text, what))
    authority, _, key = rest.partition("/")
    conn_id, at, bucket = authority.rpartition("@")
    return Location(scheme, conn_id if at and conn_id else None, bucket, key)


def parse_target(text: str, what: str) -> Location:
    """
    Return the place of a file that is to be written.

    :param what: the argument, for messages.
    :raises WiroUsageError: see :func:`parse_location`; or it climbs to a parent folder, or names no file.
    """
    location = parse_location(text, what)
    refuse_parent_folders(location.path, argument=what)
    if location.path.endswith("/") or not location.path:
        raise _refused(text, what, "It names a folder.")
    if "::" in location.path:  # also of a local path, whose URI is handed on to other tasks
        raise _refused(text, what, "Airflow's ObjectStoragePath reads `::` as a chain of file systems.")
    refuse_marks(location, location.path, what)
    return Location("file", None, "", os.path.normpath(location.path)) if location.is_local else location


def refuse_marks(location: Location, name: str, what: str) -> None:
    """
    Refuse a name in an object store that other programs read as more than a name.

    :param name: the part of the location to check.
    :raises WiroUsageError: it has a chain of file systems in it, or what stores read as an object's version.
    """
    if not location.is_local and (mark := _MARKS.search(name)):
        reason = f"What follows {mark[0]!r} would not be read as a part of the name."
        raise _refused(location.uri, what, reason)


def identity_of(place: str) -> str:
    """
    Return text that is equal for two spellings of one place.

    :param place: a URI, an absolute local path, or a key in a bucket.
    """
    if _URI.match(place) or place.startswith("/"):
        return parse_location(place, "path").identity
    return Location("s3", None, "", place).identity


def fixed_folder(unrendered: str | None, rendered: str) -> str | None:
    """
    Return the folder that a template's fixed part names: up to its first templated piece or placeholder.

    :param unrendered: as the DAG file has it, None if not known.
    :param rendered: by Jinja, with placeholders.
    :return: a local path or URI without a slash at its end (but ``/`` itself); None where nothing is fixed.
    """
    if unrendered is None:
        return None
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(unrendered, rendered, strict=False))
    fixed = "".join(character for character, _ in pairs).partition("{")[0]
    folder, slash, _ = fixed.rpartition("/")
    return (folder or "/") if slash and not folder.endswith(":/") else None


def local_folder(folder: str) -> Path:
    """Return a local folder as a path; its scheme may be written in any way."""
    _, separator, path = folder.partition("://")
    return Path((path if separator else folder) or "/")


def check_below(file: Path, folder: Path, what: str) -> None:
    """
    Refuse a local file that symbolic links lead out of a folder.

    :param what: the argument, for the message.
    :raises WiroUsageError: the file is elsewhere.
    """
    real = Path(os.path.realpath(file.parent))
    allowed = Path(os.path.realpath(folder))
    if real != allowed and allowed not in real.parents:
        raise WiroUsageError(
            f"{str(file)[:_QUOTED]} is in {real} by a symbolic link, outside of {folder}, the folder that "
            f"the fixed part of {what} names. Nothing was written. Name the folder behind the link in {what}."
        )


def _absolute(path: str, text: str, what: str) -> str:
    if not path.startswith("/"):
        raise _refused(text, what, "It is relative, and would be another place for each worker.")
    if path.startswith("//"):
        raise _refused(text, what, "Two slashes at the beginning name a host to some and nothing to others.")
    return path


def _refused(text: str, what: str, reason: str) -> WiroUsageError:
    return WiroUsageError(
        f"Expected {what} as an absolute local path or an object-storage URI, such as /data/wiro or "
        f"s3://aws_default@bucket/key, found {text_without_secrets(text)[:_QUOTED]!r}. {reason}"
    )

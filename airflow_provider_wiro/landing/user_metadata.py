"""S3's limits of an object's metadata and tags, and the checks of those that a user gives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from airflow_provider_wiro.exceptions import WiroUsageError

#: The metadata by which an object is recognised. One without ``wiro-api`` is of an earlier version, or has
#: user metadata that left no room for it: its bytes are compared.
API = "wiro-api"
IDENTITY = (API, "wiro-task-id", "wiro-output")

#: S3 counts names and values of an object's metadata together.
MAX_METADATA_BYTES = 2048
#: The metadata with the MD5 of an object in one part, where there is room for it: its ETag should be equal.
MD5 = "wiro-md5"
#: Bytes of a SHA-256 in it, which is added last, when the object's bytes are known.
SHA256_BYTES = len("sha256") + 64
MD5_BYTES = len(MD5) + 32
#: What remains for the user's own beside the digest and the identity, for an id longer than Wiro's are.
_MAX_USER_METADATA_BYTES = MAX_METADATA_BYTES - SHA256_BYTES - len("".join(IDENTITY[1:])) - 64
#: No user may write these: an object and its bytes are recognised by them.
_RESERVED = frozenset({*IDENTITY, MD5, "sha256"})
#: What HTTP allows as the name of a header, and every S3 server as a value.
_METADATA_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_METADATA_VALUE = re.compile(r"[ -~]*")

MAX_TAGS = 10
_MAX_TAG_KEY = 128
MAX_TAG_VALUE = 256
#: What S3 says is safe in tags everywhere; letters and digits of any alphabet among them.
NOT_IN_TAGS = re.compile(r"[^\w\s+\-=.:/@]")


def check_metadata(given: object) -> None:
    """
    Refuse metadata that S3 wouldn't take, or whose names a transfer writes itself.

    :param given: ``Metadata`` of the upload's arguments.
    :raises WiroUsageError: it can't be right.
    """
    if not isinstance(given, Mapping):
        raise WiroUsageError(f"Expected Metadata in extra_args as a dict of text to text, found {given!r}.")
    names: dict[str, str] = {}
    for name, value in given.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise WiroUsageError(
                f"Expected Metadata in extra_args as text to text, found {name!r}: {value!r}."
            )
        if not _METADATA_NAME.fullmatch(name) or not _METADATA_VALUE.fullmatch(value):
            raise WiroUsageError(
                f"Metadata in extra_args has {name!r}: {value!r}. It becomes an HTTP header: give a name of "
                "ASCII letters, digits, - and _, and a value of printable ASCII."
            )
        if name.lower() in _RESERVED:
            raise WiroUsageError(
                f"Metadata in extra_args has {name!r}, which the transfer writes itself. Give another name."
            )
        other = names.setdefault(name.lower(), name)
        if other != name:
            raise WiroUsageError(
                f"Metadata in extra_args has {other!r} and {name!r}, which S3 takes for one. Leave one out."
            )
    if (size := bytes_of(given)) > _MAX_USER_METADATA_BYTES:
        raise WiroUsageError(
            f"Metadata in extra_args is {size} bytes of names and values. S3 takes {MAX_METADATA_BYTES} for "
            f"an object, of which {_MAX_USER_METADATA_BYTES} are left for yours."
        )


def user_tags(tagging: object, more: object) -> dict[str, str]:
    """
    Return the tags that a user gave in either way.

    :param tagging: ``Tagging`` of the upload's arguments, ``"a=b&c=d"`` as boto3 takes it.
    :param more: a dict of tags; anything else adds none.
    :raises WiroUsageError: S3 wouldn't take them.
    """
    if not isinstance(tagging, str | None):
        raise WiroUsageError('Expected Tagging in extra_args as text such as "team=art&kind=draft".')
    given: dict[Any, Any] = dict(parse_qsl(tagging or "", keep_blank_values=True))
    given |= more if isinstance(more, Mapping) else {}
    for name, value in given.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise WiroUsageError(f"Expected tags as text to text, found {name!r}: {value!r}.")
        if not 0 < len(name) <= _MAX_TAG_KEY or len(value) > MAX_TAG_VALUE:
            raise WiroUsageError(
                f"The tag {name[:50]!r} is too long: S3 takes names up to {_MAX_TAG_KEY} characters, values "
                f"up to {MAX_TAG_VALUE}."
            )
        if name.lower().startswith("aws:") or NOT_IN_TAGS.search(name) or NOT_IN_TAGS.search(value):
            raise WiroUsageError(
                f"S3 doesn't take the tag {name!r}: {value!r}. Letters, digits, spaces and + - = . _ : / @ "
                "are allowed, and names don't begin with aws:."
            )
    if len(given) > MAX_TAGS:
        raise WiroUsageError(f"{len(given)} tags were given, S3 takes {MAX_TAGS} for an object.")
    return given


def bytes_of(metadata: Mapping[str, str]) -> int:
    """Return the size of metadata as S3 counts it."""
    return sum(len(name.encode()) + len(str(value).encode()) for name, value in metadata.items())

"""
Where an object comes from, written on the object itself: as user metadata always, as tags where wanted.

Three pieces of the metadata are an identity, ``wiro-api``, ``wiro-task-id`` and ``wiro-output``: by them, and
by its size, an object is known again with one HEAD. Everything else is for people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.plan import model_folder
from airflow_provider_wiro.storage.object_keys import clean_name

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task

#: The metadata by which an object is known again. One without ``wiro-api`` is of an earlier version, or has
#: metadata of the user's that left no room for it: its bytes are compared.
API = "wiro-api"
IDENTITY = (API, "wiro-task-id", "wiro-output")

#: S3 counts names and values of an object's metadata together.
MAX_METADATA_BYTES = 2048
#: The metadata with the MD5 of an object in one part, where there is room for it: its ETag should be equal.
MD5 = "wiro-md5"
#: What a SHA-256 takes of it: it is added last, when the bytes are known.
_SHA256_BYTES = len("sha256") + 64
_MD5_BYTES = len(MD5) + 32
#: What is left for the user's own beside the digest and the identity, of an id longer than Wiro's are.
_MAX_USER_METADATA_BYTES = MAX_METADATA_BYTES - _SHA256_BYTES - len("".join(IDENTITY[1:])) - 64
#: No user may write these: an object is known again by them, and its bytes are.
_OURS_ALONE = frozenset({*IDENTITY, MD5, "sha256"})
#: What HTTP takes as the name of a header, and every S3 server as a value.
_METADATA_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_METADATA_VALUE = re.compile(r"[ -~]*")

MAX_TAGS = 10
_MAX_TAG_KEY = 128
_MAX_TAG_VALUE = 256
#: What S3 says is safe in tags everywhere; letters and digits of any alphabet among them.
_NOT_IN_TAGS = re.compile(r"[^\w\s+\-=.:/@]")


@dataclass(frozen=True)
class Provenance:
    """
    The Wiro task that made some objects, and the Airflow task that landed them.

    :ivar model: ``owner/model``, None if not known.
    :ivar map_index: of a mapped task, None for any other.
    :ivar api: the host of the API whose task it is, with its port unless that is https's: two APIs (Wiro's
        and an emulator, say) can have tasks of one id. None if not known.
    """

    wiro_task_id: str
    model: str | None = None
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    try_number: int | None = None
    api: str | None = None

    @classmethod
    def of(cls, task: Task, model: str | None, task_instance: Any, base_url: str | None = None) -> Self:
        """
        Return the origin of what a task instance lands.

        :param model: as the user named it; default: as Wiro names it.
        :param base_url: of the API that was asked for the task.
        """
        map_index = getattr(task_instance, "map_index", None)
        return cls(
            task.id,
            model or task.model,
            getattr(task_instance, "dag_id", None),
            getattr(task_instance, "run_id", None),
            getattr(task_instance, "task_id", None),
            map_index if isinstance(map_index, int) and map_index >= 0 else None,
            getattr(task_instance, "try_number", None),
            None if base_url is None else _host(base_url),
        )

    def identity(self, output: str) -> dict[str, str]:
        """
        Return the metadata by which an object is known again.

        :param output: which of the task's outputs, ``0`` or, for a part of an LLM's answer, ``0json``.
        """
        known = zip(IDENTITY, (self.api, self.wiro_task_id, output), strict=True)
        return {name: _header(value) for name, value in known if value is not None}

    @property
    def placeholders(self) -> dict[str, str]:
        """What of it can be a part of a key."""
        return {
            "wiro_task_id": clean_name(self.wiro_task_id, fallback="_"),
            "model": model_folder(self.model),
        }

    @property
    def names(self) -> dict[str, str]:
        """What else there is to say, the most telling first."""
        found = {
            "wiro-model": self.model,
            "airflow-dag-id": self.dag_id,
            "airflow-run-id": self.run_id,
            "airflow-task-id": self.task_id,
            "airflow-map-index": None if self.map_index is None else str(self.map_index),
        }
        return {name: value for name, value in found.items() if value}

    def metadata(self, output: str, of_user: Mapping[str, str] | None = None) -> dict[str, str]:
        """
        Return an object's metadata: the identity, the user's own, and of the rest as much as S3 takes.

        Where the user's own has a name of ours, theirs stays, but for the identity.
        """
        identity = self.identity(output)
        api = {API: host} if (host := identity.pop(API, None)) else {}
        metadata = {**(of_user or {}), **identity}
        taken = {name.lower() for name in metadata}
        left = MAX_METADATA_BYTES - _SHA256_BYTES - _MD5_BYTES - _bytes_of(metadata)
        for name, value in {**api, **self.names}.items():
            shown = _header(value)
            left -= len(name) + len(shown)
            if left < 0:
                break
            if name not in taken:
                metadata[name] = shown
        return metadata

    def tags(self, of_user: Mapping[str, str]) -> dict[str, str]:
        """
        Return an object's tags without its ``sha256``: the user's own, and of ours as many as S3 takes.

        :param of_user: as :func:`user_tags` returns them.
        """
        ours = {"wiro-task-id": self.wiro_task_id, **self.names}
        ours = {name: _NOT_IN_TAGS.sub("_", value)[:_MAX_TAG_VALUE] for name, value in ours.items()}
        tags = dict(of_user)
        for name, value in ours.items():
            if len(tags) < MAX_TAGS - 1:  # one is kept for the digest
                tags.setdefault(name, value)
        return tags


def with_md5(metadata: Mapping[str, str], md5: str) -> dict[str, str]:
    """Return metadata with the MD5 of the bytes in it, if S3 takes as much."""
    full = {**metadata, MD5: md5}
    return full if _bytes_of(full) <= MAX_METADATA_BYTES else dict(metadata)


def check_metadata(given: object) -> None:
    """
    Raise if S3 wouldn't take a user's metadata, or a transfer writes something of that name itself.

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
        if name.lower() in _OURS_ALONE:
            raise WiroUsageError(
                f"Metadata in extra_args has {name!r}, which the transfer writes itself. Give another name."
            )
        other = names.setdefault(name.lower(), name)
        if other != name:
            raise WiroUsageError(
                f"Metadata in extra_args has {other!r} and {name!r}, which S3 takes for one. Leave one out."
            )
    if (size := _bytes_of(given)) > _MAX_USER_METADATA_BYTES:
        raise WiroUsageError(
            f"Metadata in extra_args is {size} bytes of names and values. S3 takes {MAX_METADATA_BYTES} for "
            f"an object, of which {_MAX_USER_METADATA_BYTES} are left for yours."
        )


def user_tags(tagging: object, more: object) -> dict[str, str]:
    """
    Return the tags a user gave, in both ways there are.

    :param tagging: ``Tagging`` of the upload's arguments, ``"a=b&c=d"`` as boto3 takes it.
    :param more: a dict of tags; anything that is no dict says nothing of its own.
    :raises WiroUsageError: S3 wouldn't take them.
    """
    if not isinstance(tagging, str | None):
        raise WiroUsageError('Expected Tagging in extra_args as text such as "team=art&kind=draft".')
    given: dict[Any, Any] = dict(parse_qsl(tagging or "", keep_blank_values=True))
    given |= more if isinstance(more, Mapping) else {}
    for name, value in given.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise WiroUsageError(f"Expected tags as text to text, found {name!r}: {value!r}.")
        if not 0 < len(name) <= _MAX_TAG_KEY or len(value) > _MAX_TAG_VALUE:
            raise WiroUsageError(
                f"The tag {name[:50]!r} is too long: S3 takes names up to {_MAX_TAG_KEY} characters, values "
                f"up to {_MAX_TAG_VALUE}."
            )
        if name.lower().startswith("aws:") or _NOT_IN_TAGS.search(name) or _NOT_IN_TAGS.search(value):
            raise WiroUsageError(
                f"S3 doesn't take the tag {name!r}: {value!r}. Letters, digits, spaces and + - = . _ : / @ "
                "are allowed, and names don't begin with aws:."
            )
    if len(given) > MAX_TAGS:
        raise WiroUsageError(f"{len(given)} tags were given, S3 takes {MAX_TAGS} for an object.")
    return given


def with_digest(tags: Mapping[str, str], sha256: str | None) -> dict[str, str]:
    """Return tags with the digest of the bytes among them, where it is known and there is room."""
    full = dict(tags)
    if sha256 is not None and len(full) < MAX_TAGS:
        full.setdefault("sha256", sha256)
    return full


def tagging_header(tags: Mapping[str, str]) -> str:
    """Return tags in the form of boto3's ``Tagging``."""
    return urlencode(tags, quote_via=quote, safe="")


def tag_set(tags: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    """Return tags in the form of boto3's ``put_object_tagging``."""
    return {"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]}


def _host(base_url: str) -> str:
    url = urlsplit(base_url)
    port = f":{url.port}" if url.port not in {None, 443} else ""
    return f"{url.hostname or ''}{port}"


def _header(text: str) -> str:
    """Return text as HTTP headers take it: other than printable ASCII is percent-encoded."""
    # Surrogates, which no UTF-8 has, come from JSON.
    return quote(text.encode("utf-8", "replace"), safe="".join(map(chr, range(0x21, 0x7F))).replace("%", " "))


def _bytes_of(metadata: Mapping[str, str]) -> int:
    return sum(len(name.encode()) + len(str(value).encode()) for name, value in metadata.items())

"""
Where an object comes from, as its user metadata and, where wanted, its tags.

Three names of the metadata are an identity, ``wiro-api``, ``wiro-task-id`` and ``wiro-output``: by them, and
by its size, an object is recognised with one HEAD. ``airflow-dag-id`` says whose rights the gallery asks for.
Everything else is for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode, urlsplit

from airflow_provider_wiro.landing.plan import model_folder
from airflow_provider_wiro.landing.user_metadata import (
    API,
    IDENTITY,
    MAX_METADATA_BYTES,
    MAX_TAG_VALUE,
    MAX_TAGS,
    MD5,
    MD5_BYTES,
    NOT_IN_TAGS,
    SHA256_BYTES,
    bytes_of,
)
from airflow_provider_wiro.storage.object_keys import clean_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.api.models import Task


#: The gallery shows an object only to those who may see this DAG.
DAG_ID = "airflow-dag-id"


@dataclass(frozen=True)
class Provenance:
    """
    The Wiro task that made some objects, and the Airflow task that landed them.

    :ivar model: ``owner/model``, None if not known.
    :ivar map_index: of a mapped task, None for any other.
    :ivar label: the user's name for the run, None if it has none.
    :ivar item_id: the user's name for an item of a batch, None if it has none.
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
    item_id: str | None = None
    label: str | None = None

    @classmethod
    def of(cls, task: Task, model: str | None, task_instance: Any, base_url: str | None = None) -> Self:
        """
        Return the provenance of what a task instance lands.

        :param model: as the user named it; default: as Wiro names it.
        :param base_url: of the API that the task was read from.
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
        Return the metadata by which an object is recognised.

        :param output: which of the task's outputs, ``0`` or, for a part of an LLM's answer, ``0json``.
        """
        known = zip(IDENTITY, (self.api, self.wiro_task_id, output), strict=True)
        return {name: _header(value) for name, value in known if value is not None}

    @property
    def placeholders(self) -> dict[str, str]:
        """The values of the placeholders that a manifest's key may have, but for ``{label}``."""
        return {
            "wiro_task_id": clean_name(self.wiro_task_id, fallback="_"),
            "model": model_folder(self.model),
        }

    @property
    def names(self) -> dict[str, str]:
        """The names of model, DAG, run and task, the most useful first."""
        found = {
            "wiro-model": self.model,
            "wiro-label": self.label,
            "wiro-item-id": self.item_id,
            DAG_ID: self.dag_id,
            "airflow-run-id": self.run_id,
            "airflow-task-id": self.task_id,
            "airflow-map-index": None if self.map_index is None else str(self.map_index),
        }
        return {name: value for name, value in found.items() if value}

    def metadata(self, output: str, of_user: Mapping[str, str] | None = None) -> dict[str, str]:
        """
        Return an object's metadata: the identity, the user's own, and as much of the rest as S3 takes.

        The DAG comes before all that is for people only, which can be long: a label, an item's id. The user's
        own wins over a provider's of the same name, except for the identity.
        """
        identity = self.identity(output)
        api = {API: host} if (host := identity.pop(API, None)) else {}
        metadata = {**(of_user or {}), **identity}
        taken = {name.lower() for name in metadata}
        left = MAX_METADATA_BYTES - SHA256_BYTES - MD5_BYTES - bytes_of(metadata)
        names = self.names
        dag = {DAG_ID: names[DAG_ID]} if DAG_ID in names else {}
        for name, value in {**api, **dag, **names}.items():
            shown = _header(value)
            left -= len(name) + len(shown)
            if left < 0:
                break
            if name not in taken:
                metadata[name] = shown
        return metadata

    def tags(self, of_user: Mapping[str, str]) -> dict[str, str]:
        """
        Return an object's tags without its ``sha256``: the user's, and as many of the provider's as S3 takes.

        :param of_user: as :func:`~airflow_provider_wiro.landing.user_metadata.user_tags` returns them.
        """
        own = {"wiro-task-id": self.wiro_task_id, **self.names}
        own = {name: NOT_IN_TAGS.sub("_", value)[:MAX_TAG_VALUE] for name, value in own.items()}
        tags = dict(of_user)
        for name, value in own.items():
            if len(tags) < MAX_TAGS - 1:  # one is kept for the digest
                tags.setdefault(name, value)
        return tags


def with_md5(metadata: Mapping[str, str], md5: str) -> dict[str, str]:
    """Return metadata with the MD5 of the object's bytes added, if S3 takes as much."""
    full = {**metadata, MD5: md5}
    return full if bytes_of(full) <= MAX_METADATA_BYTES else dict(metadata)


def with_digest(tags: Mapping[str, str], sha256: str | None) -> dict[str, str]:
    """Return tags with the digest of the object's bytes added, if it is known and there is room."""
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
    """Return text as the value of an HTTP header: all but printable ASCII is percent-encoded."""
    # Surrogates, which UTF-8 doesn't have, come from JSON.
    return quote(text.encode("utf-8", "replace"), safe="".join(map(chr, range(0x21, 0x7F))).replace("%", " "))

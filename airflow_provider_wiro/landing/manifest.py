"""
The manifest: beside a task's outputs, a JSON file that tells where they come from.

It is the same, byte for byte, whenever the same task lands the same objects from the same Airflow task. A
later run that finds all of it in place leaves it as it is: it goes on naming who landed the objects.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.json_text import json_text
from airflow_provider_wiro.redaction.plain_text import plain, plain_values
from airflow_provider_wiro.redaction.task_parameters import masked, text_without_secrets
from airflow_provider_wiro.storage.location import identity_of
from airflow_provider_wiro.storage.object_keys import check_key_template, fill_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.landing.plan import PlannedObject
    from airflow_provider_wiro.landing.provenance import Provenance

#: Counted up when a field changes its meaning or goes; new fields may come without.
SCHEMA_VERSION = 1
KIND = "airflow-provider-wiro/manifest"
CONTENT_TYPE = "application/json"
#: What a manifest has in place of an output's index.
OUTPUT = "manifest"
#: A manifest is never read beyond this; 500 outputs take 300 KiB.
MAX_BYTES = 16 * 1024 * 1024

_PLACEHOLDERS = frozenset({"wiro_task_id", "model"})

#: Of the arguments of an upload, those that describe a picture and not a description of it.
_OF_OUTPUTS = frozenset(
    {
        "CacheControl",
        "ContentDisposition",
        "ContentEncoding",
        "ContentLanguage",
        "ContentType",
        "Expires",
        "WebsiteRedirectLocation",
    }
)
_PUBLIC_ACLS = frozenset({"public-read", "public-read-write", "authenticated-read"})


def manifest_key(
    wanted: bool | str, key_template: str, landings: Sequence[PlannedObject], values: Mapping[str, str]
) -> str | None:
    """
    Return the manifest's key, or its URI where the outputs have URIs; None if none is wanted, or there is
    nothing to tell of.

    :param wanted: True puts it beside the first output; text is a key template.
    :param key_template: of the outputs.
    :param values: for the placeholders ``{wiro_task_id}`` and ``{model}``.
    :raises WiroUsageError: an output has this key, or it makes no sense.
    """
    if not isinstance(wanted, bool | str):
        raise WiroUsageError(f"Expected manifest as True, False or a key, found {wanted!r}.")
    if not wanted:
        return None
    folder = key_template.rpartition("/")[0]
    if isinstance(wanted, str):
        template = check_key_template(wanted, _PLACEHOLDERS, argument="manifest")
        key = fill_key(template, values, argument="manifest")
    elif _is_of_the_task(folder):  # known without outputs, so that it is found again when they are deleted
        key = fill_key(_in(folder), values, argument="manifest")
    elif landings:
        key = _in(landings[0].key.rpartition("/")[0])
    else:
        return None
    if landings and identity_of(key) in {identity_of(landing.key) for landing in landings}:
        raise WiroUsageError(
            f"The manifest and an output would both land in {key!r}. Give manifest another key."
        )
    return key


def _in(folder: str) -> str:
    return f"{folder}/manifest.json" if folder else "manifest.json"


def _is_of_the_task(template: str) -> bool:
    try:
        check_key_template(f"{template}/x", _PLACEHOLDERS)
    except WiroUsageError:
        return False
    return True


def manifest_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the upload arguments of the manifest: the outputs', but for their looks and their publicity.

    It has the prompt in it, so an ACL that lets everybody see a picture doesn't go for it.
    """
    kept = {name: value for name, value in arguments.items() if name not in _OF_OUTPUTS}
    if kept.get("ACL") in _PUBLIC_ACLS:
        del kept["ACL"]
    return {
        name: value for name, value in kept.items() if not (name.startswith("Grant") and "uri=" in str(value))
    }


def build(
    task: Task,
    origin: Provenance,
    landings: Sequence[PlannedObject],
    files: Sequence[Mapping[str, Any]],
    scrub: Callable[[str], str] = str,
) -> dict[str, Any]:
    """
    Return a manifest.

    :param files: as the operator returns them, one for each landing.
    :param scrub: takes secrets that are known out of a text.
    """
    parameters = masked(task.parameters, scrub)
    return {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "wiro_task_id": origin.wiro_task_id,
        "api": origin.api,
        "model": masked(origin.model, scrub),
        "parameters": parameters,
        "seed": next((value for name, value in parameters.items() if _is_seed(name, value)), None),
        "finish_reason": plain_values(masked(task.finish_reason, scrub)),
        "usage": task.usage,
        "status": task.status,
        "state": task.state.value,
        "cost_usd": task.cost_usd,
        "elapsed_seconds": masked(task.elapsed_seconds),
        "created_at": _moment(task.created_at),
        "started_at": _moment(task.started_at),
        "ended_at": _moment(task.ended_at),
        "airflow": {
            "dag_id": origin.dag_id,
            "run_id": origin.run_id,
            "task_id": origin.task_id,
            "map_index": origin.map_index,
            "try_number": origin.try_number,
        },
        "total_bytes": sum(file["size"] for file in files),
        "outputs": [
            {
                "key": landing.key,
                **{name: file[name] for name in ("uri", "name", "size", "sha256", "content_type", "etag")},
                "source": _source(landing, scrub),
            }
            for landing, file in zip(landings, files, strict=True)
        ],
    }


def _is_seed(name: str, value: object) -> bool:
    return name.lower() == "seed" and not isinstance(value, dict | list)


def _source(landing: PlannedObject, scrub: Callable[[str], str]) -> dict[str, Any]:
    """Return where an object was read from: not the URL, which would let its reader fetch the file, too."""
    output = landing.output
    return {
        "output": output.index,
        "part": landing.part or None,
        "name": plain(text_without_secrets(output.name, scrub)),
        "content_type": plain(text_without_secrets(output.content_type, scrub)) or None,
        "host": urlsplit(output.url).hostname if output.url else None,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def to_bytes(manifest: Mapping[str, Any]) -> bytes:
    """Return a manifest as it is stored."""
    return json_text(manifest, sort_keys=True).encode("utf-8", "replace") + b"\n"


def from_bytes(body: bytes, wiro_task_id: str, api: str | None = None) -> dict[str, Any] | None:
    """
    Return a manifest that was stored before, None if these bytes are none, or another task's.

    :param api: the host of the task's API. Manifests of earlier versions don't name it.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("kind") != KIND or found.get("wiro_task_id") != wiro_task_id:
        return None
    return found if None in {api, found.get("api")} or found["api"] == api else None


def remembered_digest(earlier: Mapping[str, Any] | None, key: str, etag: str) -> str | None:
    """Return an object's digest as an earlier manifest has it, if the object is still the same."""
    outputs = (earlier or {}).get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        if isinstance(output, dict) and (output.get("key"), output.get("etag")) == (key, etag):
            digest = output.get("sha256")
            return digest if isinstance(digest, str) else None
    return None


def says_the_same(earlier: Mapping[str, Any] | None, manifest: Mapping[str, Any]) -> bool:
    """Whether an earlier manifest tells the same of the task and its objects, whoever landed them."""
    if earlier is None:
        return False
    ours = json.loads(to_bytes(manifest))
    # One of an earlier version lacks fields, which then say nothing.
    unsaid = {**dict.fromkeys(ours), "api": ours.get("api")}
    return {**unsaid, **earlier, "airflow": None} == {**ours, "airflow": None}

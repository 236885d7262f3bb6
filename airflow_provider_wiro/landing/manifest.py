"""
The manifest: a JSON file beside a task's outputs that describes where they come from.

It is the same, byte for byte, whenever the same task lands the same objects from the same Airflow task. A
later run that finds all of it in place leaves it as it is, so that it still names the task that landed them.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from airflow_provider_wiro.exceptions import (
    WiroOutputRefusedError,
    WiroOutputUnavailableError,
    WiroUsageError,
)
from airflow_provider_wiro.landing.json_text import json_text
from airflow_provider_wiro.landing.plan import MANIFEST_PLACEHOLDERS, label_values
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.redaction.masking import masked, text_without_secrets
from airflow_provider_wiro.redaction.plain_text import plain, plain_values
from airflow_provider_wiro.storage.conditions import ObjectExistsError
from airflow_provider_wiro.storage.location import identity_of
from airflow_provider_wiro.storage.object_keys import check_key_template, fill_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.landing.plan import PlannedObject
    from airflow_provider_wiro.landing.provenance import Provenance

log = plain_logger(__name__)

#: Raised when a field changes its meaning or is removed; new fields may be added without.
SCHEMA_VERSION = 1
KIND = "airflow-provider-wiro/manifest"
CONTENT_TYPE = "application/json"
#: What a manifest has in place of an output's index.
OUTPUT = "manifest"
#: A manifest is never read beyond this; 500 outputs take 300 KiB.
MAX_BYTES = 16 * 1024 * 1024

#: Upload arguments that describe an output, and would be wrong for a manifest.
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
    wanted: bool | str,
    key_template: str,
    planned: Sequence[PlannedObject],
    provenance: Provenance,
) -> str | None:
    """
    Return the manifest's key, or its URI where the outputs have URIs; None if none is wanted, or there are no
    outputs.

    :param wanted: True puts it beside the first output; text is a key template.
    :param key_template: of the outputs.
    :param provenance: says what stands for the placeholders.
    :raises WiroUsageError: an output has this key, or it can't be a key.
    """
    if not isinstance(wanted, bool | str):
        raise WiroUsageError(f"Expected manifest as True, False or a key, found {wanted!r}.")
    if not wanted:
        return None
    folder = key_template.rpartition("/")[0]
    if isinstance(wanted, str):
        template = check_key_template(wanted, MANIFEST_PLACEHOLDERS, argument="manifest")
        key = _filled(template, provenance)
    elif _names_task_only(folder):  # known without outputs, so it is found again after they were deleted
        key = _filled(_in(folder), provenance)
    elif planned:
        key = _in(planned[0].key.rpartition("/")[0])
    else:
        return None
    if planned and identity_of(key) in {identity_of(one.key) for one in planned}:
        raise WiroUsageError(
            f"The manifest and an output would both land in {key!r}. Give manifest another key."
        )
    return key


def _filled(template: str, provenance: Provenance) -> str:
    labels = label_values(template, provenance.label, "manifest")
    return fill_key(template, {**provenance.placeholders, **labels}, argument="manifest")


def _in(folder: str) -> str:
    return f"{folder}/manifest.json" if folder else "manifest.json"


def _names_task_only(template: str) -> bool:
    try:
        check_key_template(f"{template}/x", MANIFEST_PLACEHOLDERS)
    except WiroUsageError:
        return False
    return True


def manifest_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the manifest's upload arguments: the outputs', without what describes them or makes them public.

    It contains the prompt, so an ACL that makes a picture public doesn't apply to it.
    """
    kept = {name: value for name, value in arguments.items() if name not in _OF_OUTPUTS}
    if kept.get("ACL") in _PUBLIC_ACLS:
        del kept["ACL"]
    return {
        name: value for name, value in kept.items() if not (name.startswith("Grant") and "uri=" in str(value))
    }


def build(
    task: Task,
    provenance: Provenance,
    planned: Sequence[PlannedObject],
    files: Sequence[Mapping[str, Any]],
    scrub: Callable[[str], str] = str,
) -> dict[str, Any]:
    """
    Return a manifest.

    :param files: as the operator returns them, one for each landing.
    :param scrub: removes known secrets from a text.
    """
    parameters = masked(task.parameters, scrub)
    return {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "wiro_task_id": provenance.wiro_task_id,
        "api": provenance.api,
        "model": masked(provenance.model, scrub),
        **({} if provenance.label is None else {"label": plain_values(masked(provenance.label, scrub))}),
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
            "dag_id": provenance.dag_id,
            "run_id": provenance.run_id,
            "task_id": provenance.task_id,
            "map_index": provenance.map_index,
            "try_number": provenance.try_number,
        },
        "total_bytes": sum(file["size"] for file in files),
        "outputs": [
            {
                "key": one.key,
                **{name: file[name] for name in ("uri", "name", "size", "sha256", "content_type", "etag")},
                "source": _source(one, scrub),
            }
            for one, file in zip(planned, files, strict=True)
        ],
    }


def _is_seed(name: str, value: object) -> bool:
    return name.lower() == "seed" and not isinstance(value, dict | list)


def _source(planned: PlannedObject, scrub: Callable[[str], str]) -> dict[str, Any]:
    """Return where an object was read from, without the URL, by which a reader could fetch the file."""
    output = planned.output
    return {
        "output": output.index,
        "part": planned.part or None,
        "name": plain(text_without_secrets(output.name, scrub)),
        "content_type": plain(text_without_secrets(output.content_type, scrub)) or None,
        "host": urlsplit(output.url).hostname if output.url else None,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def to_bytes(manifest: Mapping[str, Any]) -> bytes:
    """Return a manifest's bytes."""
    return json_text(manifest, sort_keys=True).encode("utf-8", "replace") + b"\n"


def from_bytes(body: bytes, wiro_task_id: str, api: str | None = None) -> dict[str, Any] | None:
    """
    Parse a stored manifest; return None if these bytes are none, or another task's.

    :param api: the host of the task's API. Manifests of earlier versions don't name it.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("kind") != KIND or found.get("wiro_task_id") != wiro_task_id:
        return None
    return found if None in {api, found.get("api")} or found["api"] == api else None


def recorded_digest(earlier: Mapping[str, Any] | None, key: str, etag: str) -> str | None:
    """Return an object's digest from an earlier manifest, None if it has none for this ETag."""
    outputs = (earlier or {}).get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        if isinstance(output, dict) and (output.get("key"), output.get("etag")) == (key, etag):
            digest = output.get("sha256")
            return digest if isinstance(digest, str) else None
    return None


def is_equivalent(earlier: Mapping[str, Any] | None, manifest: Mapping[str, Any]) -> bool:
    """Whether an earlier manifest says the same of the task and its objects, whichever run landed them."""
    if earlier is None:
        return False
    new = json.loads(to_bytes(manifest))
    # A manifest of an earlier version may lack fields.
    missing = {**dict.fromkeys(new), "api": new.get("api")}
    return {**missing, **earlier, "airflow": None} == {**new, "airflow": None}


class ManifestStore(Protocol):
    """Where a manifest is, or is to be; ``uri`` names it in messages."""

    uri: str

    def read(self) -> bytes | None:
        """Return what is there, None if nothing is."""

    def put(self, body: bytes, *, only_if_absent: bool) -> None:
        """
        Store a manifest.

        :param only_if_absent: overwrite nothing, where the store knows conditional writes.
        :raises ObjectExistsError: something is there.
        """


class ManifestFile:
    """
    One task's manifest: read before anything lands, written when everything has.

    :param replace: whether something else that is there may be overwritten.
    :param api: the host of the API whose task it is, None if not known.
    :ivar earlier: the manifest that an earlier run left of the same Wiro task.
    :raises WiroOutputRefusedError: something else is there, and ``replace`` is False.
    """

    def __init__(
        self, store: ManifestStore, wiro_task_id: str, *, replace: bool, api: str | None = None
    ) -> None:
        self._store = store
        self._api = api
        self._wiro_task_id = wiro_task_id
        self._replace = replace
        self.earlier = self._read()

    @property
    def uri(self) -> str:
        return self._store.uri

    def write(self, manifest: Mapping[str, Any], *, keep: bool = False) -> None:
        """
        Store a manifest, unless an equivalent one is there.

        :param keep: leave one of this task that is there as it is: Wiro no longer has what it describes.
        """
        if (keep and self.earlier) or is_equivalent(self.earlier, manifest):
            log.info("Kept %s: it says the same.", self.uri)
            return
        body = to_bytes(manifest)
        try:
            self._store.put(body, only_if_absent=self.earlier is None and not self._replace)
        except ObjectExistsError:
            # Another run of the same task was faster; of anything else _read raises.
            self.earlier = self._read()
            if not is_equivalent(self.earlier, manifest):
                self._put_again(body)
        log.info("Wrote %s.", self.uri)

    def _put_again(self, body: bytes) -> None:
        """Replace this task's own manifest; where the store shows none, write only if there is none."""
        try:
            self._store.put(body, only_if_absent=self.earlier is None)
        except ObjectExistsError as error:
            raise WiroOutputUnavailableError(
                f"Another task writes {self.uri} at this moment; nothing was overwritten."
            ) from error

    def _read(self) -> dict[str, Any] | None:
        body = self._store.read()
        found = None if body is None else from_bytes(body, self._wiro_task_id, self._api)
        if body is not None and found is None and not self._replace:
            raise WiroOutputRefusedError(
                f"{self.uri} is there already and is not the manifest of Wiro task "
                f"{self._wiro_task_id}. Give manifest another key, or overwrite it with replace=True."
            )
        return found

"""Where in any store outputs are to land, as a user says it in the arguments of the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.filenames import check_key_template
from airflow_provider_wiro.hooks.stored_file import with_connection
from airflow_provider_wiro.landing.landings import PLACEHOLDERS
from airflow_provider_wiro.landing.manifest import manifest_key
from airflow_provider_wiro.landing.manifest_object import ManifestObject
from airflow_provider_wiro.landing.manifest_places import InStore
from airflow_provider_wiro.landing.stored_output import StoredOutput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_wiro.landing.landings import Landing
    from airflow_provider_wiro.landing.provenance import Origin


def path_template(path: Any) -> str:
    """
    Return the template of the outputs' URIs or local paths.

    :param path: text, or an ObjectStoragePath.
    :raises WiroUsageError: it has an unknown placeholder, or is empty.
    """
    return check_key_template(with_connection(path), PLACEHOLDERS, argument="path")


def open_manifest(
    wanted: Any, template: str, landings: Sequence[Landing], origin: Origin, *, replaces: bool
) -> ManifestObject | None:
    """
    Look at the manifest that is there; None if none is wanted, or there is nothing to tell of.

    :param wanted: True puts it beside the first output; a URI, local path or ObjectStoragePath where it says.
    :param template: of the outputs.
    :raises WiroError: it makes no sense, or something else is there.
    """
    given = wanted if isinstance(wanted, bool) else with_connection(wanted)
    uri = manifest_key(given, template, landings, origin.placeholders) if landings else None
    if uri is None:
        return None
    place = InStore(StoredOutput(uri))
    return ManifestObject(place, origin.wiro_task_id, replace=replaces, api=origin.api)

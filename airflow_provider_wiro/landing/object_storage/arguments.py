"""Where in any store outputs are to land, as a user says it in the arguments of the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.input_files.stored_file import with_connection
from airflow_provider_wiro.landing.manifest import manifest_key
from airflow_provider_wiro.landing.manifest_file import ManifestFile
from airflow_provider_wiro.landing.manifest_stores import StorageManifestStore
from airflow_provider_wiro.landing.object_storage.file import StoredOutput
from airflow_provider_wiro.storage.location import fixed_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_wiro.landing.plan import PlannedObject
    from airflow_provider_wiro.landing.provenance import Provenance


def open_outputs(
    landings: Sequence[PlannedObject], template: str, unrendered: str | None
) -> list[StoredOutput]:
    """
    Return the files of all outputs; nothing is written or read yet.

    :param template: of their paths, rendered by Jinja.
    :param unrendered: the same as the DAG file has it, None if not known.
    :raises WiroUsageError: there is no such store, or a file is outside of the template's fixed folder.
    """
    below = fixed_folder(unrendered, template)
    return [StoredOutput(landing.key, below=below) for landing in landings]


def open_manifest(
    wanted: Any,
    template: str,
    landings: Sequence[PlannedObject],
    origin: Provenance,
    *,
    replaces: bool,
    unrendered: str | None = None,
) -> ManifestFile | None:
    """
    Look at the manifest that is there; None if none is wanted, or there is nothing to tell of.

    :param wanted: True puts it beside the first output; a URI, local path or ObjectStoragePath where it says.
    :param template: of the outputs.
    :param unrendered: what is fixed of ``wanted``, or with True of the template: as the DAG file has it.
    :raises WiroError: it makes no sense, or something else is there.
    """
    given = wanted if isinstance(wanted, bool) else with_connection(wanted)
    uri = manifest_key(given, template, landings, origin.placeholders) if landings else None
    if uri is None:
        return None
    below = fixed_folder(unrendered, template if given is True else str(given))
    file = StoredOutput(uri, below=below, argument="manifest", is_private=True)
    return ManifestFile(StorageManifestStore(file), origin.wiro_task_id, replace=replaces, api=origin.api)

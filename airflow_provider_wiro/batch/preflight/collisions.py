"""Refuses, before the first Run, that outputs, manifest and inputs of a batch overwrite each other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.preflight.id_collisions import check_ids, pieces_after_id
from airflow_provider_wiro.exceptions import WiroOutputRefusedError, WiroUsageError
from airflow_provider_wiro.landing.key_separation import SAME_MODEL, is_apart
from airflow_provider_wiro.storage.location import (
    check_below,
    fixed_folder,
    identity_of,
    local_folder,
    parse_target,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.landing.plan import PlannedObject

#: Placeholders that differ from item to item.
_OF_ITEM = frozenset({"item", "wiro_task_id"})


def check_item_keys(s3_key: str, items: int) -> None:
    """
    Refuse a template by which outputs of two items can get the same key.

    :param s3_key: rendered by Jinja; a key or an ``s3://`` URL.
    :param items: how many there are.
    :raises WiroUsageError: no placeholder differs from item to item, or none is separated from its
        neighbours: ``{item}{index}`` is 111 for item 1 and for item 11.
    """
    if items < 2 or _is_apart_by_number(_key(s3_key)) or any(True for _ in pieces_after_id(_key(s3_key))):
        return
    raise WiroUsageError(
        f"Expected {{item}} or {{wiro_task_id}} in s3_key, separated from other placeholders, as in "
        f"'wiro/{{item}}/{{index}}-{{name}}', found {s3_key[:200]!r}: outputs of two of the {items:,} items "
        "could have one key. Where items have ids, {id} before other placeholders does it, too. Nothing was "
        "submitted."
    )


def check_ids_in_keys(s3_key: str, inputs: Inputs) -> None:
    """
    Refuse ids by which outputs of two items can get the same key, and items without one.

    :param s3_key: rendered by Jinja; a key or an ``s3://`` URL. Without ``{id}`` nothing is checked.
    :raises WiroUsageError: says which items.
    """
    key = _key(s3_key)
    if "{id}" in key:
        beside = [] if _is_apart_by_number(key) else list(pieces_after_id(key))
        check_ids(inputs.ids, inputs.name, beside)


def _key(s3_key: str) -> str:
    return s3_key.partition("://")[2].partition("/")[2] if "://" in s3_key else s3_key


def _is_apart_by_number(key: str) -> bool:
    return is_apart(key, _OF_ITEM, same=SAME_MODEL)


def check_manifest(manifest: str, template: str | None, inputs: Any) -> None:
    """
    Refuse a manifest in a folder that a templated piece chose, or in place of the inputs.

    :param manifest: its path or URI.
    :param template: the same as the DAG file has it, None if not known.
    :param inputs: a path or URI, or the items themselves.
    :raises WiroUsageError: it is outside the template's fixed folder, or would replace the inputs.
    """
    location = parse_target(manifest, "manifest_uri")
    if isinstance(inputs, str | os.PathLike) and identity_of(os.fspath(inputs).strip()) == location.identity:
        raise WiroUsageError(
            f"The manifest would replace the inputs in {manifest[:200]!r}. Give manifest_uri another place."
        )
    folder = fixed_folder(template, manifest)
    if location.is_local and folder is not None:
        check_below(Path(location.path), local_folder(folder), "manifest_uri")


def refuse_manifests_place(landings: Sequence[PlannedObject], bucket: str, manifest: str | None) -> None:
    """
    Refuse an item's outputs if one would overwrite the batch's manifest.

    :param bucket: of the outputs.
    :param manifest: its path or URI, None if not known.
    :raises WiroOutputRefusedError: one would.
    """
    if manifest is None:
        return
    reserved = identity_of(manifest)
    for landing in landings:
        if identity_of(f"s3://{bucket}/{landing.key}") == reserved:
            raise WiroOutputRefusedError(
                f"Output {landing.output.index} would land in {landing.key!r}, the place of the batch's "
                "manifest. Give manifest_uri or s3_key another folder."
            )

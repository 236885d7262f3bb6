"""
Which JSON objects are lines of a manifest: of a batch's, or of an export's. Pure.

A result can name any file that the task's connection reads. Of one that is no manifest, nothing is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.gallery.manifests.lines import item_of_value

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATUSES = frozenset({"succeeded", "reused", "failed", "not_run"})
_STATES = frozenset({"queued", "running", "succeeded", "failed", "cancelled"})


def is_manifest_line(value: Mapping[str, Any]) -> bool:
    """Whether an object is a line of a manifest."""
    return _is_of_batch(value) or _is_of_export(value)


def _is_of_batch(value: Mapping[str, Any]) -> bool:
    status = value.get("status")
    return item_of_value(value) is not None and isinstance(status, str) and status in _STATUSES


def _is_of_export(value: Mapping[str, Any]) -> bool:
    state = value.get("state")
    return (
        isinstance(value.get("wiro_task_id"), str)
        and isinstance(value.get("files"), list)
        and isinstance(state, str)
        and state in _STATES
    )

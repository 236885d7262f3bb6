"""Telling runs apart: the fingerprint of what is to be run, and whether a task of Wiro's list is that run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.parameters import FileUrl, clean_parameters, split_slug
from airflow_provider_wiro.api.wire import number, text

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.parameters import FileValue


def fingerprint(
    model: str,
    parameters: Mapping[str, Any],
    files: Mapping[str, Sequence[FileValue]],
    project_id: str | None = None,
) -> str:
    """
    Return a digest of what is to be run; equal for two runs that would be the same to Wiro.

    Files count by their URL, or by what identifies their content.
    """
    run = {
        "model": list(split_slug(model)),
        "parameters": clean_parameters(parameters),
        "files": {
            name: [value.url if isinstance(value, FileUrl) else value.identity for value in values]
            for name, values in files.items()
        },
        "project": project_id,
    }
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()


class Likeness(Enum):
    """Whether a task that Wiro lists is the run we look for."""

    SAME = "same"
    OTHER = "other"
    UNCLEAR = "unclear"  # the item is abridged: it doesn't show what tells them apart


def likeness(task: Task, model: str, parameters: Mapping[str, Any]) -> Likeness:
    """
    Compare a listed task with a run.

    Wiro writes numbers as text, lower-cases slugs and adds defaults, so what was sent has to be there in any
    of its forms, and what wasn't sent is not looked at. Files are not compared: Wiro keeps copies under names
    of its own.
    """
    if task.model is not None and _plain_slug(task.model) != _plain_slug(model):
        return Likeness.OTHER
    sent = clean_parameters(parameters)
    seen = task.parameters
    if any(name in seen and not _is_same(value, seen[name]) for name, value in sent.items()):
        return Likeness.OTHER
    if task.model is None or any(name not in seen for name in sent):
        return Likeness.UNCLEAR
    return Likeness.SAME


def _plain_slug(model: str) -> str:
    """Return a slug in a form that is the same for the shown and the clean one."""
    return "/".join("-".join(segment.lower().split()) for segment in model.split("/"))


def _is_same(sent: Any, seen: Any) -> bool:
    if isinstance(sent, list | tuple):
        listed = seen if isinstance(seen, list) else text(seen).split(",")
        return len(sent) == len(listed) and all(map(_is_same, sent, listed))
    if isinstance(sent, Mapping) or isinstance(seen, Mapping):
        return json.dumps(sent, sort_keys=True) == json.dumps(seen, sort_keys=True)
    return _plain(sent) == _plain(seen)


def _plain(value: Any) -> float | str:
    """Return a value as Wiro may have written it: a number by its value, anything else by its text."""
    if isinstance(value, bool):
        return str(value).lower()
    as_number = number(value)
    return text(value).strip() if as_number is None else as_number

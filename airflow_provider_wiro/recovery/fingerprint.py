"""Fingerprints of what is to be run, and whether a task of Wiro's list is such a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import flag, json_list, number, text
from airflow_provider_wiro.api.model_slugs import plain_slug
from airflow_provider_wiro.api.parameters import FileUrl, clean_parameters, split_slug
from airflow_provider_wiro.input_files.sent_files import is_wiros_own, may_be_a_copy, web_host

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
    Return a digest of what is to be run; equal for two runs that are the same to Wiro.

    Files count by their URL, or by what identifies their content.
    """
    run = {
        "model": list(split_slug(model)),
        "parameters": clean_parameters(parameters),
        "files": {
            name: [
                value.identity or value.url if isinstance(value, FileUrl) else value.identity
                for value in values
            ]
            for name, values in files.items()
        },
        "project": project_id,
    }
    return hashlib.sha256(_sorted(run).encode()).hexdigest()


def _sorted(run: Any) -> str:
    try:
        return json.dumps(run, sort_keys=True)
    except TypeError:  # names that are numbers and texts can't be sorted; sent, they are all texts
        return json.dumps(json.loads(json.dumps(run)), sort_keys=True)


@dataclass(frozen=True)
class Concealed:
    """
    The digests of a value. They are compared with a shown value as the value itself would be.

    :ivar plain: the digest of its words or its number; empty for a structure, which is compared as a whole.
    :ivar whole: the digest of its JSON.
    :ivar cut: the digest of a URL without its query; empty for anything else. (The name is stored.)
    :ivar has_query: whether the URL has a query.
    """

    plain: str
    whole: str
    cut: str = ""
    has_query: bool = False

    def is_same(self, seen: Any) -> bool:
        """Whether a value that Wiro shows is this one."""
        if self.plain and (only := _only_one(seen)) is not None and self.is_same(only):
            return True
        if not self.plain or isinstance(seen, Mapping | list):
            return _digest(_canonical(seen)) == self.whole
        return _digest(repr(_plain(seen))) == self.plain

    def may_be_copy(self, seen: Any, host: str) -> bool:
        """Whether a value that Wiro shows may stand for this URL."""
        shown = text(seen).strip()
        is_truncated = self.has_query and "?" not in shown and _digest(shown) == self.cut
        return bool(self.cut) and (is_wiros_own(shown, host) or is_truncated)

    def to_json(self) -> dict[str, Any]:
        """Return the digests as they are stored."""
        return {name: value for name, value in asdict(self).items() if value or name in {"plain", "whole"}}


def conceal(value: Any) -> Any:
    """Return a parameter's value with a :class:`Concealed` for each text and object in it."""
    if isinstance(value, list | tuple):
        return [conceal(part) for part in value]
    if isinstance(value, Mapping):
        return Concealed("", _digest(_canonical(value)))
    if not isinstance(value, str) or _plain(value) == "":
        return value
    words = value.strip()
    cut = _digest(words.partition("?")[0]) if web_host(words) is not None else ""
    return Concealed(
        _digest(repr(_plain(value))), _digest(_canonical(value)), cut, has_query=bool(cut) and "?" in words
    )


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode(errors="surrogatepass")).hexdigest()[:32]


class Match(Enum):
    """Whether a task that Wiro lists is the run that is searched for."""

    SAME = "same"
    OTHER = "other"
    UNCLEAR = "unclear"  # the list abridges tasks: what would decide isn't shown


def match_task(task: Task, model: str, parameters: Mapping[str, Any], host: str = "") -> Match:
    """
    Compare model and parameters of a listed task with those of a run.

    Wiro writes numbers as text, lower-cases slugs and adds defaults: what was given has to be there in any of
    its forms, and what wasn't given is ignored. Such a form is also what
    :func:`~airflow_provider_wiro.catalog.to_send.to_send` makes of a value, and what it adds. Files are
    compared in :mod:`~airflow_provider_wiro.input_files.sent_files`. In doubt two forms are the same: to take
    the run's own task for another one costs a second run.

    :param host: of the connection's base URL. Wiro may show its own copy of a URL instead of the URL.
    """
    if task.model is not None and plain_slug(task.model) != plain_slug(model):
        return Match.OTHER
    sent = {name: value for name, value in parameters.items() if value is not None}
    seen = task.parameters
    differing = [name for name, value in sent.items() if name in seen and not _is_same(value, seen[name])]
    if not all(_may_be_copies(sent[name], seen[name], host) for name in differing):
        return Match.OTHER
    if differing:
        return Match.UNCLEAR
    # Wiro may leave out an empty value.
    if task.model is None or any(name not in seen and not _is_empty(value) for name, value in sent.items()):
        return Match.UNCLEAR
    return Match.SAME


def _is_empty(value: Any) -> bool:
    return isinstance(value, str) and _plain(value) == ""


def _may_be_copies(sent: Any, seen: Any, host: str) -> bool:
    if isinstance(sent, Concealed):
        return sent.may_be_copy(seen, host)
    if not isinstance(sent, str):
        return False
    return web_host(sent) is not None and may_be_a_copy(text(sent).strip(), text(seen).strip(), host)


def _is_same(sent: Any, seen: Any) -> bool:
    if isinstance(sent, Concealed):
        return sent.is_same(seen)
    if isinstance(sent, list | tuple):
        listed = seen if isinstance(seen, list) else json_list(seen) or text(seen).split(",")
        return len(sent) == len(listed) and all(map(_is_same, sent, listed))
    if not isinstance(sent, Mapping) and (only := _only_one(seen)) is not None and _is_same(sent, only):
        return True
    if isinstance(sent, Mapping) or (isinstance(sent, str) and isinstance(seen, Mapping | list)):
        return _canonical(sent) == _canonical(seen)
    if isinstance(sent, bool):
        return flag(sent) == flag(seen)
    return _plain(sent) == _plain(seen)


def _only_one(seen: Any) -> Any:
    """Return the only element of a list, or of text that is one; None for anything else."""
    listed = seen if isinstance(seen, list) else json_list(seen)
    only = listed[0] if len(listed) == 1 else None
    return None if isinstance(only, Mapping | list) else only


def _canonical(value: Any) -> str:
    """Return a structure as JSON with sorted keys; Wiro may show it as text that is JSON."""
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    return json.dumps(value, sort_keys=True)


def _plain(value: Any) -> float | str:
    """
    Return a value in a form that doesn't depend on how Wiro writes it: a number by its value, a text by its
    words, since forms send line ends in another way than JSON, and a boolean in small letters.
    """
    if isinstance(value, bool | list | tuple | Mapping):
        return json.dumps(value, sort_keys=True)
    as_number = number(value)
    if as_number is not None:
        return as_number
    words = " ".join(text(value).split())
    return words.lower() if words.lower() in {"true", "false"} else words

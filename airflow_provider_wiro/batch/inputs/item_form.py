"""Reads one item as it is given: the model's parameters alone, or beside files, an id and data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_wiro.api.parameters import described
from airflow_provider_wiro.batch.inputs.item_names import checked_data, checked_id
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.input_files.sources import flattened, reference_of
from airflow_provider_wiro.redaction.masking import without
from airflow_provider_wiro.redaction.secret_values import secret_values

#: An item in the long form has one of these keys, for what is sent.
OF_THE_RUN = ("files", "parameters")
#: It may have these beside them, and no other.
_OF_THE_USER = ("id", "data")
_LONG_FORM = frozenset({*OF_THE_RUN, *_OF_THE_USER})
#: What a batch writes beside them about an item that failed, so that the line can be an input as it is.
_OF_THE_RESULT = frozenset({"item", "status", "error"})
#: Why it can't be one: its parameters are missing there.
LEFT_OUT = "left_out"
#: How many hex digits of a SHA-256 identify an item's own input.
_DIGEST_DIGITS = 32
#: Keys that users confuse with these.
_LIKE_OF_THE_RUN = ("file", "parameter", "params")


@dataclass(frozen=True)
class OwnInput:
    """
    What an item says itself, without what is of all items.

    :ivar id: the user's name for it, None if it has none.
    :ivar data: kept beside its result, and never sent.
    :ivar row: of an item that is a row: what identifies its run, whatever the model's schema is. None: its
        parameters and files do.
    """

    parameters: Mapping[str, Any] = field(repr=False)
    files: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    row: Mapping[str, Any] | None = field(default=None, repr=False)


def own_input(raw: Any) -> OwnInput:
    """
    Read an item.

    Keys that all belong to the long form make it the long form, so that none of them is sent by mistake. A
    dict with any other key is the model's parameters, also one that is called ``id``.

    :raises WiroUsageError: it is no item, or it is not clear which of its values are to be sent.
    """
    if not isinstance(raw, Mapping):
        raise WiroUsageError(
            'expected a dict of the model\'s parameters, such as {"prompt": "a teapot"}, found '
            f"{described(raw)}.{_hint(raw)}"
        )
    if raw and _LONG_FORM.issuperset(raw):
        return _long_form(raw)
    if is_fed_back(raw):
        return _fed_back(raw)
    nested = [name for name in (*OF_THE_RUN, *_LIKE_OF_THE_RUN) if isinstance(raw.get(name), Mapping)]
    if nested:
        beside = next((f" beside {str(name)[:50]!r}" for name in raw if name not in nested), "")
        raise WiroUsageError(
            f"found {nested[0]!r}{beside}. Expected the model's parameters, or exactly "
            '{"parameters": {…}, "files": {…}}, with "id" and "data" if you want.'
        )
    return OwnInput(raw)


def is_fed_back(raw: object) -> bool:
    """Whether an item is a line of a batch's file of failed items; a model's parameters can't be one."""
    if not (isinstance(raw, Mapping) and "status" in raw and "item" in raw):
        return False
    beside = raw.keys() - _LONG_FORM - _OF_THE_RESULT
    return beside == {LEFT_OUT} or (not beside and isinstance(raw.get("parameters"), Mapping))


def _fed_back(raw: Mapping[str, Any]) -> OwnInput:
    if LEFT_OUT in raw:
        number, why = str(raw["item"])[:50], str(raw[LEFT_OUT])[:200]
        raise WiroUsageError(
            f"item {number} of the batch that failed is not whole: {why}. Take it from that batch's inputs, "
            "or give these inputs again, with retry_failed_only."
        )
    return _long_form({name: value for name, value in raw.items() if name in _LONG_FORM})


def input_digest(own: OwnInput) -> str:
    """
    Return what identifies an item's own input, without its id and data, and without what is of all items.

    Secrets are masked in it: it stands in the manifest, which more people read than the inputs.
    """
    sent = own.parameters if own.row is None else own.row
    files = (
        {}
        if own.row is not None
        else {name: list(map(reference_of, flattened(given))) for name, given in own.files.items()}
    )
    try:
        text = json.dumps([sent, files], sort_keys=True, default=_shown)
    except (TypeError, ValueError, RecursionError):  # can't be sent, but needs an identity too
        text = _shown([sent, files])
    shown = without(secret_values([sent, files]))(text).encode("utf-8", "backslashreplace")
    return hashlib.sha256(shown).hexdigest()[:_DIGEST_DIGITS]


def _shown(value: object) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def id_of(raw: Mapping[str, Any]) -> str | None:
    """Return the id of an item that :func:`own_input` has read before; None if it has none."""
    has_id = (raw and _LONG_FORM.issuperset(raw)) or is_fed_back(raw)
    given = raw.get("id") if has_id else None
    return None if given is None else checked_id(given)


def _long_form(raw: Mapping[str, Any]) -> OwnInput:
    if not any(name in raw for name in OF_THE_RUN):
        found = " and ".join(repr(name) for name in raw)
        raise WiroUsageError(
            f'found only {found}. Expected "parameters" or "files" beside it, as in {{"id": "SKU-001", '
            '"parameters": {…}}; an item without parameters of its own has "parameters": {}. To send a '
            'parameter of that name, write {"parameters": {"id": …}}.'
        )
    parameters, files = (raw.get(name) for name in ("parameters", "files"))
    return OwnInput(
        mapping(parameters, "its `parameters`"),
        mapping(files, "its `files`"),
        None if raw.get("id") is None else checked_id(raw["id"]),
        checked_data(raw.get("data")),
    )


def mapping(given: Any, what: str) -> Mapping[str, Any]:
    """
    Return a dict as given, None as an empty one.

    :param what: names it in the message.
    :raises WiroUsageError: it is something else.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise WiroUsageError(f"Expected {what} as a dict, found {type(given).__name__}.")
    return given


def _hint(raw: Any) -> str:
    """Return what to do about a row without names, as a database's driver returns it."""
    if not isinstance(raw, list | tuple):
        return ""
    if any(isinstance(value, Mapping) for value in raw):
        return " Put the items of all lists into one list."
    return (
        " A row needs the names of its columns: return dicts, such as [dict(zip(columns, row)) for row in "
        "rows]."
    )

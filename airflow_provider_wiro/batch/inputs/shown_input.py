"""An item's input in a line for people: shortened, and without secrets."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_wiro.redaction.masking import masked, without
from airflow_provider_wiro.redaction.secret_values import secret_values

#: The length of the whole line, and of each text in it.
MOST_CHARACTERS = 200
_MOST_TEXT_CHARACTERS = 80
#: How many entries of a list or an object are shown.
_MOST_ENTRIES = 20


def shown_input(given: Any) -> str:
    """
    Return an item's own input in a line.

    :param given: the item, as it is among the inputs.
    """
    scrub = without(secret_values(given))
    text = json.dumps(_short(masked(_few(given), scrub)), ensure_ascii=False)
    plain = "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
    return plain if len(plain) <= MOST_CHARACTERS else f"{plain[: MOST_CHARACTERS - 1]}…"


def _few(value: Any) -> Any:
    """Return the first entries of an object or a list, which can have millions."""
    if isinstance(value, dict):
        return {name: _few(part) for name, part in list(value.items())[:_MOST_ENTRIES]}
    if isinstance(value, list | tuple):
        return [_few(part) for part in value[:_MOST_ENTRIES]]
    return value


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _short(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_short(part) for part in value]
    if isinstance(value, str) and len(value) > _MOST_TEXT_CHARACTERS:
        return f"{value[: _MOST_TEXT_CHARACTERS - 1]}…"
    return value


def with_input(message: object, shown: str) -> str:
    """Return a message about an item, followed by its input."""
    text = str(message).rstrip()
    end = "" if text.endswith((".", "!", "?", "…")) else "."
    return f"{text}{end} Input: {shown}"

"""Names and values in messages: short, in one line, without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.catalog.schema.values import as_text, is_structure
from airflow_provider_wiro.redaction.masking import masked, without
from airflow_provider_wiro.redaction.plain_text import plain
from airflow_provider_wiro.redaction.secret_values import secret_values

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Characters of a name, and of a value: no prompt is shown whole.
_MOST_OF_A_NAME = 60
_MOST_OF_A_VALUE = 40


def quoted_name(name: object) -> str:
    """Return a name in quotes."""
    return f"'{plain(str(name), _MOST_OF_A_NAME)}'"


def quoted(text: str) -> str:
    """Return a text that is no secret in quotes, such as an option of a schema."""
    return f"'{plain(text, _MOST_OF_A_VALUE)}'"


def shown(name: str, value: Any, given: Mapping[str, Any]) -> str:
    """
    Return the value of a parameter; of a list or object only what it is.

    :param given: all parameters of the run, whose secrets are masked.
    """
    if isinstance(value, list | tuple):
        return f"a list of {len(value):,}"
    if is_structure(value):
        return "an object"
    text = str(value) if isinstance(value, bool) else as_text(value)
    found = str(next(iter(masked({name: text}, without(secret_values(given))).values())))
    return quoted(found) if isinstance(value, str) else plain(found, _MOST_OF_A_VALUE)

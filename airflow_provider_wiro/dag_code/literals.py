"""Foreign values as Python literals, and as literals that Airflow's templates leave as they are. Pure."""

from __future__ import annotations

import ast
import re

from airflow_provider_wiro.api.decoding.fields import text


def literal(value: object) -> str:
    """Return a value as a Python literal, text in double quotes as Airflow's own examples have it."""
    if isinstance(value, str):
        return f'"{"".join(map(_character, value))}"'
    try:
        shown = repr(value)
        return shown if ast.literal_eval(shown) == value else '""'
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # such as JSON's Infinity
        return '""'


def untemplated(value: object) -> str:
    """Return a value as the literal of a templated field, which Airflow renders as this value."""
    return literal(_escaped(value))


def _character(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    # What a terminal or an editor wouldn't show is escaped. (JSON's escapes aren't Python's beyond U+FFFF.)
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _escaped(value: object) -> object:
    if isinstance(value, str):
        return re.sub(r"\{[{%#]", r"{{ '\g<0>' }}", text(value))
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, dict):
        return {name: _escaped(item) for name, item in value.items()}
    return value

"""Rendered fields that Airflow has cut: what is left is the beginning of a dict as Python prints it."""

from __future__ import annotations

import ast
from typing import Any

#: How Airflow begins a field that is longer than ``[core] max_templated_field_length``.
_PREFIX = "Truncated. You can change this behaviour in [core]max_templated_field_length. "
#: How many places, from the end, are tried as the end of the last whole value.
_MOST_ENDS = 200
_LONGEST = 100_000
_ELLIPSIS = "…"


def is_cut(rendered: object) -> bool:
    """Whether Airflow has cut the field."""
    return isinstance(rendered, str) and rendered.startswith(_PREFIX)


def read_cut(rendered: str) -> dict[str, Any]:
    """
    Return what is left of a dict; empty if nothing can be read.

    A text that is cut ends with an ellipsis. Nothing is run: only literals are read.
    """
    left = _quoted(rendered.removeprefix(_PREFIX)[:_LONGEST])
    for end in ("", f"{_ELLIPSIS}'}}", f'{_ELLIPSIS}"}}', "}"):
        found = _literal(left.rstrip("\\") + end if end.startswith(_ELLIPSIS) else left + end)
        if found:
            return found
    at = len(left)
    for _ in range(_MOST_ENDS):
        at = left.rfind(", ", 0, at)
        if at < 0:
            return {}
        found = _literal(f"{left[:at]}}}")
        if found:
            return found
    return {}


def _quoted(left: str) -> str:
    """Return what is left without Airflow's ending, and without the quotes of Airflow 3.1."""
    left = left.rstrip().removesuffix("...")
    if left[:1] in {"'", '"'}:
        try:
            found = ast.literal_eval(left)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return left
        return found if isinstance(found, str) else left
    return left


def _literal(code: str) -> dict[str, Any]:
    try:
        found = ast.literal_eval(code)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return {}
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}

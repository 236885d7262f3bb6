"""Values of a run's parameters, read as Wiro reads them: numbers come as text, options are text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

#: As JSON and forms write a number; no ``1_000``, ``0x10`` or ``NaN``.
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,9})?", re.IGNORECASE | re.ASCII)
_LONGEST_NUMBER = 400
#: The exponent of the largest number that a float can hold.
_LARGEST_EXPONENT = 308

BOOLEANS = frozenset({"true", "false", "1", "0", "yes", "no", "on", "off"})


def is_unset(value: object) -> bool:
    """Whether a value says that a parameter isn't set: Wiro's own clients send it as empty text."""
    return value is None or (isinstance(value, str) and not value.strip())


def is_structure(value: object) -> bool:
    """Whether a value is a list or an object."""
    return isinstance(value, Mapping | list | tuple)


def as_text(value: object) -> str:
    """Return a single value as the text by which Wiro compares it: ``5`` is ``5.0``, True is ``true``."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    number = as_number(value)
    if number is None:
        if isinstance(value, int):
            return f"{Decimal(value):.6E}"  # str() raises for thousands of digits
        return "" if is_structure(value) or value is None else str(value)
    return str(int(number)) if is_whole(number) else f"{number:f}"


def as_number(value: object) -> Decimal | None:
    """Return a number exactly, also one that is given as text; None if it is none, or larger than a float."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        shown = value.strip()
        if len(shown) > _LONGEST_NUMBER or not _NUMBER.fullmatch(shown):
            return None
        number = Decimal(shown)
    elif isinstance(value, float):
        number = Decimal(float.__repr__(value))  # not repr: numpy's names its type
    elif isinstance(value, int | Decimal):
        number = Decimal(value)
    else:
        return None
    if not number.is_finite() or (number and number.adjusted() > _LARGEST_EXPONENT):
        return None
    return Decimal(0) if number and number.adjusted() < -_LARGEST_EXPONENT else number


def is_whole(number: Decimal) -> bool:
    """Whether a number has no fraction."""
    return number == number.to_integral_value()


def is_same(value: Any, default: Any) -> bool:
    """Whether a value is a default, where a number and its text are the same."""
    if is_structure(value) or is_structure(default):
        return bool(value == default)
    if is_unset(value) or is_unset(default):
        return is_unset(value) and is_unset(default)
    if as_text(value) == as_text(default):
        return True
    number = as_number(value)
    return number is not None and number == as_number(default)


def listed(value: Any) -> list[Any]:
    """Return the values of a parameter that takes several."""
    return list(value) if isinstance(value, list | tuple) else [value]

"""
Single fields of Wiro's JSON, read tolerantly.

Numbers come as text or as numbers, ``"0"`` as a time means "not yet", any field may be missing, null or of
another kind than documented. Nothing here raises.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any


def text(value: object) -> str:
    """
    Read a field as text; missing, null, booleans and structures become empty.

    NUL and lone surrogates, which JSON can carry and PostgreSQL, UTF-8 and S3 can't, are dropped or replaced.
    """
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:  # most fields: nothing to replace
            return value
    elif value is None or isinstance(value, (bool, dict, list)):  # a tuple: a union is made at each call
        return ""
    return str(value).replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def number(value: object) -> float | None:
    """Read a number that may come as text; None if it is none, infinite or not a number."""
    try:
        result = float(text(value))
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def whole_number(value: object) -> int | None:
    """Read a size or count; None if it is missing, negative or not a number."""
    result = number(value)
    return int(result) if result is not None and result >= 0 else None


def money(value: object) -> str | None:
    """Read an amount in USD, as :func:`plain_usd` writes it; None if it is none."""
    try:
        amount = Decimal(text(value))
    except InvalidOperation:
        return None
    return plain_usd(amount) if amount.is_finite() and abs(amount.adjusted()) < 20 else None


def exact_number(value: object) -> Decimal | None:
    """Read a number that may come as text, exactly; None if it is none, not finite, or absurd."""
    try:
        found = Decimal(text(value).strip())
    except (InvalidOperation, ValueError):  # a whole number of thousands of digits has no text
        return None
    return found if found.is_finite() and abs(found.adjusted()) < 20 else None


def plain_usd(amount: Decimal) -> str:
    """Write an amount exactly, as text for ``Decimal``, without exponent and trailing zeros: ``0.00351``."""
    digits = f"{amount:f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def moment(value: object) -> datetime | None:
    """Read a Unix time in seconds; ``0``, missing or absurd means "not yet"."""
    seconds = number(value)
    if not seconds or seconds < 0:
        return None
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return None


def flag(value: object) -> bool:
    """Read a boolean that may come as a number or text."""
    return value is True or text(value).strip().lower() in {"1", "true", "yes"}


def json_object(value: object) -> Mapping[str, Any] | None:
    """Read an object that may come as JSON inside text; None if it is none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, Mapping) else None


def json_list(value: object) -> list[Any]:
    """Read a list that may come as JSON inside text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    return value if isinstance(value, list) else []

"""The values of a row as JSON has them: what drivers of databases, pandas and Parquet return."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from airflow_provider_wiro.exceptions import WiroUsageError

#: A structure deeper than this contains itself, or is no cell.
_DEEPEST = 50
#: Whole numbers up to this are exact in every JSON reader.
_LARGEST_EXACT = 2**53
#: Digits of a number that is written out.
_LONGEST = 100


def row_values(row: Mapping[Any, Any]) -> dict[str, Any]:
    """
    Return a row's values as JSON has them, without missing ones: NULL, and NaN, as pandas writes it.

    Dates and times become their ISO text, a ``Decimal`` a number where one is as exact and else its text.

    :raises WiroUsageError: a value, or a column's name, can't be written as JSON.
    """
    values = {}
    for name, value in row.items():
        if not isinstance(name, str):
            raise WiroUsageError(f"Expected the names of a row's columns as text, found {name!r:.100}.")
        try:
            plain = _plain(value, _DEEPEST)
        except WiroUsageError as error:
            raise WiroUsageError(f"Column {name!r:.100} has {error}") from error
        if plain is not None:
            values[name] = plain
    return values


def _plain(value: Any, depth: int) -> Any:
    """Return a value as JSON has it, None for one that is missing."""
    if depth == 0:
        raise WiroUsageError("lists in lists that are too deep to be a cell.")
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, date | time):
        is_missing = value != value  # pandas' NaT
        return None if is_missing else value.isoformat()
    return _converted(value, depth)


def _converted(value: Any, depth: int) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        raise WiroUsageError(
            f"{len(value)} bytes. A file is named by its URL or URI; for text, decode it in the query."
        )
    if isinstance(value, Mapping):
        return {str(name): _plain(inner, depth - 1) for name, inner in value.items()}
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
        return _plain(value.tolist(), depth - 1)
    if isinstance(value, Sequence):
        return [_plain(inner, depth - 1) for inner in value]
    raise WiroUsageError(
        f"a {type(value).__name__}, which can't be written as JSON. Convert it in the query, such as by CAST."
    )


def _finite(value: float) -> float | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise WiroUsageError("an infinite number, which JSON lacks.")
    return value


def _number(value: Decimal) -> int | float | str | None:
    if value.is_nan():
        return None
    if value.is_infinite():
        raise WiroUsageError("an infinite number, which JSON lacks.")
    return exact_number(value)


def exact_number(value: Decimal) -> int | float | str:
    """Return a finite number as JSON has it; its text where every reader of JSON would round it."""
    if abs(value) <= _LARGEST_EXACT:
        if value == value.to_integral_value():
            return int(value)
        shown = float(value)
        if Decimal(repr(shown)) == value:
            return shown
    return f"{value:f}" if abs(value.adjusted()) < _LONGEST else str(value)

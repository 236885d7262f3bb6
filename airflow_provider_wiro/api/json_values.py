"""Python values as JSON, for a model's parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from airflow_provider_wiro.exceptions import WiroUsageError

#: A structure deeper than this contains itself, or is no parameter.
_DEEPEST = 200


def json_value(name: str, value: Any) -> Any:
    """
    Return a parameter's value as it is sent.

    A value that JSON has is returned unchanged, so that a run's digest stays the same. ``Decimal`` becomes a
    plain number; another sequence, such as the output of mapped tasks, becomes a list.

    :param name: of the parameter, for the message.
    :raises WiroUsageError: JSON has no such value.
    """
    try:
        _check_no_result(value)
        try:
            _check({name: value})
        except TypeError:
            value = _plain(value, _DEEPEST)
            _check({name: value})
    except WiroUsageError as error:
        problem = str(error)
    except RecursionError:
        problem = "it contains itself, or too many lists in lists"
    except UnicodeEncodeError:
        problem = "its text has half of a surrogate pair, which no encoding can send"
    except ValueError as error:
        is_circular = "Circular" in str(error)
        problem = "it contains itself" if is_circular else "found NaN or an infinite number, which JSON lacks"
    except TypeError as error:
        problem = f"{error}"
    else:
        return value
    raise WiroUsageError(
        f"Parameter {name!r} can't be sent: {problem}. Expected text, numbers, booleans, or lists and dicts "
        "of these. Files belong into `files`."
    )


def _check_no_result(value: Any) -> None:
    """Raise for a run summary: no model takes one as a parameter; the user means a part of it."""
    if isinstance(value, Mapping) and "wiro_task_id" in value and ("outputs" in value or "files" in value):
        raise WiroUsageError(
            "found the whole run summary of another task; for an LLM's answer write `run.output['text']`"
        )


def _check(value: Any) -> None:
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


def _plain(value: Any, depth: int) -> Any:
    if depth == 0:
        raise RecursionError
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(inner, depth - 1) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner, depth - 1) for inner in value]
    if isinstance(value, Decimal):
        return _number(value)
    # Among them Airflow's lazy sequence of the outputs of mapped tasks.
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview | range):
        return [_plain(inner, depth - 1) for inner in value]
    raise WiroUsageError(_instead(value))


def _number(value: Decimal) -> float | int:
    if not value.is_finite():
        raise WiroUsageError(f"found Decimal({str(value)!r}), which is no number")
    exponent = value.as_tuple().exponent
    # Whole numbers stay exact: a float would round those with more than 15 digits.
    return int(value) if isinstance(exponent, int) and exponent >= 0 else float(value)


def _instead(value: Any) -> str:
    """Say what was found, and what to write instead."""
    kind = type(value).__name__
    shown = f"found {kind} {str(value)[:100]!r}"
    if is_operator(value):
        return f"found the operator {value.task_id!r}; for what it returns, write `{value.task_id}.output`"
    if isinstance(value, date | time):
        return f"{shown}; write its text, such as `.isoformat()`"
    if isinstance(value, timedelta):
        return f"{shown}; write `.total_seconds()`"
    if isinstance(value, set | frozenset):
        return f"{shown}, which has no order; write a list"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"found {len(value)} bytes; for text, write `.decode()`"
    if isinstance(value, PurePath) or hasattr(value, "read") or hasattr(value, "__fspath__"):
        return f"found a file ({kind})"
    if callable(value):
        return f"found the function {getattr(value, '__name__', kind)!r}; write what it returns"
    return shown


def is_operator(value: Any) -> bool:
    """Whether a value is an operator, given in place of its output."""
    return hasattr(value, "task_id") and hasattr(value, "output")

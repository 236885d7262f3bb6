"""Checks of arguments that are no template fields (numbers, choices, paths), and of a run's as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from airflow_provider_wiro.dag_arguments.literals import (
    check_callback_url,
    check_conn_id,
    check_files,
    check_model,
    check_parameter_values,
    is_known_later,
)
from airflow_provider_wiro.exceptions import WiroUsageError

_Text = TypeVar("_Text", bound=str)

#: It is a name: it becomes part of keys and of headers.
_LONGEST_LABEL = 200


def check_written_run(
    *,
    model: object,
    parameters: object,
    files: object,
    callback_url: object,
    wiro_conn_id: object,
    max_cost_usd: object,
    reuse_results: object,
) -> None:
    """
    Check what a run and a batch are given in common, as far as the DAG file itself has it.

    :raises WiroUsageError: one of the values can't be right.
    """
    check_model(model)
    check_parameter_values(parameters)
    check_files(files)
    check_callback_url(callback_url)
    check_conn_id(wiro_conn_id)
    if not is_known_later(max_cost_usd):
        check_usd("max_cost_usd", max_cost_usd)
    if not is_known_later(reuse_results):
        check_reuse_results(reuse_results)


def check_state_path(state_path: str | os.PathLike[str] | None) -> str | None:
    """
    Return a path or URI as given: ``~`` is the home directory of the worker, not of the DAG processor.

    :raises WiroUsageError: it is relative, or has a part ``..``.
    """
    if state_path is None:
        return None
    from airflow_provider_wiro.state_files.folder import state_place  # few give one

    found = os.fspath(state_path)
    if found:
        state_place(found, "state_path")
    return found


def check_timeout(timeout: float) -> float:
    """
    Return seconds as given.

    :raises WiroUsageError: it is not a positive number.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
        given: object = timeout
        hint = f" Write {given.total_seconds():g}." if isinstance(given, timedelta) else ""
        raise WiroUsageError(f"Expected timeout as a positive number of seconds, found {given!r}.{hint}")
    return float(timeout)


def one_of(name: str, value: _Text, allowed: tuple[str, ...]) -> _Text:
    """
    Return a value as given.

    :raises WiroUsageError: it is not among those allowed.
    """
    if value not in allowed:
        raise WiroUsageError(f"Expected {name} as one of {', '.join(map(repr, allowed))}, found {value!r}.")
    return value


def check_usd(name: str, amount: object) -> Decimal | None:
    """
    Return an amount in US dollars, None as None.

    :param amount: a number, or its text, such as what a template gives.
    :raises WiroUsageError: it is not a positive number.
    """
    if amount is None:
        return None
    try:
        found = Decimal("NaN" if isinstance(amount, bool) else str(amount).strip())
    except InvalidOperation:
        found = Decimal("NaN")
    if not (found.is_finite() and found > 0):
        raise WiroUsageError(f"Expected {name} as a positive number of US dollars, found {amount!r:.100}.")
    return found


def check_age(name: str, age: float | timedelta | None) -> float | None:
    """
    Return an age in seconds, None as None.

    :raises WiroUsageError: it is neither a positive number of seconds nor a positive timedelta.
    """
    if age is None:
        return None
    seconds = age.total_seconds() if isinstance(age, timedelta) else age
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        raise WiroUsageError(
            f"Expected {name} as a timedelta, or as a positive number of seconds, found {age!r:.100}."
        )
    return float(seconds)


def check_reuse_results(uri: object) -> None:
    """
    Refuse what can't be the place of result cards.

    :raises WiroUsageError: it is no absolute path or URI of a folder.
    """
    if uri is None:
        return
    if not isinstance(uri, str) or not uri.strip():
        raise WiroUsageError(
            "Expected reuse_results as the path or URI of a folder, such as s3://aws_default@bucket/results, "
            f"found {uri!r:.100}."
        )
    from airflow_provider_wiro.storage.location import parse_location  # few give one

    parse_location(uri, "reuse_results")


def check_words(name: str, words: Iterable[str]) -> tuple[str, ...]:
    """
    Return a list of words as a tuple.

    :raises WiroUsageError: it is no list of texts.
    """
    found = None if isinstance(words, str) or not isinstance(words, Iterable) else tuple(words)
    if found is None or not all(isinstance(word, str) and word.strip() for word in found):
        raise WiroUsageError(f"Expected {name} as a list of texts, found {words!r:.100}.")
    return found


def check_label(label: object) -> str | None:
    """
    Return a run's label as text, None if there is none, or if it is empty.

    :param label: text, or a number, such as what a template gives.
    :raises WiroUsageError: it is something else, or too long, or nothing of it could stand in a key.
    """
    if label is None:
        return None
    from airflow_provider_wiro.storage.object_keys import key_segment  # few give one

    is_short = isinstance(label, str | int | float) and not isinstance(label, bool)
    if not is_short or len(str(label).strip()) > _LONGEST_LABEL:
        raise WiroUsageError(
            f"Expected label as text of up to {_LONGEST_LABEL} characters, found {label!r:.100}."
        )
    found = str(label).strip()
    if found and not key_segment(found):
        # Known now, and not after the run was paid for, when a transfer would need it.
        raise WiroUsageError(f"Expected label to have a letter or a digit, found {label!r:.100}.")
    return found or None


def check_min_outputs(min_outputs: int | None) -> int | None:
    """
    Return a number of outputs as given.

    :raises WiroUsageError: it is neither None nor a whole number from 1.
    """
    return None if min_outputs is None else whole_number("min_outputs", min_outputs, least=1, most=100_000)


def whole_number(name: str, value: int, *, least: int, most: int) -> int:
    """
    Return a number as given.

    :raises WiroUsageError: it is no whole number, or not between these.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise WiroUsageError(f"Expected {name} as a whole number from {least} to {most}, found {value!r}.")
    return value

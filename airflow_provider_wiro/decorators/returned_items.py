"""Writes the items that a decorated function has returned, or yielded, into a local file of JSON Lines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.json_values import json_value
from airflow_provider_wiro.batch.inputs.row_values import row_values
from airflow_provider_wiro.decorators.returned import shown
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.input_files.stored_file import with_connection
from airflow_provider_wiro.redaction.secret_values import secret_values

if TYPE_CHECKING:
    from typing import IO

_EXPECTED = (
    'Expected a list, or a generator, of dicts with the model\'s parameters, such as {"prompt": "a teapot"}; '
    "or the path or URI of a file with the items. Nothing was submitted."
)


@dataclass(frozen=True)
class WrittenItems:
    """
    What was written.

    :ivar secrets: values among the items that nothing may show.
    """

    secrets: frozenset[str]


def path_of(found: Any) -> str | None:
    """Return the path or URI that a function has returned in place of items; None for anything else."""
    return with_connection(found) if isinstance(found, str | os.PathLike) else None


def write_items(found: Any, file: IO[str], function: str, *, are_rows: bool = False) -> WrittenItems:
    """
    Write one item a line. A generator is read once, item by item.

    :param function: its name, for messages.
    :param are_rows: the items are rows of a database, whose values Python has and JSON lacks, such as dates.
    :raises WiroUsageError: the function returned something else, or an item is no dict, or no JSON.
    """
    if isinstance(found, Mapping | bytes | bytearray) or not isinstance(found, Iterable):
        problem = f"a dict of {_names(found)}" if isinstance(found, Mapping) else shown(found)
        raise WiroUsageError(f"The function {function!r} returned {problem}. {_EXPECTED}")
    secrets: set[str] = set()
    for number, item in enumerate(found):
        file.write(f"{_line(item, number, function, are_rows=are_rows)}\n")
        secrets.update(secret_values(item))
    return WrittenItems(frozenset(secrets))


def _line(item: Any, number: int, function: str, *, are_rows: bool) -> str:
    where = f"Item {number} of what the function {function!r} returned"
    if not isinstance(item, Mapping):
        kind = type(item).__name__
        raise WiroUsageError(f"{where} is a value of type {kind}, expected a dict. {_EXPECTED}")
    try:
        # A column that is empty in this row is a column, too.
        values = {**dict.fromkeys(item), **row_values(item)} if are_rows else item
        return json.dumps({str(name): _json(str(name), value) for name, value in values.items()})
    except WiroUsageError as error:
        raise WiroUsageError(f"{where}: {error}") from error


def _json(name: str, value: Any) -> Any:
    """
    Return a value as JSON has it; a file's path as text.

    :raises WiroUsageError: JSON has no such value.
    """
    if isinstance(value, os.PathLike):
        return with_connection(value)
    if isinstance(value, Mapping):
        return {str(key): _json(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json(name, inner) for inner in value]
    return value if value is None or isinstance(value, str | int | float) else _plain(name, value)


def _plain(name: str, value: Any) -> Any:
    return json.loads(json.dumps(json_value(name, value), default=lambda inner: json_value(name, inner)))


def _names(found: Mapping[Any, Any]) -> str:
    return ", ".join(repr(name)[:40] for name in islice(found, 4)) or "nothing"

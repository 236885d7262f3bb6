"""Reads a row as an item: which of its columns is the id, which are data, files and parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.parameters import described
from airflow_provider_wiro.batch.inputs import item_form
from airflow_provider_wiro.batch.inputs.item_form import OF_THE_RUN, OwnInput, is_fed_back, own_input
from airflow_provider_wiro.batch.inputs.item_names import checked_data, checked_id
from airflow_provider_wiro.batch.inputs.row_values import exact_number, row_values
from airflow_provider_wiro.catalog.schema.kinds import Takes, is_for_files, names_of, what_it_takes
from airflow_provider_wiro.catalog.schema.values import as_number
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from airflow_provider_wiro.api.catalog import Model

#: How many columns a message names.
_MOST_NAMED = 20
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Columns:
    """
    What the columns of rows are.

    :ivar id_column: of the item's id, None if rows have none.
    :ivar data_columns: kept beside the results, and never sent.
    :ivar takes: parameter → what it takes, by the model's schema; empty if that is not known.
    :ivar file_columns: names by which the model takes files; None if its schema is not known.
    """

    id_column: str | None = None
    data_columns: Sequence[str] = ()
    takes: Mapping[str, Takes] = field(default_factory=dict)
    file_columns: frozenset[str] | None = None

    @classmethod
    def of(cls, id_column: str | None, data_columns: Sequence[str], model: Model | None) -> Columns:
        """
        Return what columns are for a model.

        :param model: None if Wiro can't be asked what the model takes.
        """
        if model is None or not model.parameters:
            return cls(id_column, data_columns)
        files = [name for one in model.parameters if is_for_files(one) for name in names_of(one)]
        takes = {one.id: what_it_takes(one) for one in reversed(model.parameters)}
        return cls(id_column, data_columns, takes, frozenset(files))

    def check(self, known: Sequence[str]) -> None:
        """
        Refuse names that no column has.

        :param known: the names of all columns.
        :raises WiroUsageError: names those that there are.
        """
        wanted = [("id_column", self.id_column)] if self.id_column is not None else []
        wanted += [("data_columns", name) for name in self.data_columns]
        for argument, name in wanted:
            if name not in known:
                shown = ", ".join(map(repr, known[:_MOST_NAMED])) or "none"
                more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
                raise WiroUsageError(
                    f"There is no column {name!r:.100}, which {argument} names. The columns are "
                    f"{shown}{more}."
                )

    def id_of(self, raw: Mapping[str, Any]) -> str | None:
        """
        Return the id of a row, None if rows have none.

        :raises WiroUsageError: its cell is empty, or holds none.
        """
        if is_fed_back(raw):
            return item_form.id_of(raw)
        if self.id_column is None:
            return None
        values = row_values({self.id_column: raw.get(self.id_column)})
        if not values:
            raise WiroUsageError(f"The column {self.id_column!r}, its id, is empty.")
        return checked_id(values[self.id_column])

    def read(self, raw: Any, *, columns: Sequence[str] | None = None) -> OwnInput:
        """
        Read a row.

        :param columns: of all rows; None: each row has its own.
        :raises WiroUsageError: it is no row, or has no id.
        """
        if not isinstance(raw, Mapping):
            raise WiroUsageError(
                'expected a row as a dict of its columns, such as {"prompt": "a teapot"}, found '
                f"{described(raw)}. Return dicts, such as [dict(zip(columns, row)) for row in rows]."
            )
        if is_fed_back(raw):
            return own_input(raw)
        self.check(tuple(map(str, raw)) if columns is None else columns)
        values = row_values(raw)
        data = checked_data({name: values.get(name) for name in self.data_columns})
        own = {
            name: value
            for name, value in values.items()
            if name != self.id_column and name not in self.data_columns
        }
        nested = next((name for name in OF_THE_RUN if isinstance(own.get(name), Mapping)), None)
        if nested is not None:
            raise WiroUsageError(
                f"found {nested!r} in a row. With id_column or data_columns each item is a flat row of "
                'columns; items with an "id" and "data" of their own need neither.'
            )
        files = {name: _sources(value) for name, value in own.items() if name in (self.file_columns or ())}
        parameters = {
            name: _typed(self.takes.get(name), value) for name, value in own.items() if name not in files
        }
        return OwnInput(parameters, files, self.id_of(raw), data, row=own)


def _typed(takes: Takes | None, value: Any) -> Any:
    """Return a cell's text as the parameter takes it; what can't be read as that stays text."""
    if not isinstance(value, str):
        return value
    match takes:
        case Takes.NUMBER | Takes.WHOLE_NUMBER:
            number = as_number(value)
            read = value if number is None else exact_number(number)
            return value if isinstance(read, str) else read  # as it was written
        case Takes.BOOLEAN:
            return _BOOLEANS.get(value.strip().lower(), value)
        case Takes.OPTIONS:
            return _json(value, list)
        case Takes.ANYTHING:
            return _json(value, list | dict)
    return value


def _sources(value: Any) -> Any:
    """Return the file, or several, in a cell: several are a JSON array."""
    return _json(value, list) if isinstance(value, str) else value


def _json(text: str, kind: Any) -> Any:
    """Return a JSON array or object that is given as text; any other text as it is."""
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, kind) else text

"""Where a batch's items come from: a list, or a file of JSON Lines, CSV or Parquet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.inputs.columns import Columns
from airflow_provider_wiro.batch.inputs.csv_rows import csv_rows
from airflow_provider_wiro.batch.inputs.fetched_file import fetched
from airflow_provider_wiro.batch.inputs.json_lines import JsonLines
from airflow_provider_wiro.batch.inputs.parquet_rows import parquet_rows
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_wiro.api.catalog import Model
    from airflow_provider_wiro.batch.inputs.indexed_lines import IndexedLines

_CSV = frozenset({".csv", ".tsv"})
_PARQUET = frozenset({".parquet", ".pq"})


@dataclass(frozen=True)
class InputSource:
    """
    What a batch was given as its inputs.

    :ivar given: a list of items, or the path or URI of a file.
    :ivar id_column: see the operator.
    :ivar data_columns: see the operator.
    :ivar find_model: returns the model as Wiro describes it, None if that is not to be had. Called only for
        rows, whose columns the schema explains.
    """

    given: Any
    id_column: str | None = None
    data_columns: Sequence[str] = ()
    find_model: Callable[[], Model | None] = lambda: None

    def open(self, aws_conn_id: str | None) -> IndexedLines | list[Any]:
        """
        Return the items, of a file those of a copy.

        :param aws_conn_id: the connection by which an ``s3://`` URI that names none is read.
        :raises WiroUsageError: there are none.
        :raises WiroConnectionError: the file can't be fetched.
        """
        if not isinstance(self.given, str | os.PathLike):
            return _listed(self.given)
        if self._suffix in _CSV:
            return csv_rows(fetched(self.given, aws_conn_id, kind="CSV file"))
        if self._suffix in _PARQUET:
            return parquet_rows(fetched(self.given, aws_conn_id, kind="Parquet file"))
        return JsonLines(fetched(self.given, aws_conn_id, kind="file of JSON Lines"))

    def columns(self) -> Columns | None:
        """Return what the columns of the items are; None if they are no rows, and so have none."""
        is_table = isinstance(self.given, str | os.PathLike) and self._suffix in _CSV | _PARQUET
        if not (is_table or self.id_column is not None or self.data_columns):
            return None
        return Columns.of(self.id_column, self.data_columns, self.find_model())

    @property
    def _suffix(self) -> str:
        return PurePosixPath(str(self.given).strip()).suffix.lower()


def _listed(given: Any) -> list[Any]:
    if isinstance(given, Mapping | bytes) or not hasattr(given, "__iter__"):
        raise WiroUsageError(
            "Expected `inputs` as a list of dicts, or the path or URI of a file of JSON Lines, CSV or "
            f"Parquet, found {type(given).__name__}."
        )
    return given if isinstance(given, list) else list(given)

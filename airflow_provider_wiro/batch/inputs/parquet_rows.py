"""Reads a Parquet file some rows at a time; pyarrow, which can, is not installed with this package."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.inputs.row_values import row_values
from airflow_provider_wiro.batch.inputs.spool import spooled
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.batch.inputs.fetched_file import FetchedFile
    from airflow_provider_wiro.batch.inputs.indexed_lines import IndexedLines

#: Rows that are in memory at once.
_ROWS_AT_ONCE = 1000


def parquet_rows(file: FetchedFile) -> IndexedLines:
    """
    Read the rows of a copy of a Parquet file, and delete the copy.

    :raises WiroUsageError: it is no such file, has a value that JSON lacks, or pyarrow is missing.
    """
    try:
        return _read(file)
    finally:
        file.path.unlink(missing_ok=True)


def _read(file: FetchedFile) -> IndexedLines:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise WiroUsageError(
            f"Reading {file.uri} needs pyarrow, which is not installed on this worker: install "
            "airflow-provider-wiro[parquet], or give the inputs as CSV or JSON Lines."
        ) from error
    try:
        with ParquetFile(file.path) as table:
            columns = tuple(map(str, table.schema_arrow.names))
            twice = [name for name, count in Counter(columns).items() if count > 1]
            if twice:
                raise WiroUsageError(
                    f"{file.uri} has the column {twice[0]!r:.100} twice. Give each column a name."
                )
            return spooled(_rows(table, file.uri), columns=columns, unit="row")
    except (ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WiroUsageError(f"{file.uri} can't be read as Parquet: {reason}") from error


def _rows(table: Any, source: str) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE):
        for row in batch.to_pylist():
            number += 1
            try:
                yield number, row_values(row)
            except WiroUsageError as error:
                raise WiroUsageError(f"Row {number} of {source}: {error}") from error

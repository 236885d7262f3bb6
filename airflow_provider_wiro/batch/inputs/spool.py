"""Writes rows into a file of this machine, so that a batch reads them again without holding them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.inputs.indexed_lines import IndexedLines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def spooled(
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    *,
    columns: tuple[str, ...],
    unit: str = "line",
) -> IndexedLines:
    """
    Write rows as they come.

    :param rows: the number of each row's line, and its values as JSON has them.
    :param columns: their names.
    """
    handle, copy = tempfile.mkstemp(prefix="wiro-inputs-", suffix=".jsonl")
    os.close(handle)
    lines = IndexedLines(Path(copy), unit=unit, columns=columns)
    try:
        for number, row in rows:
            lines.append(dict(row), number)
        lines.written()
    except BaseException:
        lines.close()
        raise
    return lines

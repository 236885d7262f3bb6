"""Reads a CSV file with a header, as RFC 4180 has it: each row is an item, each cell text."""

from __future__ import annotations

import csv
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from airflow_provider_wiro.batch.inputs.json_lines import MAX_LINE_BYTES
from airflow_provider_wiro.batch.inputs.spool import spooled
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.batch.inputs.fetched_file import FetchedFile
    from airflow_provider_wiro.batch.inputs.indexed_lines import IndexedLines

#: What may separate the cells; which of them does, the header shows.
_DELIMITERS = ",;\t"
_BOM = b"\xef\xbb\xbf"


def csv_rows(file: FetchedFile) -> IndexedLines:
    """
    Read the rows of a copy of a CSV file, and delete the copy.

    An empty cell sets nothing. A row of empty cells only is no item, as spreadsheets leave such at the end.

    :raises WiroUsageError: it is no such file; says in which line.
    """
    try:
        with file.path.open("rb") as lines:
            first = next(filter(str.strip, _text(lines, file.uri)), "")
            delimiter = _delimiter(first, file.uri)
            lines.seek(0)
            reader = csv.reader(_text(lines, file.uri), delimiter=delimiter, strict=True)
            records = _records(reader, file.uri)
            _, names = next(records, (1, []))
            columns = _columns(names, file.uri)
            return spooled(_rows(records, columns, file.uri), columns=columns)
    finally:
        file.path.unlink(missing_ok=True)


def _rows(
    records: Iterator[tuple[int, list[str]]], columns: tuple[str, ...], source: str
) -> Iterator[tuple[int, dict[str, str]]]:
    for number, cells in records:
        if len(cells) != len(columns):
            raise WiroUsageError(
                f"Line {number} of {source} has {_count(cells)}, the header has {len(columns)}. Put a cell "
                'in double quotes if it has the delimiter or a line break in it, and write " in it as "".'
            )
        row = {name: cell for name, cell in zip(columns, cells, strict=True) if cell}
        if row:
            yield number, row


def _count(cells: list[str]) -> str:
    return "1 cell" if len(cells) == 1 else f"{len(cells)} cells"


def _records(reader: Iterator[list[str]], source: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that isn't an empty line, with the number of the line in which it starts."""
    while True:
        number = reader.line_num + 1  # type: ignore[attr-defined]  # csv's, which typeshed hides
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise WiroUsageError(
                f"Line {number} of {source} is no CSV ({error}). Put a cell in double quotes if it has the "
                'delimiter or a line break in it, and write " in such a cell as "". Longer texts than 128 KB '
                "belong into JSON Lines."
            ) from error
        if cells:
            yield number, cells


def _text(lines: BinaryIO, source: str) -> Iterator[str]:
    readline = partial(lines.readline, MAX_LINE_BYTES + 1)
    for number, line in enumerate(iter(readline, b""), 1):
        if len(line) > MAX_LINE_BYTES:
            raise WiroUsageError(f"Line {number} of {source} has more than {MAX_LINE_BYTES} bytes.")
        yield _decoded(line.removeprefix(_BOM) if number == 1 else line, number, source)


def _decoded(line: bytes, number: int, source: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        found = "UTF-16" if line[:2] in {b"\xff\xfe", b"\xfe\xff"} else f"the byte 0x{line[error.start]:02x}"
        raise WiroUsageError(
            f"Line {number} of {source} is not UTF-8: found {found}. Save the file as CSV UTF-8."
        ) from error


def _delimiter(header: str, source: str) -> str:
    """Return the delimiter that a header has outside of quotes; a comma if it has none."""
    outside = "".join(header.split('"')[::2])
    counts = Counter({one: outside.count(one) for one in _DELIMITERS})
    (best, most), (second, next_most), _ = counts.most_common()
    if most and most == next_most:
        raise WiroUsageError(
            f"The header of {source} has as many {best!r} as {second!r}, so it isn't clear which separates "
            "its cells. Put a name with either in it into double quotes."
        )
    return best if most else ","


def _columns(names: list[str], source: str) -> tuple[str, ...]:
    columns = tuple(name.strip() for name in names)
    if not columns:
        raise WiroUsageError(
            f"Expected a header with the names of the model's parameters in the first line of {source}, "
            "found nothing."
        )
    nameless = [position for position, name in enumerate(columns, 1) if not name]
    if nameless:
        raise WiroUsageError(f"Column {nameless[0]} of {source} has no name in the header. Give it one.")
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise WiroUsageError(f"The header of {source} has {twice[0]!r:.100} twice. Give each column a name.")
    return columns

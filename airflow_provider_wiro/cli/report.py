"""Report: what a command found, as JSON or as tables for a terminal."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from airflow_provider_wiro.redaction.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Columns of a table that is piped or redirected: a terminal's own width isn't known then.
_PIPED_WIDTH = 160
#: Characters of a cell.
_LONGEST_CELL = 300


@dataclass(frozen=True)
class Table:
    """
    A table; a cell that is None is empty.

    :ivar title: above it; may be empty.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Report:
    """
    What a command found.

    :ivar data: JSON-safe.
    :ivar lines: text above the tables, each on a line of its own.
    :ivar tables: for a terminal.
    :ivar text: printed exactly as it is, in place of lines and tables: code.
    :ivar warnings: for people, on standard error.
    """

    data: Any
    lines: Sequence[str] = ()
    tables: Sequence[Table] = field(default=())
    text: str | None = None
    warnings: Sequence[str] = ()

    def write(self, output: TextIO, *, as_json: bool) -> None:
        """Print it."""
        if as_json:
            output.write(json.dumps(self.data, indent=2, ensure_ascii=False) + "\n")
        elif self.text is not None:
            output.write(self.text)
        else:
            _print(self.lines, self.tables, output)


def _print(lines: Iterable[str], tables: Iterable[Table], output: TextIO) -> None:
    # Airflow requires rich itself, for its own command line.
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(file=output, width=None if output.isatty() else _PIPED_WIDTH, highlight=False)
    for line in lines:
        # Text has no markup: "[red]" in a model's name stays as it is.
        console.print(Text(plain(line)), soft_wrap=True)
    for table in tables:
        shown = RichTable(title=Text(table.title) if table.title else None, title_justify="left")
        for index, column in enumerate(table.columns):
            shown.add_column(column, overflow="fold", no_wrap=index == 0)
        for row in table.rows:
            shown.add_row(*(Text("" if cell is None else plain(str(cell), _LONGEST_CELL)) for cell in row))
        console.print(shown)

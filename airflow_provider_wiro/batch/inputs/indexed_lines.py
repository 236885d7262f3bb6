"""IndexedLines: JSON objects in a file of this machine, one a line, and where in it each starts."""

from __future__ import annotations

import json
import os
from array import array
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class IndexedLines:
    """
    Objects in a file, each read where needed: a million of them take 16 MB of memory.

    :param path: of the file, which :meth:`close` deletes.
    :param unit: what a line number counts in the user's file, for messages.
    :ivar columns: the names of the columns, of a file that has such; None of any other.
    """

    def __init__(self, path: Path, *, unit: str = "line", columns: tuple[str, ...] | None = None) -> None:
        self.unit = unit
        self.columns = columns
        self._path = path
        self._file = path.open("r+b")
        self._starts = array("Q")
        self._end = 0
        self._numbers = array("L")

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, number: int) -> Any:
        if number >= len(self._starts):
            raise IndexError(number)
        start, follower = self._starts[number], number + 1
        end = self._starts[follower] if follower < len(self._starts) else self._end
        # Not seek() and read(): a signal handler may read an item between the two.
        return json.loads(os.pread(self._file.fileno(), end - start, start))

    def line_number(self, number: int) -> int:
        """Return the line of the user's file in which an object starts."""
        return self._numbers[number]

    def append(self, row: dict[str, Any], line_number: int) -> None:
        """Write an object at the end. Call :meth:`written` before the first is read."""
        self._starts.append(self._end)
        self._numbers.append(line_number)
        self._end += self._file.write(json.dumps(row).encode() + b"\n")

    def written(self) -> None:
        """Have everything that was appended in the file."""
        self._file.flush()

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
        with suppress(OSError):
            self._path.unlink()

"""
A journal as the version before kept it on local disks: one file, of which segments are made when it is read.

A batch that was half done when the provider was upgraded continues. Remove this module once no such file can
be left.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.journal.interface import from_line, readable_entry, to_line
from airflow_provider_wiro.storage.local_folder import lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_wiro.batch.state.entries import Entry

#: The line by which a process took the file over. It is no entry.
_OPENED = "opened"


class EarlierFile:
    """
    The file: a line is an entry, and a last line without its end is what a crash truncated.

    :ivar position: where the entry is that was read last.
    """

    def __init__(self, path: Path) -> None:
        self.position = str(path)
        self._path = path

    @property
    def exists(self) -> bool:
        """Whether it holds a journal; an empty file is one that was only created."""
        return self._path.exists() and self._path.stat().st_size > 0

    def read(self) -> Iterator[Entry]:
        """
        Fence a process of the version before, which checks that the file is as long as it left it; then yield
        the entries.

        :raises WiroOrphanedRunError: a line is damaged.
        """
        with self._path.open("r+b") as file:
            lock(file)
            *lines, truncated = file.read().split(b"\n")
            file.seek(-len(truncated), os.SEEK_END)
            file.truncate()
            file.write(to_line({"what": _OPENED}).encode())
        for number, line in enumerate(lines, start=1):
            self.position = f"line {number} of {self._path}"
            entry = from_line(line, self.position)
            if entry.get("what") != _OPENED:
                yield entry

    def salvage(self) -> Iterator[Entry]:
        """Yield the entries that can be read."""
        if self.exists:
            for line in self._path.read_bytes().splitlines():
                entry = readable_entry(line)
                if entry is not None and entry.get("what") != _OPENED:
                    yield entry

    def remove(self) -> None:
        """Delete the file, if it exists."""
        self._path.unlink(missing_ok=True)

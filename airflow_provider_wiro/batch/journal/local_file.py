"""A batch's journal in a file on this machine, or on a file system that several share."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.journal.interface import (
    JournalFencedError,
    from_line,
    readable_entry,
    to_line,
    unreadable,
    unwritable,
)
from airflow_provider_wiro.storage.private_files import open_in_folder, open_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import IO

    from airflow_provider_wiro.batch.state.batch_state import Entry

#: What a file system says that has no locks. Without them two writes at the very same moment may both pass.
_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP})
#: The line by which a process takes the journal over. It is no entry.
_OPENED = "opened"


class FileJournal:
    """
    A file of a line an entry.

    Whoever takes it over adds a line, and so makes the file longer than everybody else knows it.
    """

    def __init__(self, path: Path) -> None:
        self.position = str(path)
        self._path = path
        self._token = secrets.token_hex(8)
        self._size = 0
        self._inode = 0

    def read(self) -> Iterator[Entry]:
        """See :class:`JournalStore`. A last line without its end is what a crash cut off: it is dropped."""
        try:
            self._take_over()
            with self._path.open("rb") as file:
                left = self._size
                for number, line in enumerate(file, start=1):
                    left -= len(line)
                    if left < 0:  # by whoever has taken it over since
                        return
                    self.position = f"line {number} of {self._path}"
                    entry = from_line(line, self.position)
                    if entry.get("what") != _OPENED:
                        yield entry
        except FileNotFoundError:
            return
        except OSError as error:
            raise unreadable(str(self._path), error) from error

    def salvage(self) -> Iterator[Entry]:
        """See :class:`JournalStore`."""
        try:
            with self._path.open("rb") as file:
                for line in file:
                    entry = readable_entry(line)
                    if entry is not None and entry.get("what") != _OPENED:
                        yield entry
        except FileNotFoundError:
            return
        except OSError as error:
            raise unreadable(str(self._path), error) from error

    def append(self, entries: list[Entry]) -> None:
        """See :class:`JournalStore`."""
        try:
            with self._path.open("r+b") as file, _locked(file):
                self._check()
                self._add(file, "".join(map(to_line, entries)).encode())
        except OSError as error:
            raise unwritable(str(self._path), error) from error

    def replace(self, entries: Iterable[Entry]) -> None:
        """See :class:`JournalStore`."""
        scratch = self._path.with_name(f"{self._path.name}.{self._token}")
        try:
            if not self._inode:
                self._begin()
            with open_private(scratch, "wb") as file:
                file.writelines(to_line(entry).encode() for entry in entries)
                file.flush()
                os.fsync(file.fileno())
            with self._path.open("r+b") as before, _locked(before):
                self._check()
                scratch.replace(self._path)
            found = self._path.stat()
        except OSError as error:
            raise unwritable(str(self._path), error) from error
        finally:
            scratch.unlink(missing_ok=True)
        self._size, self._inode = found.st_size, found.st_ino

    def check(self) -> None:
        """See :class:`JournalStore`."""
        try:
            self._check()
        except OSError as error:
            raise unreadable(str(self._path), error) from error

    def _check(self) -> None:
        found = self._path.stat()
        if (found.st_ino, found.st_size) != (self._inode, self._size):
            raise JournalFencedError(str(self._path))

    def _begin(self) -> None:
        """Make an empty file, which is no journal yet, but which nobody else can make."""
        try:
            with open_in_folder(self._path, "xb") as file:
                self._inode = os.fstat(file.fileno()).st_ino
        except FileExistsError as error:
            raise JournalFencedError(str(self._path)) from error

    def _take_over(self) -> None:
        self._size = self._inode = 0
        with self._path.open("r+b") as file, _locked(file):
            found = os.fstat(file.fileno())
            self._size = _whole_lines(file, found.st_size)
            self._add(file, to_line({"what": _OPENED, "by": self._token}).encode())
            self._inode = found.st_ino

    def _add(self, file: IO[bytes], body: bytes) -> None:
        try:
            file.truncate(self._size)
            file.seek(self._size)
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            file.truncate(self._size)  # what was half written would spoil what is appended later
            raise
        self._size += len(body)


def _whole_lines(file: IO[bytes], size: int) -> int:
    """Return the length of a file without a last line that has no end."""
    end = size
    while end:
        start = max(0, end - 4096)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


@contextmanager
def _locked(file: IO[bytes]) -> Iterator[None]:
    """Hold an open file for this process alone, until it is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    yield

"""A folder on this machine, or on a file system that several machines share."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.storage.folder import COPIED_BYTES
from airflow_provider_wiro.storage.private_files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

#: Errors of a file system without locks, or without hard links. There, both of two simultaneous
#: compare-and-swaps may succeed.
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EPERM, errno.EMLINK})


class LocalFolder:
    """
    A local folder, as a :class:`~airflow_provider_wiro.storage.folder.Folder`.

    A crash leaves the current file or the new one, never half of one. Only their owner may read the files.
    """

    has_conditional_writes = True

    def __init__(self, path: str) -> None:
        self.uri = path
        self.path = Path(path)

    def read(self, name: str, most: int | None = None) -> bytes | None:
        """See :meth:`Folder.read`."""
        try:
            with (self.path / name).open("rb") as file:
                return file.read(-1 if most is None else most)
        except FileNotFoundError:
            return None

    def write(self, name: str, body: bytes) -> None:
        """See :meth:`Folder.write`."""
        with replacing(self.path / name) as file:
            file.write(body)

    def compare_and_swap(self, name: str, body: bytes, expected: bytes | None) -> bool:
        """See :meth:`Folder.compare_and_swap`."""
        if expected is None:
            try:
                with replacing(self.path / name, put=_move_to_free_name) as file:
                    file.write(body)
            except FileExistsError:
                return self.read(name) == body
            return True
        with _locked(self.path / name) as locked:
            found = None if locked is None else locked.read()
            if found == expected:
                self.write(name, body)
            return found in {expected, body}

    def upload(self, name: str, file: Path) -> None:
        """See :meth:`Folder.upload`."""
        with file.open("rb") as source, replacing(self.path / name) as target:
            shutil.copyfileobj(source, target, COPIED_BYTES)

    def download(self, name: str, file: Path) -> None:
        """See :meth:`Folder.download`."""
        shutil.copyfile(self.path / name, file)

    def names(self, most: int | None = None) -> set[str]:
        """See :meth:`Folder.names`."""
        return {entry.name for entry in self.path.iterdir()} if self.path.is_dir() else set()

    def delete(self, name: str) -> None:
        """See :meth:`Folder.delete`."""
        (self.path / name).unlink(missing_ok=True)


def _move_to_free_name(scratch: Path, path: Path) -> None:
    """Give a file its name; FileExistsError if another file has it. Unlike renaming, linking checks that."""
    try:
        os.link(scratch, path)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        if path.exists():
            raise FileExistsError(path) from error
        scratch.replace(path)
    else:
        scratch.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes] | None]:
    """
    Open the file that is at a path and stays there until the end of the block; None if there is none.

    To replace a file is to hold its lock: who waited for the lock of a file that was replaced meanwhile
    tries that of the new one.
    """
    while True:
        try:
            file: Any = path.open("r+b")  # NFS locks only what is open for writing
        except FileNotFoundError:
            yield None
            return
        with file:
            lock(file)
            if _is_still_at(path, file):
                yield file
                return


def lock(file: IO[bytes]) -> None:
    """Wait for an open file's lock; closing the file releases it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _is_still_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False

"""Local files that only their owner may read, since records, journals and results hold prompts."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

_MODE = 0o600
#: How often to create a file whose folder another process has just removed.
_CREATE_ATTEMPTS = 10
#: Errors of a file system that can't sync a folder; the rename is then as durable as it makes it.
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EACCES, errno.EPERM})


def open_private(path: Path, mode: str) -> IO[bytes]:
    """
    Open a file. If this creates it, only its owner may read or write it, from the first moment.

    :param mode: a binary one of ``open``.
    """
    return cast("IO[bytes]", open(path, mode, opener=_create))


def open_in_folder(path: Path, mode: str = "wb") -> IO[bytes]:
    """Open a private file for writing and create its folder, which another process may remove if empty."""
    for _ in range(_CREATE_ATTEMPTS):
        with suppress(FileNotFoundError, FileExistsError):  # the same race, while its parents are created
            path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            return open_private(path, mode)
    path.parent.mkdir(parents=True, exist_ok=True)
    return open_private(path, mode)


@contextmanager
def replacing(
    path: Path,
    put: Callable[[Path, Path], object] = os.replace,
    *,
    open_file: Callable[[Path, str], IO[bytes]] = open_in_folder,
    scratch: Path | None = None,
) -> Iterator[IO[bytes]]:
    """
    Write a file in place of the current one. A crash leaves either of them, as a whole.

    The new content is on disk before the file is renamed, and the rename before this returns. After an error
    the current file is still there.

    :param put: moves the file that was written to ``path``.
    :param open_file: opens the file that is written first; default: a private one.
    :param scratch: its path, beside ``path``; default: a unique one.
    """
    scratch = scratch or path.with_name(f".{path.name[:100]}.{uuid4().hex}")
    try:
        with open_file(scratch, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        put(scratch, path)
        _sync_folder(path.parent)
    except BaseException:  # also when the task is stopped
        scratch.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def _create(path: str, flags: int) -> int:
    return os.open(path, flags, _MODE)

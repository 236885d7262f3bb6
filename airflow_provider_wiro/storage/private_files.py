"""Local files that only their owner may read: records, journals, results and manifests hold prompts."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

_MODE = 0o600


def open_private(path: Path, mode: str) -> IO[bytes]:
    """
    Open a file; where this creates it, nobody but its owner may read or write it, from its first moment.

    :param mode: a binary one of ``open``.
    """
    return cast("IO[bytes]", open(path, mode, opener=_create))


@contextmanager
def replacing(path: Path, open_file: Callable[[Path, str], IO[bytes]] = open_private) -> Iterator[IO[bytes]]:
    """
    Write a private file in place of the one before: a crash leaves either that or the new one as a whole.

    What is written is on disk before it takes the place. After an error the file before is still there.

    :param open_file: opens the private file that is written first, beside ``path``.
    """
    scratch = path.with_name(f".{path.name[:100]}.{uuid4().hex}")
    try:
        with open_file(scratch, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except BaseException:  # also when the task is stopped
        scratch.unlink(missing_ok=True)
        raise


def _create(path: str, flags: int) -> int:
    return os.open(path, flags, _MODE)

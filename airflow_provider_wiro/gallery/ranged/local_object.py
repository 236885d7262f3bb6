"""A file on this machine, read by ranges of bytes."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_wiro.gallery.ranged.ranged_object import (
    BeyondEndError,
    MissingObjectError,
    ReplacedObjectError,
    StoredFacts,
    UnreadableObjectError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class LocalObject:
    """
    A file, as a :class:`~airflow_provider_wiro.gallery.ranged.ranged_object.RangedObject`.

    :param path: absolute.
    :param folder: the file has to be below it, symbolic links resolved.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder

    @property
    def identity(self) -> tuple[str, ...]:
        """See :attr:`RangedObject.identity`."""
        return ("file", str(self._path))

    def facts(self) -> StoredFacts:
        """See :meth:`RangedObject.facts`."""
        with self._opened() as (_, facts):
            return facts

    def read(self, start: int, stop: int, version: str | None = None) -> tuple[bytes, StoredFacts]:
        """See :meth:`RangedObject.read`."""
        with self._opened() as (handle, facts):
            if version not in {None, facts.version}:
                raise ReplacedObjectError("It was replaced while it was read.")
            if start >= facts.size:
                raise BeyondEndError("It ends before these bytes.")
            return os.pread(handle, stop - start, start), facts

    def read_tail(self, size: int) -> tuple[bytes, StoredFacts]:
        """See :meth:`RangedObject.read_tail`."""
        with self._opened() as (handle, facts):
            return os.pread(handle, size, max(0, facts.size - size)), facts

    @contextmanager
    def _opened(self) -> Iterator[tuple[int, StoredFacts]]:
        real, folder = self._path.resolve(), self._folder.resolve()
        if folder not in real.parents:
            raise UnreadableObjectError("It is in another folder, to which a symbolic link leads.")
        try:
            # Not to wait for the writer of a pipe.
            handle = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise MissingObjectError(
                "There is no such file on the machine of Airflow's API server."
            ) from None
        except OSError as error:
            raise UnreadableObjectError(
                f"Airflow's API server can't read it: {type(error).__name__}."
            ) from None
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise MissingObjectError("It is no file.")
            version = f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"
            yield handle, StoredFacts(found.st_size, version)
        finally:
            os.close(handle)

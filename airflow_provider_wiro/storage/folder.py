"""A folder that outlives a worker: its interface, and how to swap a file where a store can't."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

#: How many bytes are copied at once from or to a local file.
COPIED_BYTES = 1024 * 1024
#: The type of JSON Lines.
JSON_LINES = "application/x-ndjson"


class Folder(Protocol):
    """
    A folder of files, each written as a whole. A name is that of a file directly in the folder.

    It is opened where Airflow may be asked for a connection, and may then be used in one other thread.
    Any call may raise what the store's client raises.
    """

    uri: str
    #: False once it is known that :meth:`compare_and_swap` is no single conditional write.
    has_conditional_writes: bool

    def read(self, name: str, most: int | None = None) -> bytes | None:
        """
        Return a file's bytes, None if there certainly is none.

        :param most: how many bytes are read; None: all.
        """

    def write(self, name: str, body: bytes) -> None:
        """Write a file in place of the current one."""

    def compare_and_swap(self, name: str, body: bytes, expected: bytes | None) -> bool:
        """
        Write a file only if the current one holds ``expected``; None: only if there is none.

        Where a store has no conditional write, the last of two simultaneous writers wins.

        :return: whether the file holds ``body`` now; False if it held something else.
        """

    def upload(self, name: str, file: Path) -> None:
        """Copy a local file of any size here, in place of the current one."""

    def download(self, name: str, file: Path) -> None:
        """Copy a file of any size to a local one; raises FileNotFoundError if there is none."""

    def names(self, most: int | None = None) -> set[str]:
        """
        Return the names of the files and folders in this one.

        :param most: how many are enough: the first by name, where the store sorts them.
        """

    def delete(self, name: str) -> None:
        """Delete a file, if it exists."""


def content_type_of(name: str) -> str:
    """Return the type of a file of a folder: all are JSON, or JSON Lines."""
    return "application/json" if name.endswith(".json") else JSON_LINES


def check_then_write(
    read: Callable[[str], T | None], write: Callable[[str, T], None], name: str, new: T, expected: T | None
) -> bool:
    """Compare and swap where a store has no conditional write: the last of two simultaneous writers wins."""
    found = read(name)
    if found == expected:
        write(name, new)
    return found in {expected, new}

"""Files whose upload is aborted once their process has lost the right to send (fencing)."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from airflow_provider_wiro.api.parameters import FileContent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_wiro.api.parameters import FileValue


def fenced_files(
    files: Mapping[str, Sequence[FileValue]], check: Callable[[], None]
) -> dict[str, list[FileValue]]:
    """
    Return files that call ``check`` before each piece that is read to be sent.

    An upload can take minutes. An error from ``check`` aborts it: an incomplete request starts nothing.
    """
    return {name: [_fenced(value, check) for value in values] for name, values in files.items()}


def _fenced(value: FileValue, check: Callable[[], None]) -> FileValue:
    if not isinstance(value, FileContent):
        return value
    return replace(value, open=lambda: cast("BinaryIO", _FencedFile(value.open(), check)))


class _FencedFile(io.RawIOBase):
    def __init__(self, file: Any, check: Callable[[], None]) -> None:
        self._file = file
        self._check = check

    def __len__(self) -> int:
        return len(self._file)

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        position: int = self._file.tell()
        return position

    def read(self, size: int | None = -1) -> bytes:
        self._check()
        piece: bytes = self._file.read(size)
        return piece

    def readinto(self, buffer: Any) -> int:
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

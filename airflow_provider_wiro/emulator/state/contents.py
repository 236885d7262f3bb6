"""The bytes of a file, which can be read in part: in memory, on disk, or generated as they are read."""

from __future__ import annotations

import hashlib
import random
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK_BYTES = 256 * 1024


class Content(Protocol):
    """The bytes of a stored file."""

    @property
    def size(self) -> int:
        """The length in bytes."""

    @property
    def digest(self) -> str:
        """An identifier of exactly these bytes, in hexadecimal."""

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from `start` up to but excluding `stop`, in pieces of at most `CHUNK_BYTES`."""


class MemoryContent:
    """A small output, whole in memory."""

    def __init__(self, data: bytes) -> None:
        """Keep `data`."""
        self._data = data
        self.size = len(data)
        self.digest = hashlib.sha256(data).hexdigest()

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from `start` up to but excluding `stop`, piece by piece."""
        for offset in range(start, stop, CHUNK_BYTES):
            yield self._data[offset : min(stop, offset + CHUNK_BYTES)]


class DiskContent:
    """An upload, in the emulator's temporary directory."""

    def __init__(self, path: Path, digest: str) -> None:
        """Remember where the bytes are; `digest` is their SHA-256."""
        self._path = path
        self.size = path.stat().st_size
        self.digest = digest

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from `start` up to but excluding `stop`, piece by piece."""
        with self._path.open("rb") as file:
            file.seek(start)
            left = stop - start
            while left > 0 and (piece := file.read(min(left, CHUNK_BYTES))):
                left -= len(piece)
                yield piece


class GeneratedContent:
    """
    `size` reproducible bytes that are generated as they are read: a big output without memory.

    Every block of `CHUNK_BYTES` is its own number and then the same noise, so that a block that is missing,
    doubled or out of place changes the checksum of the whole.
    """

    def __init__(self, size: int, seed: str) -> None:
        """Describe `size` bytes; the same `size` and `seed` always give the same bytes."""
        self.size = size
        self._seed = seed
        self.digest = hashlib.sha256(f"{seed}/{size}".encode()).hexdigest()

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from `start` up to but excluding `stop`, piece by piece."""
        noise = _noise(self._seed)
        while start < stop:
            number, offset = divmod(start, CHUNK_BYTES)
            block = number.to_bytes(8, "big") + noise
            piece = block[offset : offset + stop - start]
            start += len(piece)
            yield piece


@lru_cache(maxsize=8)
def _noise(seed: str) -> bytes:
    return random.Random(seed).randbytes(CHUNK_BYTES - 8)

"""The SHA-256 of a stream."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

PIECE_BYTES = 1024 * 1024


class Stream(Protocol):
    """Something whose bytes come piece by piece."""

    def read(self, size: int, /) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end."""


def sha256_of(stream: Stream, check: Callable[[], None] = lambda: None) -> str:
    """
    Return the digest of all that a stream brings, in hex digits.

    :param check: called between reads; what it raises ends them.
    """
    digest = hashlib.sha256()
    while piece := stream.read(PIECE_BYTES):
        check()
        digest.update(piece)
    return digest.hexdigest()

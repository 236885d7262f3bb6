"""
BlockFile: a file of which each block is read once, kept for a short time for all requests of a process.

After a page of 60 cards, browsers ask for 60 outputs, each of which is looked up in the manifest.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING

from airflow_provider_wiro.gallery.ranged.ranged_object import (
    BeyondEndError,
    ReplacedObjectError,
    UnreadableObjectError,
)
from airflow_provider_wiro.gallery.ranged.timed_cache import TimedCache

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from airflow_provider_wiro.gallery.ranged.ranged_object import RangedObject

#: What is read and kept together.
BLOCK_BYTES = 64 * 1024
#: How much is asked of the store at once.
REQUEST_BYTES = 4 * BLOCK_BYTES
#: After this a manifest that was replaced is seen.
KEPT_SECONDS = 20.0
#: The most that is asked for at once, where one block after the other is read.
_MOST_REQUEST_BYTES = 2 * 1024 * 1024
#: What all manifests of a process take of its memory.
KEPT_BYTES = 32 * 1024 * 1024
_MOST_FILES = 1000
_MOST_PLACES = 20_000
#: How many bytes one request of a browser's may go through.
MOST_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class _Version:
    name: str
    size: int


class BlockCache:
    """
    The blocks of all manifests that a process has read lately.

    :param clock: returns seconds, which only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.versions: TimedCache[_Version] = TimedCache(KEPT_SECONDS, _MOST_FILES, clock)
        self.blocks: TimedCache[bytes] = TimedCache(KEPT_SECONDS, KEPT_BYTES, clock)
        self.places: TimedCache[int] = TimedCache(KEPT_SECONDS, _MOST_PLACES, clock)
        #: Requests for one manifest at the same time read it one after the other: the first one for all.
        self._locks = tuple(RLock() for _ in range(16))

    def lock_of(self, identity: tuple[str, ...]) -> AbstractContextManager[object]:
        """Return the lock of a file."""
        return self._locks[hash(identity) % len(self._locks)]


class TooMuchToReadError(UnreadableObjectError):
    """One request would go through more bytes than one may."""


class BlockFile:
    """
    A file for one request.

    :param most_bytes: what the request may go through.
    """

    def __init__(self, source: RangedObject, cache: BlockCache, *, most_bytes: int = MOST_BYTES) -> None:
        self._source = source
        self._cache = cache
        self._left = most_bytes
        self._read_to, self._request_bytes = -1, REQUEST_BYTES

    @property
    def size(self) -> int:
        """
        Return how many bytes it has.

        :raises UnreadableObjectError: it can't be read.
        """
        return self._version().size

    def forget(self) -> None:
        """Look again which version is there."""
        self._cache.versions.forget(self._source.identity)

    def note_place(self, item: int, start: int) -> None:
        """Keep where the line of an item begins."""
        self._cache.places.put((self._source.identity, self._version(start).name, item), start)

    def noted_place(self, item: int) -> int | None:
        """Return where the line of an item begins, None if it was not kept."""
        return self._cache.places.get((self._source.identity, self._version().name, item))

    def read(self, start: int, stop: int) -> bytes:
        """
        Return some bytes, fewer where the file ends.

        :raises UnreadableObjectError: it can't be read.
        :raises TooMuchToReadError: the request has gone through too much.
        """
        self._left -= max(0, stop - start)
        if self._left < 0:
            raise TooMuchToReadError("Its lines are too long to be looked through.")
        with self._cache.lock_of(self._source.identity):
            version = self._version(start)
            stop = min(stop, version.size)
            if start >= stop:
                return b""
            first, last = start // BLOCK_BYTES, (stop - 1) // BLOCK_BYTES
            found = self._blocks(version, first, last)
        offset = start - first * BLOCK_BYTES
        return b"".join(found)[offset : offset + stop - start]

    def _version(self, start: int | None = None) -> _Version:
        """
        Return which version is there.

        :param start: where it is about to be read; None: at its end.
        """
        identity = self._source.identity
        with self._cache.lock_of(identity):
            found = self._cache.versions.get(identity)
            if found is not None:
                return found
            try:
                if start is None:
                    body, facts = self._source.read_tail(REQUEST_BYTES)
                    at = facts.size - len(body)
                else:
                    at = start // BLOCK_BYTES * BLOCK_BYTES
                    body, facts = self._source.read(at, at + REQUEST_BYTES)
                found = _Version(facts.version, facts.size)
            except BeyondEndError:  # also of an empty file, of which no byte can be asked for
                at, body, facts = 0, b"", self._source.facts()
                found = _Version(facts.version, facts.size)
            self._cache.versions.put(identity, found)
            self._keep(found, at, body)
            return found

    def _blocks(self, version: _Version, first: int, last: int) -> list[bytes]:
        identity = self._source.identity
        found: dict[int, bytes | None] = {
            number: self._cache.blocks.get((identity, version.name, number))
            for number in range(first, last + 1)
        }
        missing = [number for number, block in found.items() if block is None]
        if missing:
            at = missing[0] * BLOCK_BYTES
            is_next = at == self._read_to
            self._request_bytes = (
                min(2 * self._request_bytes, _MOST_REQUEST_BYTES) if is_next else REQUEST_BYTES
            )
            stop = max((missing[-1] + 1) * BLOCK_BYTES, at + self._request_bytes)
            self._read_to = min(stop, version.size)
            body, facts = self._source.read(at, self._read_to, version.name)
            if facts.size != version.size:
                raise ReplacedObjectError("It was replaced while it was read.")
            found |= self._keep(version, at, body)
        blocks = [block for block in found.values() if block is not None]
        if len(blocks) < len(found):
            raise ReplacedObjectError("It became shorter while it was read.")
        return blocks

    def _keep(self, version: _Version, at: int, body: bytes) -> dict[int, bytes]:
        """Keep the whole blocks among some bytes, the last of the file included; return them."""
        kept: dict[int, bytes] = {}
        number = -(-at // BLOCK_BYTES)
        while (start := number * BLOCK_BYTES) < version.size:
            stop = min(start + BLOCK_BYTES, version.size)
            if stop > at + len(body):
                break
            kept[number] = block = body[start - at : stop - at]
            self._cache.blocks.put((self._source.identity, version.name, number), block, len(block))
            number += 1
        return kept

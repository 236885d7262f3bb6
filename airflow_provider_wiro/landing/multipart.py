"""Moves one download into one object, in one piece or in parts, and digests it on the way."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_wiro.downloads.range_reader import Restart

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.downloads.download import Download
    from airflow_provider_wiro.downloads.range_reader import RangeReader
    from airflow_provider_wiro.landing.workers import WorkerPool


class Target(Protocol):
    """Where an object's bytes go: either one :meth:`put`, or :meth:`put_part` for each part."""

    def put(self, body: bytes | bytearray, sha256: str) -> None:
        """Store an object whole."""

    def begin(self, first: bytearray) -> None:
        """Prepare to take parts; ``first`` is the first of them."""

    def put_part(self, number: int, body: bytearray) -> None:
        """Store a part. They are numbered from 1, started in order, and several are stored at once."""

    def complete(self, size: int, sha256: str) -> None:
        """Make the parts an object."""

    def abort(self) -> None:
        """Delete the parts, if there are any. Never raises."""


class OrderedDigest:
    """The digest of parts that several threads add in any order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._pending: dict[int, bytearray] = {}
        self._next = 0
        self._is_digesting = False
        self._changed = threading.Condition()

    def add(self, number: int, part: bytearray) -> None:
        """Add a part, digested when all before it are. It must not change until :meth:`wait` returns."""
        with self._changed:
            self._pending[number] = part
            if self._is_digesting:
                return  # the thread that digests now continues with it
            self._is_digesting = True
        while True:
            with self._changed:
                ready = self._pending.pop(self._next, None)
                if ready is None:
                    self._is_digesting = False
                    return
            self._digest.update(ready)  # without the lock: other threads add parts meanwhile
            with self._changed:
                self._next += 1
                self._changed.notify_all()

    def wait(self, number: int, check: Callable[[], None]) -> None:
        """Wait until a part is digested; ``check`` is called now and then."""
        with self._changed:
            while self._next <= number:
                self._changed.wait(0.1)
                check()

    def hexdigest(self) -> str:
        """Return the digest of all parts."""
        return self._digest.hexdigest()


def move(download: Download, target: Target, pool: WorkerPool[Any, Any]) -> tuple[int, str]:
    """
    Move one output, in one go or in parts; return its size and SHA-256.

    Its first part is received before anything is sent to the target, which is aborted at any error.

    :raises WiroOutputError: it can't be fetched, or is not what Wiro announced.
    """
    while True:
        try:
            return _move(download, target, pool)
        except Restart as why:
            target.abort()
            download.restart(why)
        except BaseException:  # also when the task is stopped: parts of an open upload are billed
            target.abort()
            raise


def _move(download: Download, target: Target, pool: WorkerPool[Any, Any]) -> tuple[int, str]:
    with download.begin() as reader:
        first = _fill(pool, reader, download.part_bytes, download.size)
        if len(first) < download.part_bytes:
            digest = hashlib.sha256(first).hexdigest()
            pool.check()
            target.put(first, digest)
            return len(first), digest
        parts = _Parts(download, target, pool, reader)
        target.begin(first)
        pool.share(parts.step, first=lambda: parts.store(0, first))
    pool.check()
    sha256 = parts.digest.hexdigest()
    target.complete(parts.received, sha256)
    return parts.received, sha256


def _fill(pool: WorkerPool[Any, Any], reader: RangeReader, part_bytes: int, size: int | None) -> bytearray:
    """Read up to one part into the thread's buffer and return that, shortened to what was received."""
    buffer = pool.buffer(part_bytes if size is None else min(part_bytes, size - reader.position))
    with memoryview(buffer) as view:
        count = reader.fill(view)
    if count < len(buffer):
        del buffer[count:]
    return buffer


class _Parts:
    """
    The parts of one large output after the first, fetched and stored by all threads that are free.

    :param reader: that of the first part; where the CDN serves no ranges, of all others too.
    :ivar received: the bytes that are stored.
    """

    def __init__(
        self, download: Download, target: Target, pool: WorkerPool[Any, Any], reader: RangeReader
    ) -> None:
        self.digest = OrderedDigest()
        self.received = 0
        self._download = download
        self._target = target
        self._pool = pool
        self._reader = reader
        self._count = 1
        self._claiming, self._counting = threading.Lock(), threading.Lock()

    def step(self) -> bool:
        """Fetch and store the next part; return whether there was one."""
        found = self._next_of_stream() if self._reader.is_unranged else self._next_range()
        if found is not None:
            self.store(*found)
        return found is not None

    def store(self, number: int, body: bytearray) -> None:
        """Digest and store a part. ``body`` may be used again afterwards."""
        self.digest.add(number, body)
        self._pool.check()
        self._target.put_part(number + 1, body)
        self.digest.wait(number, self._pool.check)
        with self._counting:
            self.received += len(body)

    def _next_range(self) -> tuple[int, bytearray] | None:
        download, size = self._download, self._download.size
        with self._claiming:
            number = self._count
            start = number * download.part_bytes
            if size is None or start >= size:
                return None
            self._count += 1
        with download.part(start, min(start + download.part_bytes, size)) as reader:
            return number, _fill(self._pool, reader, download.part_bytes, size)

    def _next_of_stream(self) -> tuple[int, bytearray] | None:
        with self._claiming:  # one thread reads while the others store
            self._pool.check()
            body = _fill(self._pool, self._reader, self._download.part_bytes, self._download.size)
            if not body:
                return None
            self._count += 1
            return self._count - 1, body

"""One output into one object: which bytes go where, and the digest of them all."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_wiro.downloads.range_reader import Restart

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.downloads.downloader import Download
    from airflow_provider_wiro.downloads.range_reader import RangeReader
    from airflow_provider_wiro.landing.workers import WorkerPool


class Target(Protocol):
    """Where an object's bytes go: either one :meth:`put`, or :meth:`put_part` for each part."""

    def put(self, body: bytes | bytearray, sha256: str) -> None:
        """Store an object whole."""

    def begin(self, first: bytearray) -> None:
        """Prepare to take parts; ``first`` is the first of them."""

    def put_part(self, number: int, body: bytearray) -> None:
        """Store a part. They are numbered from 1, begin in their order, and several are stored at once."""

    def complete(self, size: int, sha256: str) -> None:
        """Make the parts an object."""

    def abort(self) -> None:
        """Throw away what was begun, if anything was. Never raises."""


class OrderedDigest:
    """The digest of parts that come in any order, which is none of those threads' business."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._pending: dict[int, bytearray] = {}
        self._next = 0
        self._is_digesting = False
        self._changed = threading.Condition()

    def add(self, number: int, part: bytearray) -> None:
        """Take a part in, and digest it when all before it are; it must not change until :meth:`wait`."""
        with self._changed:
            self._pending[number] = part
            if self._is_digesting:
                return  # the thread that does will find it
            self._is_digesting = True
        while True:
            with self._changed:
                ready = self._pending.pop(self._next, None)
                if ready is None:
                    self._is_digesting = False
                    return
            self._digest.update(ready)  # other threads go on meanwhile
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


def move(download: Download, target: Target, crew: WorkerPool[Any, Any]) -> tuple[int, str]:
    """
    Move one output, in one go or in parts; return its size and SHA-256.

    Its first part is there before anything is sent to the target, whose parts are aborted at any error.

    :raises WiroOutputError: it can't be had, or is not what Wiro announced.
    """
    while True:
        received = [0]
        try:
            return _move(download, target, crew, received)
        except Restart as why:
            target.abort()
            download.restart(why)
        except BaseException:  # also when the task is stopped: parts of an open upload are billed
            target.abort()
            raise


def _move(
    download: Download, target: Target, crew: WorkerPool[Any, Any], received: list[int]
) -> tuple[int, str]:
    with download.begin() as cursor:
        first = _fill(crew, cursor, download.part_bytes, download.size)
        if len(first) < download.part_bytes:
            digest = hashlib.sha256(first).hexdigest()
            crew.check()
            target.put(first, digest)
            return len(first), digest
        parts = _Parts(download, target, crew, cursor, received)
        target.begin(first)
        crew.share(parts.step, first=lambda: parts.store(0, first))
    crew.check()
    target.complete(received[0], parts.digest.hexdigest())
    return received[0], parts.digest.hexdigest()


def _fill(crew: WorkerPool[Any, Any], cursor: RangeReader, part_bytes: int, size: int | None) -> bytearray:
    """Read up to one part into the thread's buffer and return that, shortened to what came."""
    buffer = crew.buffer(part_bytes if size is None else min(part_bytes, size - cursor.position))
    with memoryview(buffer) as view:
        count = cursor.fill(view)
    if count < len(buffer):
        del buffer[count:]
    return buffer


class _Parts:
    """
    The parts of one large output behind the first, fetched and stored by whoever has time.

    :param cursor: where the first part came from; for a file that is not served in parts, all others too.
    :param received: the bytes that are stored.
    """

    def __init__(
        self,
        download: Download,
        target: Target,
        crew: WorkerPool[Any, Any],
        cursor: RangeReader,
        received: list[int],
    ) -> None:
        self.digest = OrderedDigest()
        self._download = download
        self._target = target
        self._crew = crew
        self._reading = cursor
        self._received = received
        self._count = 1
        self._claiming, self._counting = threading.Lock(), threading.Lock()

    def step(self) -> bool:
        """Fetch and store the next part; return whether there was one."""
        found = self._next_of_stream() if self._reading.is_whole else self._next_range()
        if found is not None:
            self.store(*found)
        return found is not None

    def store(self, number: int, body: bytearray) -> None:
        """Digest and store a part. ``body`` may be used again afterwards."""
        self.digest.add(number, body)
        self._crew.check()
        self._target.put_part(number + 1, body)
        self.digest.wait(number, self._crew.check)
        with self._counting:
            self._received[0] += len(body)

    def _next_range(self) -> tuple[int, bytearray] | None:
        download, size = self._download, self._download.size
        with self._claiming:
            number = self._count
            start = number * download.part_bytes
            if size is None or start >= size:
                return None
            self._count += 1
        with download.part(start, min(start + download.part_bytes, size)) as cursor:
            return number, _fill(self._crew, cursor, download.part_bytes, size)

    def _next_of_stream(self) -> tuple[int, bytearray] | None:
        with self._claiming:  # one reads on while the others store what they have
            self._crew.check()
            body = _fill(self._crew, self._reading, self._download.part_bytes, self._download.size)
            if not body:
                return None
            self._count += 1
            return self._count - 1, body

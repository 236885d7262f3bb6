"""A task's outputs, each read in order as one stream, through cuts and expired links."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Protocol, TypeVar

from airflow_provider_wiro.downloads.downloader import Downloader, Restart

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.downloads.range_reader import RangeReader
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.landing.plan import PlannedObject

T = TypeVar("T")

PIECE_BYTES = 1024 * 1024


class Stream(Protocol):
    """Something whose bytes come piece by piece."""

    def read(self, size: int, /) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end."""


class OutputReader:
    """
    Reads the outputs of one task, one after the other.

    :param check: raises what is to end the reading, called before and between reads.
    :param require_size: refuse a file of unknown size whose end is the connection's.
    """

    def __init__(
        self, hook: WiroHook, task: Task, check: Callable[[], None], *, require_size: bool = False
    ) -> None:
        self._fetcher = Downloader(hook, task, check, require_size=require_size)
        self.check = check

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._fetcher.__exit__(*exc_info)

    def interrupt(self) -> None:
        """Let a read that waits for bytes fail at once. For a signal handler that came in between."""
        self._fetcher.session.interrupt()

    def read(self, landing: PlannedObject, use: Callable[[Stream], T]) -> T:
        """
        Return what ``use`` makes of a landing's bytes.

        It is called once more, after an error in its ``read``, if they have to be fetched from the beginning.

        :raises WiroOutputError: they can't be had, or are not what Wiro announced.
        """
        self.check()
        if landing.body is not None:
            return use(io.BytesIO(landing.body))
        download = self._fetcher.open(landing.output, PIECE_BYTES)
        download.forgo_ranges()  # one stream: nothing is gained by parts
        while True:
            try:
                with download.begin() as cursor:
                    return use(_CursorStream(cursor))
            except Restart as why:
                download.restart(why)

    def sha256(self, landing: PlannedObject) -> str:
        """Return the digest of a landing's bytes, which are fetched for it."""
        return self.read(landing, self.digest)

    def digest(self, stream: Stream) -> str:
        """Return the digest of all that a stream gives."""
        digest = hashlib.sha256()
        while piece := stream.read(PIECE_BYTES):
            self.check()
            digest.update(piece)
        return digest.hexdigest()


class _CursorStream:
    """A place in a download, with the ``read`` of a file."""

    def __init__(self, cursor: RangeReader) -> None:
        self._cursor = cursor

    def read(self, size: int, /) -> bytes:
        with memoryview(bytearray(size)) as view:
            return bytes(view[: self._cursor.fill(view)])

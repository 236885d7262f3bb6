"""An output's bytes, whole or part by part: through cuts, expired links and a CDN that is overloaded."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_provider_wiro.api import ranges
from airflow_provider_wiro.api.ranges import Edition, Patience
from airflow_provider_wiro.exceptions import WiroOutputError, WiroOutputUnavailableError
from airflow_provider_wiro.hooks.outputs import OutputSession
from airflow_provider_wiro.landing.cursor import PIECE_BYTES, Cursor, Restart

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from airflow_provider_wiro.api.models import Output, Task
    from airflow_provider_wiro.hooks.wiro import WiroHook

__all__ = ["Cursor", "Download", "Fetcher", "Restart"]


class Fetcher:
    """
    What the downloads of one task have in common: connections, links, and the way to stop them.

    :param check: raises what is to end them, called before and while waiting.
    :ivar silence_seconds: how long a connection may be silent before another is made.
    """

    def __init__(self, hook: WiroHook, task: Task, check: Callable[[], None]) -> None:
        self.check = check
        self.silence_seconds = ranges.silence_seconds(hook.connection.read_timeout)
        self.session = OutputSession(hook.connection, self.silence_seconds)
        self._hook = hook
        self._task_id = task.id
        self._outputs = {output.index: output for output in task.outputs}
        self._renewing = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.session.__exit__(*exc_info)

    def open(self, output: Output, part_bytes: int) -> Download:
        """Begin to fetch an output; nothing is sent yet."""
        return Download(self, output, part_bytes)

    def renew(self, stale: Output) -> Output:
        """
        Return an output with a fresh link, asking Wiro unless another thread has done so meanwhile.

        A link that Wiro has not shown yet may be missing still.

        :raises WiroOutputUnavailableError: Wiro doesn't show the file at the moment.
        :raises WiroError: Wiro can't be asked, or shows another file now.
        """
        with self._renewing:
            if self._outputs[stale.index].url == stale.url:
                fresh = {output.index: output for output in self._hook.get_task(self._task_id).outputs}
                for index, known in self._outputs.items():
                    if index != stale.index and known.content is None:
                        with suppress(WiroOutputError):  # the thread that fetches it asks for itself
                            self._outputs[index] = ranges.check_renewed(known, fresh.get(index))
                self._outputs[stale.index] = ranges.check_renewed(stale, fresh.get(stale.index))
            return self._outputs[stale.index]

    def pause(self, seconds: float) -> None:
        """Wait, unless all is to end."""
        until = time.monotonic() + seconds
        while (remaining := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(remaining, 0.2))
        self.check()


class Download:
    """
    One output.

    :ivar part_bytes: how it is divided.
    :ivar edition: what the CDN told of it; None before :meth:`begin`.
    """

    def __init__(self, fetcher: Fetcher, output: Output, part_bytes: int) -> None:
        self.output = output
        self.part_bytes = part_bytes
        self.edition: Edition | None = None
        self.fetcher = fetcher
        self._ranges_work = True
        self._patience = Patience(time.monotonic())

    @property
    def size(self) -> int | None:
        """Bytes, None if nobody told."""
        return self.output.size if self.edition is None else self.edition.size

    def begin(self) -> Cursor:
        """
        Ask for the first bytes, and learn what the CDN knows of the file.

        :return: the first part if the CDN serves parts, else the whole.
        :raises WiroOutputError: it can't be had, or is not what Wiro announced.
        :raises Restart: it has changed or can't be had in parts.
        """
        asked = self._ranges_work and ranges.wants_ranges(self.output, self.part_bytes)
        self.edition = None
        cursor = Cursor(self, 0, self.part_bytes if asked else None)
        cursor.connect(Patience(time.monotonic()))
        return cursor

    def part(self, start: int, stop: int) -> Cursor:
        """Return a part to read; nothing is sent yet."""
        return Cursor(self, start, stop)

    def restart(self, received: int) -> None:
        """
        Prepare to begin again, after a rest; raise if that has not helped for too long.

        :param received: bytes that had come.
        """
        self.edition = None
        now = time.monotonic()
        self._patience.note(received, now)
        seconds = self._patience.pause(now, random.random())
        if seconds is None:
            raise WiroOutputUnavailableError(
                f"Output {self.output.index} ({self.output.name[:200]!r}) changes on the CDN while it is "
                "fetched, or is cut off where the CDN can't go on."
            )
        self.fetcher.pause(seconds)

    def forgo_ranges(self) -> None:
        """From now on ask for the whole: this CDN doesn't do what it says about parts."""
        self._ranges_work = False

    def sha256(self) -> str:
        """Return the digest of its bytes, which are fetched for it and kept nowhere."""
        buffer = bytearray(PIECE_BYTES)
        while True:
            digest, received = hashlib.sha256(), 0
            self._ranges_work = False  # one stream: nothing is gained by parts that are not kept
            try:
                with self.begin() as cursor, memoryview(buffer) as view:
                    while count := cursor.fill(view):
                        digest.update(view[:count])
                        received += count
            except Restart:
                self.restart(received)
            else:
                return digest.hexdigest()

"""An output's bytes, whole or part by part: through cuts, expired links and a CDN that is overloaded."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_provider_wiro.api import retry
from airflow_provider_wiro.downloads import ranges
from airflow_provider_wiro.downloads.range_reader import PIECE_BYTES, RangeReader, Restart
from airflow_provider_wiro.downloads.ranges import Representation, StallTimeout
from airflow_provider_wiro.downloads.session import OutputSession
from airflow_provider_wiro.exceptions import WiroOutputError, WiroOutputUnavailableError
from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from airflow_provider_wiro.api.models import Output, Task
    from airflow_provider_wiro.hooks.wiro import WiroHook

__all__ = ["Download", "Downloader", "Restart"]

log = plain_logger(__name__)

#: How often an output is fetched from its beginning before that fails. Each time may take as long as the file
#: does, so that time says nothing; Airflow's next try begins with a fresh count.
MAX_RESTARTS = 6


class Downloader:
    """
    What the downloads of one task have in common: connections, links, and the way to stop them.

    :param check: raises what is to end them, called before and while waiting.
    :param require_size: refuse a file of unknown size whose end is the connection's.
    :ivar silence_seconds: how long a connection may be silent before another is made.
    :ivar unverified: indexes of the outputs that may be cut off: of unknown size, ended by the connection.
    """

    def __init__(
        self, hook: WiroHook, task: Task, check: Callable[[], None], *, require_size: bool = False
    ) -> None:
        self.check = check
        self.require_size = require_size
        self.silence_seconds = ranges.silence_seconds(hook.connection.read_timeout)
        self.unverified: set[int] = set()
        self.session = OutputSession(hook.connection, self.silence_seconds)
        self._hook = hook
        self._task_id = task.id
        self._outputs = {output.index: output for output in task.outputs}
        self._renewing = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.session.__exit__(*exc_info)

    def open(
        self, output: Output, part_bytes: int, part_bytes_for: Callable[[int | None], int] | None = None
    ) -> Download:
        """
        Begin to fetch an output; nothing is sent yet.

        :param part_bytes_for: returns how large the parts of a file of a size have to be, asked when the CDN
            has announced the size; default: always ``part_bytes``.
        """
        return Download(self, output, part_bytes, part_bytes_for or (lambda size: part_bytes))

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

    def __init__(
        self,
        fetcher: Downloader,
        output: Output,
        part_bytes: int,
        part_bytes_for: Callable[[int | None], int],
    ) -> None:
        self.output = output
        self.part_bytes = part_bytes
        self.edition: Representation | None = None
        self.fetcher = fetcher
        self._part_bytes_for = part_bytes_for
        self._ranges_work = True
        self._restarts = 0

    @property
    def size(self) -> int | None:
        """Bytes, None if nobody told."""
        return self.output.size if self.edition is None else self.edition.size

    def begin(self) -> RangeReader:
        """
        Ask for the first bytes, and learn what the CDN knows of the file.

        :return: the first part if the CDN serves parts that are known to fit together, else the whole.
        :raises WiroOutputError: it can't be had, or is not what Wiro announced.
        :raises Restart: it has changed or can't be had in parts.
        """
        while True:
            asked = self._ranges_work and ranges.wants_ranges(self.output, self.part_bytes)
            self.edition = None
            cursor = RangeReader(self, 0, self.part_bytes if asked else None)
            cursor.connect(StallTimeout(time.monotonic()))
            if not self._must_ask_otherwise(cursor):
                return cursor
            cursor.close()

    def _must_ask_otherwise(self, cursor: RangeReader) -> bool:
        """Decide, by the first answer, on larger parts or on one stream; nothing of it was read yet."""
        part_bytes = self._part_bytes_for(self.size)
        has_larger_parts = part_bytes > self.part_bytes
        self.part_bytes = max(part_bytes, self.part_bytes)
        if not cursor.needs_others:
            return False
        if self.edition is not None and self.edition.validator is None:
            self.forgo_ranges()
            return True
        return has_larger_parts

    def part(self, start: int, stop: int) -> RangeReader:
        """Return a part to read; nothing is sent yet."""
        return RangeReader(self, start, stop)

    def restart(self, why: Restart) -> None:
        """Prepare to begin again, at once or after a rest; raise if that has not helped often enough."""
        self.edition = None
        self._restarts += 1
        if self._restarts > MAX_RESTARTS:
            raise WiroOutputUnavailableError(
                f"Fetched {self.output.label} {MAX_RESTARTS + 1} times from its beginning, never to its end. "
                f"It changes on the CDN while it is fetched, or can't be resumed after a cut: {why}."
            )
        log.info("Fetching %s again from its beginning: %s.", self.output.label, why)
        if self._restarts > 1:
            # Servers of one CDN may each have an ETag of their own for the same file: one stream needs none.
            self.forgo_ranges()
            self.fetcher.pause(retry.backoff_seconds(self._restarts - 1, random.random()))

    def forgo_ranges(self) -> None:
        """From now on ask for the whole: this CDN doesn't do what it says about parts."""
        self._ranges_work = False

    def sha256(self) -> str:
        """Return the digest of its bytes, which are fetched for it and kept nowhere."""
        buffer = bytearray(PIECE_BYTES)
        while True:
            digest = hashlib.sha256()
            self._ranges_work = False  # one stream: nothing is gained by parts that are not kept
            try:
                with self.begin() as cursor, memoryview(buffer) as view:
                    while count := cursor.fill(view):
                        digest.update(view[:count])
            except Restart as why:
                self.restart(why)
            else:
                return digest.hexdigest()

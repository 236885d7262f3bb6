"""The download of one output, whole or in parts: resumed after cuts, with fresh links, or restarted."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_wiro.api import retry
from airflow_provider_wiro.downloads import ranges
from airflow_provider_wiro.downloads.range_reader import RangeReader, RemoteFile, Restart
from airflow_provider_wiro.downloads.ranges import StallTimeout
from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.digests import sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.api.models import Output
    from airflow_provider_wiro.downloads.downloader import Downloader
    from airflow_provider_wiro.storage.digests import Stream

T = TypeVar("T")

log = plain_logger(__name__)

#: How often an output is fetched from its beginning before that fails. Each time may take as long as the file
#: does, so a limit in time would mean nothing; Airflow's next try starts with a fresh count.
MAX_RESTARTS = 6


class Download(RemoteFile):
    """
    One output to fetch; nothing is sent before :meth:`begin`.

    :param part_bytes: how it is divided.
    :param part_bytes_for: returns how large the parts of a file of a size have to be, called when the CDN
        has announced the size; default: always ``part_bytes``.
    """

    def __init__(
        self,
        downloader: Downloader,
        output: Output,
        part_bytes: int,
        part_bytes_for: Callable[[int | None], int] | None = None,
    ) -> None:
        super().__init__(downloader, output)
        self.part_bytes = part_bytes
        self._part_bytes_for = part_bytes_for or (lambda size: part_bytes)
        self._restarts = 0

    def begin(self) -> RangeReader:
        """
        Request the first bytes, and read from the response what the CDN says of the file.

        :return: the first part if the CDN serves parts that are known to fit together, else the whole.
        :raises WiroOutputError: it can't be fetched, or is not what Wiro announced.
        :raises Restart: it has changed or can't be fetched in parts.
        """
        while True:
            is_ranged = self.serves_ranges and ranges.wants_ranges(self.output, self.part_bytes)
            self.representation = None
            reader = RangeReader(self, 0, self.part_bytes if is_ranged else None)
            reader.connect(StallTimeout(time.monotonic()))
            if not self._needs_another_request(reader):
                return reader
            reader.close()

    def _needs_another_request(self, reader: RangeReader) -> bool:
        """Decide by the first response on larger parts or on one stream; nothing of its body was read yet."""
        part_bytes = self._part_bytes_for(self.size)
        has_larger_parts = part_bytes > self.part_bytes
        self.part_bytes = max(part_bytes, self.part_bytes)
        if not reader.is_part:
            return False
        if self.representation is not None and self.representation.validator is None:
            self.forgo_ranges()
            return True
        return has_larger_parts

    def part(self, start: int, stop: int) -> RangeReader:
        """Return a part to read; nothing is sent yet."""
        return RangeReader(self, start, stop)

    def restart(self, why: Restart) -> None:
        """Prepare to fetch it from its beginning, perhaps after a pause; raise if it was done too often."""
        self.representation = None
        self._restarts += 1
        if self._restarts > MAX_RESTARTS:
            raise WiroOutputUnavailableError(
                f"Fetched {self.output.label} {MAX_RESTARTS + 1} times from its beginning, never to its end. "
                f"It changes on the CDN while it is fetched, or can't be resumed after a cut: {why}."
            )
        log.info("Fetching %s again from its beginning: %s.", self.output.label, why)
        if self._restarts > 1:
            # Each server of a CDN may have its own ETag for the same file: one stream needs none.
            self.forgo_ranges()
            self.downloader.pause(retry.backoff_seconds(self._restarts - 1, random.random()))

    def read_through(self, use: Callable[[Stream], T]) -> T:
        """
        Return what ``use`` makes of all bytes in order, fetched as one stream.

        It is called again, after an error in its ``read``, if they have to be fetched from the beginning.

        :raises WiroOutputError: they can't be fetched, or are not what Wiro announced.
        """
        self.forgo_ranges()  # nothing is gained by parts
        while True:
            try:
                with self.begin() as reader:
                    return use(reader)
            except Restart as why:
                self.restart(why)

    def sha256(self) -> str:
        """Return the digest of its bytes, which are fetched for it and kept nowhere."""
        return self.read_through(sha256_of)

"""Reads a range of an output in order, over as many connections as that takes."""

from __future__ import annotations

import math
import random
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import urllib3

from airflow_provider_wiro.api import retry
from airflow_provider_wiro.downloads import checks, ranges
from airflow_provider_wiro.downloads.ranges import NextAction, StallTimeout
from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.transport.blocking import lower_case
from airflow_provider_wiro.transport.deadline import allow_read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    import requests

    from airflow_provider_wiro.api.models import Output
    from airflow_provider_wiro.downloads.downloader import Downloader
    from airflow_provider_wiro.downloads.ranges import Representation
    from airflow_provider_wiro.exceptions import WiroError

log = plain_logger(__name__)

#: The most that is taken from a socket at once: enough that Python's share of the work is small, and little
#: enough that this copy adds nothing to the memory.
PIECE_BYTES = 256 * 1024

#: How long to wait, after the last expected byte, for the end of a body that doesn't say where it ends.
_END_SECONDS = 2.0


class Restart(Exception):  # noqa: N818  no error: an instruction to the caller, who may have stored parts
    """
    The file has to be fetched from its beginning; what was fetched before is of no use.

    Its text says why, as the end of a sentence.
    """


class RemoteFile:
    """
    What is known of one output on the CDN while it is fetched.

    :ivar output: with its newest link.
    :ivar representation: as the first response described it, None before.
    :ivar serves_ranges: the CDN has not failed to serve a part yet.
    """

    def __init__(self, downloader: Downloader, output: Output) -> None:
        self.downloader = downloader
        self.output = output
        self.representation: Representation | None = None
        self.serves_ranges = True

    @property
    def size(self) -> int | None:
        """Bytes, None if neither Wiro nor the CDN has announced them."""
        return self.output.size if self.representation is None else self.representation.size

    def forgo_ranges(self) -> None:
        """From now on request the whole: this CDN doesn't do what it says about parts."""
        self.serves_ranges = False


class RangeReader:
    """
    Reads from ``start`` on in order, and resumes after a cut.

    :param stop: where to end; None: at the end of the file.
    :ivar position: of the next byte.
    :ivar is_at_end: all bytes were received.
    """

    def __init__(self, file: RemoteFile, start: int, stop: int | None) -> None:
        self.position = start
        self.is_at_end = False
        self._file = file
        self._downloader = file.downloader
        self._stop = stop
        self._response: requests.Response | None = None
        self._says_its_end = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection if there is one."""
        if self._response is not None:
            self._response.close()
            self._response = None

    @property
    def is_unranged(self) -> bool:
        """Whether it reads to the end of the file."""
        return self._stop is None

    @property
    def is_part(self) -> bool:
        """Whether it is a part of a larger file, or may be."""
        size = self._file.size
        return self._stop is not None and (size is None or size > self._stop)

    def fill(self, view: memoryview) -> int:
        """
        Read into ``view`` until it is full, and return how many bytes: fewer only at the end.

        :raises WiroOutputError: the rest can't be fetched, or is not what was announced.
        :raises Restart: it has to be fetched from the beginning.
        """
        stall = StallTimeout(time.monotonic())
        filled = 0
        while filled < len(view) and not self.is_at_end:
            self._downloader.check()
            cut = None
            try:
                self.connect(stall)
                filled += self._read(view[filled:])
            except (urllib3.exceptions.HTTPError, OSError) as error:
                cut = self._truncated(f"{type(error).__name__} after {self.position} bytes")
            stall.note(filled, now := time.monotonic())
            if cut is not None:
                self.close()
                self._wait(stall, cut)
            elif stall.is_over(now):
                raise self._truncated(f"it came too slowly, {self.position} bytes so far")
            if self.position == self._end():
                self._finish()
        if not self.is_at_end and self.position == self._end():  # an empty file
            self._finish()
        return filled

    def read(self, size: int, /) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end. See :meth:`fill`."""
        with memoryview(bytearray(size)) as view:
            return bytes(view[: self.fill(view)])

    def connect(self, stall: StallTimeout) -> None:
        """
        Request the bytes from here on, until there is a response that can be read.

        :raises Restart: nothing would show that they belong to the version received so far.
        """
        while self._response is None:
            self._downloader.check()
            if self._file.output.awaits_link:
                self._await_link(stall)
                continue
            representation = self._file.representation
            if representation is not None and representation.validator is None:
                self._file.forgo_ranges()
                raise Restart(
                    "the CDN names no strong validator (ETag) by which the rest could be recognised"
                )
            headers = ranges.request_headers(self.position, self._stop, representation)
            try:
                response = self._downloader.session.get(self._file.output, headers)
            except WiroOutputUnavailableError as error:
                self._wait(stall, error)
                continue
            try:
                self._take(response, is_ranged="range" in headers, stall=stall)
            finally:
                if self._response is not response:
                    response.close()

    def _await_link(self, stall: StallTimeout) -> None:
        """Read the link from Wiro, and pause if it still has none."""
        self._renew(stall)
        if self._file.output.awaits_link:
            self._wait(stall, checks.no_link_yet(self._file.output))

    def _renew(self, stall: StallTimeout) -> None:
        """Read a fresh link from Wiro; pause and repeat while it doesn't show the output."""
        while True:
            try:
                self._file.output = self._downloader.renew(self._file.output)
            except WiroOutputUnavailableError as error:
                self._wait(stall, error, asked=0.0)
            else:
                return

    def _take(self, response: requests.Response, *, is_ranged: bool, stall: StallTimeout) -> None:
        """Act on a response: keep it for reading, or prepare another request."""
        file, status, headers = self._file, response.status_code, lower_case(response.headers)
        action = ranges.next_action(
            status, headers, is_ranged=is_ranged, start=self.position, representation=file.representation
        )
        if action is NextAction.RESTART:
            representation = file.representation
            if representation is not None and not (
                representation.is_same(headers) or representation.lacks_validator(headers)
            ):
                raise Restart("the CDN shows another version of it")
            file.forgo_ranges()
            raise Restart("the CDN doesn't serve the part that was asked for, or not by its version")
        if action is NextAction.RENEW and stall.may_renew:
            stall.may_renew = False
            self._renew(stall)
            return
        if action is NextAction.RENEW and status == checks.NOT_YET_STATUS:
            self._wait(stall, checks.no_file_yet(file.output, status), asked=0.0)
            stall.may_renew = True
            return
        if action is NextAction.REPEAT:
            asked = retry.retry_after_seconds(headers, datetime.now(UTC))
            self._wait(stall, checks.bad_status(file.output, status), asked=asked or 0.0)
            return
        try:
            self._check(status, headers)
        except ranges.WrongPartError as error:
            if not is_ranged:
                raise
            file.forgo_ranges()
            raise Restart(error.found) from error
        self._says_its_end = bool({"content-length", "transfer-encoding"} & headers.keys())
        self._response = response

    def _check(self, status: int, headers: Mapping[str, str]) -> None:
        """Check a response that is to be read, and take from it what it says of the file."""
        file = self._file
        if file.representation is not None:
            file.representation = ranges.check_further(
                file.output, file.representation, self.position, self._stop, status, headers
            )
            return
        file.representation = ranges.read_first(file.output, self._stop, status, headers)
        if self._downloader.require_size and file.representation.ends_with_connection:
            checks.check_size_is_known(file.output)
        if not file.representation.is_ranged:
            self._stop = None

    def _read(self, view: memoryview) -> int:
        end = self._end()
        wanted = min(len(view), PIECE_BYTES, PIECE_BYTES if end is None else end - self.position)
        # read1 and not read: a body that drips must not hold us until the whole piece is there.
        piece = self._read1(wanted) if wanted else b""
        view[: len(piece)] = piece
        self.position += len(piece)
        if wanted and not piece:
            self._judge_end(end)
        return len(piece)

    def _judge_end(self, end: int | None) -> None:
        """The body has ended where the end was not expected, or not known."""
        representation = self._file.representation
        announced = None if representation is None else representation.announced
        if end is not None and (self._stop is not None or announced is not None or not self._says_its_end):
            raise urllib3.exceptions.ProtocolError("The body ended too early.")
        checks.check_received(self._file.output, self.position, announced=announced, is_complete=True)
        if end is None and representation is not None and representation.ends_with_connection:
            self._downloader.unverified.add(self._file.output.index)
            log.warning("%s", checks.unverified(self._file.output, self.position))
        self.is_at_end = True

    def _finish(self) -> None:
        """End after the last expected byte. If there is more, it is not the file that was announced."""
        with suppress(urllib3.exceptions.HTTPError, OSError):  # the bytes that are needed are there
            if self._response is not None and self._read1(1, _END_SECONDS):
                representation = self._file.representation
                if self._stop is None:
                    checks.check_received(
                        self._file.output,
                        self.position + 1,
                        announced=None if representation is None else representation.announced,
                        is_complete=False,
                    )
                self._file.forgo_ranges()
                raise Restart("the CDN sent more than the part that was asked for")
        self.is_at_end = True

    def _end(self) -> int | None:
        """Return where the last byte is expected, None if that is not known."""
        size = self._file.size
        if self._stop is None:
            return size
        return self._stop if size is None else min(self._stop, size)

    def _read1(self, size: int, longest: float = math.inf) -> bytes:
        if self._response is None:
            raise AssertionError("connect() comes first")
        # Again for each piece: one that trickles in byte by byte counts as idle.
        allow_read(self._response, min(self._downloader.idle_seconds, longest))
        piece: bytes = self._response.raw.read1(size, decode_content=False)
        return piece

    def _wait(self, stall: StallTimeout, error: WiroError, *, asked: float | None = None) -> None:
        """Pause before another try, or raise ``error`` if there were enough."""
        self._downloader.check()  # it may have been interrupted from here
        if isinstance(error, checks.NoFileError) and not self._downloader.awaits_files:
            raise error
        seconds = stall.pause(time.monotonic(), random.random(), asked=asked)
        if seconds is None:
            raise error
        self._downloader.pause(seconds)

    def _truncated(self, how: str) -> WiroOutputUnavailableError:
        return checks.truncated(self._file.output, how)

"""A place in an output from which its bytes are read in order, over as many connections as that takes."""

from __future__ import annotations

import math
import random
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import urllib3

from airflow_provider_wiro.api import retry
from airflow_provider_wiro.downloads import checks as download_checks
from airflow_provider_wiro.downloads import ranges
from airflow_provider_wiro.downloads.ranges import NextAction, StallTimeout
from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.transport.blocking import lower_case
from airflow_provider_wiro.transport.deadline import allow_read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    import requests

    from airflow_provider_wiro.downloads.downloader import Download
    from airflow_provider_wiro.exceptions import WiroError

log = plain_logger(__name__)

#: The most that is taken from a socket at once: enough that Python's share of the work is small, and little
#: enough that this copy adds nothing to the memory.
PIECE_BYTES = 256 * 1024


#: How long to wait, once all has come, for the end of a body that doesn't say where that is.
_LAST_LOOK_SECONDS = 2.0


class Restart(Exception):  # noqa: N818  no error: an instruction to whoever has already stored parts
    """
    The file has to be fetched from its beginning; what was fetched before is of no use.

    Its text says why, as the end of a sentence.
    """


class RangeReader:
    """
    A place in a download from which bytes are read in order, over as many connections as that takes.

    :param stop: where to end; None: at the end of the file.
    :ivar position: of the next byte.
    :ivar is_at_end: all has come.
    """

    def __init__(self, download: Download, start: int, stop: int | None) -> None:
        self.position = start
        self.is_at_end = False
        self._download = download
        self._fetcher = download.fetcher
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
    def is_whole(self) -> bool:
        """Whether it goes on to the end of the file."""
        return self._stop is None

    @property
    def needs_others(self) -> bool:
        """Whether it is a part of a larger file, or may be."""
        size = self._download.size
        return self._stop is not None and (size is None or size > self._stop)

    def fill(self, view: memoryview) -> int:
        """
        Read into ``view`` until it is full, and return how many bytes: fewer only at the end.

        :raises WiroOutputError: the rest can't be had, or is not what was announced.
        :raises Restart: it can only be had from the beginning.
        """
        patience = StallTimeout(time.monotonic())
        filled = 0
        while filled < len(view) and not self.is_at_end:
            self._fetcher.check()
            cut = None
            try:
                self.connect(patience)
                filled += self._read(view[filled:])
            except (urllib3.exceptions.HTTPError, OSError) as error:
                cut = self._cut_off(f"{type(error).__name__} after {self.position} bytes")
            patience.note(filled, now := time.monotonic())
            if cut is not None:
                self.close()
                self._wait(patience, cut)
            elif patience.is_over(now):
                raise self._cut_off(f"it came too slowly, {self.position} bytes so far")
            if self.position == self._end():
                self._finish()
        if not self.is_at_end and self.position == self._end():  # an empty file
            self._finish()
        return filled

    def connect(self, patience: StallTimeout) -> None:
        """
        Ask for the bytes from here on, until there is an answer that can be read.

        :raises Restart: by nothing could it be known that they are of the version that has come so far.
        """
        while self._response is None:
            self._fetcher.check()
            if self._download.output.awaits_link:
                self._await_link(patience)
                continue
            edition = self._download.edition
            if edition is not None and edition.validator is None:
                self._download.forgo_ranges()
                raise Restart(
                    "the CDN names no strong validator (ETag) by which the rest could be recognised"
                )
            headers = ranges.request_headers(self.position, self._stop, edition)
            try:
                response = self._fetcher.session.get(self._download.output, headers)
            except WiroOutputUnavailableError as error:
                self._wait(patience, error)
                continue
            try:
                self._take(response, is_ranged="range" in headers, patience=patience)
            finally:
                if self._response is not response:
                    response.close()

    def _await_link(self, patience: StallTimeout) -> None:
        """Ask Wiro for a link that has not come yet, and rest if it still has not."""
        self._renew(patience)
        if self._download.output.awaits_link:
            self._wait(patience, download_checks.no_link_yet(self._download.output))

    def _renew(self, patience: StallTimeout) -> None:
        """Ask Wiro for a fresh link; rest until it shows the output again, should it not do so."""
        while True:
            try:
                self._download.output = self._fetcher.renew(self._download.output)
            except WiroOutputUnavailableError as error:
                self._wait(patience, error, asked=0.0)
            else:
                return

    def _take(self, response: requests.Response, *, is_ranged: bool, patience: StallTimeout) -> None:
        """Do what an answer asks for: begin to read it, or prepare another request."""
        download, status, headers = self._download, response.status_code, lower_case(response.headers)
        step = ranges.next_step(
            status, headers, is_ranged=is_ranged, start=self.position, edition=download.edition
        )
        if step is NextAction.RESTART:
            edition = download.edition
            if edition is not None and not (edition.is_same(headers) or edition.is_silent(headers)):
                raise Restart("the CDN shows another version of it")
            download.forgo_ranges()
            raise Restart("the CDN doesn't serve the part that was asked for, or not by its version")
        if step is NextAction.RENEW and patience.may_renew:
            patience.may_renew = False
            self._renew(patience)
            return
        if step is NextAction.RENEW and status == download_checks.NOT_YET_STATUS:
            self._wait(patience, download_checks.no_file_yet(download.output, status), asked=0.0)
            patience.may_renew = True
            return
        if step is NextAction.REPEAT:
            asked = retry.retry_after_seconds(headers, datetime.now(UTC))
            self._wait(patience, download_checks.bad_status(download.output, status), asked=asked or 0.0)
            return
        try:
            self._judge(status, headers)
        except ranges.WrongPartError as error:
            if not is_ranged:
                raise
            download.forgo_ranges()
            raise Restart(error.found) from error
        self._says_its_end = bool({"content-length", "transfer-encoding"} & headers.keys())
        self._response = response

    def _judge(self, status: int, headers: Mapping[str, str]) -> None:
        """Judge an answer that is to be read, and learn from it what it says of the file."""
        download = self._download
        if download.edition is not None:
            download.edition = ranges.check_further(
                download.output, download.edition, self.position, self._stop, status, headers
            )
            return
        download.edition = ranges.read_first(download.output, self._stop, status, headers)
        if self._fetcher.require_size and download.edition.ends_with_connection:
            download_checks.check_size_is_known(download.output)
        if not download.edition.is_ranged:
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
        edition = self._download.edition
        announced = None if edition is None else edition.announced
        if end is not None and (self._stop is not None or announced is not None or not self._says_its_end):
            raise urllib3.exceptions.ProtocolError("The body ended too early.")
        download_checks.check_received(
            self._download.output, self.position, announced=announced, is_complete=True
        )
        if end is None and edition is not None and edition.ends_with_connection:
            self._fetcher.unverified.add(self._download.output.index)
            log.warning("%s", download_checks.unverified(self._download.output, self.position))
        self.is_at_end = True

    def _finish(self) -> None:
        """All has come. If there is more, it is not the file that was announced."""
        with suppress(urllib3.exceptions.HTTPError, OSError):  # what we need is there
            if self._response is not None and self._read1(1, _LAST_LOOK_SECONDS):
                edition = self._download.edition
                if self._stop is None:
                    download_checks.check_received(
                        self._download.output,
                        self.position + 1,
                        announced=None if edition is None else edition.announced,
                        is_complete=False,
                    )
                self._download.forgo_ranges()
                raise Restart("the CDN sent more than the part that was asked for")
        self.is_at_end = True

    def _end(self) -> int | None:
        """Return where the last byte is expected, None if that is not known."""
        size = self._download.size
        if self._stop is None:
            return size
        return self._stop if size is None else min(self._stop, size)

    def _read1(self, size: int, longest: float = math.inf) -> bytes:
        if self._response is None:
            raise AssertionError("connect() comes first")
        # Anew for each piece: what holds one up, even byte by byte, is as good as silent.
        allow_read(self._response, min(self._fetcher.silence_seconds, longest))
        piece: bytes = self._response.raw.read1(size, decode_content=False)
        return piece

    def _wait(self, patience: StallTimeout, error: WiroError, *, asked: float | None = None) -> None:
        """Rest before another try, or raise if there have been enough."""
        self._fetcher.check()  # it may have been we who cut it off
        seconds = patience.pause(time.monotonic(), random.random(), asked=asked)
        if seconds is None:
            raise error
        self._fetcher.pause(seconds)

    def _cut_off(self, how: str) -> WiroOutputUnavailableError:
        return download_checks.cut_off(self._download.output, how)

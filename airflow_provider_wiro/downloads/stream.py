"""One output from the CDN as a stream, with requests; a body that breaks off is not resumed."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import urllib3

from airflow_provider_wiro.downloads import checks
from airflow_provider_wiro.downloads.checked_body import CheckedBody
from airflow_provider_wiro.downloads.ranges import StallTimeout
from airflow_provider_wiro.downloads.session import OutputSession
from airflow_provider_wiro.transport.blocking import lower_case
from airflow_provider_wiro.transport.deadline import allow_read

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from airflow_provider_wiro.api.models import Output
    from airflow_provider_wiro.transport.connection import WiroConnection


class OutputStream(CheckedBody):
    """The body of one output, read piece by piece and checked meanwhile."""

    def __init__(self, output: Output, response: requests.Response, read_timeout: float) -> None:
        super().__init__(output, response.status_code, lower_case(response.headers))
        self._response = response
        self._read_timeout = read_timeout

    def read(self, size: int) -> bytes:
        """
        Return the next ``size`` bytes, fewer only at the end, none after it.

        :raises WiroOutputUnavailableError: the body broke off.
        :raises WiroOutputRefusedError: more or fewer bytes than Wiro announced.
        """
        size = self.bytes_to_read(size)
        pieces: list[bytes] = []
        failure: str | None = None
        received = 0
        stall = StallTimeout(time.monotonic())
        while received < size and failure is None:
            allow_read(self._response, self._read_timeout)
            try:
                some: bytes = self._response.raw.read1(size - received, decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                failure = type(error).__name__
                break
            if not some:
                break
            pieces.append(some)
            received += len(some)
            stall.note(received, now := time.monotonic())
            if stall.is_over(now):
                failure = "it came too slowly,"
        self.on_piece(received, asked=size, failure=failure)
        return b"".join(pieces)


@contextmanager
def open_output(connection: WiroConnection, output: Output) -> Iterator[OutputStream]:
    """
    Open an output for reading; redirects are followed here and checked.

    :raises WiroOutputError: see :mod:`airflow_provider_wiro.downloads.checks`.
    """
    with OutputSession(connection) as session, session.get(output, checks.REQUEST_HEADERS) as response:
        yield OutputStream(output, response, connection.read_timeout)

"""The checks of one output's response body while it is read, shared by the blocking and the async stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.downloads import checks
from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.api.models import Output

log = plain_logger(__name__)


class CheckedBody:
    """
    Counts a body's bytes and compares them with what Wiro and the CDN announced. Does no I/O.

    :param headers: of the response; names in lower case.
    :ivar content_type: as the CDN names it.
    :ivar announced: bytes the CDN announces, None if it doesn't.
    :ivar is_unverified: neither Wiro nor the CDN states the size, and the body ends with the connection: it
        may be truncated.
    :ivar received: bytes so far.
    :raises WiroOutputError: the response is not the file that Wiro announced.
    """

    def __init__(self, output: Output, status: int, headers: Mapping[str, str]) -> None:
        self._output = output
        self.announced = checks.check_response(output, status, headers)
        self.is_unverified = output.size is None and checks.ends_with_connection(output, headers)
        self.content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        self.received = 0
        self._is_reported = False

    def bytes_to_read(self, size: int) -> int:
        """Return how much of ``size`` to read: at most one byte more than expected, enough to refuse it."""
        return checks.bytes_to_read(self._output, size, self.received, announced=self.announced)

    def on_piece(self, count: int, *, asked: int, failure: str | None) -> None:
        """
        Check the total after a read.

        :param count: bytes that were received.
        :param asked: bytes that were asked for; fewer come only at the end.
        :param failure: why the body broke off, None if it didn't.
        :raises WiroOutputUnavailableError: it broke off.
        :raises WiroOutputRefusedError: there are more or fewer bytes than Wiro announced.
        """
        self.received += count
        if failure is not None:
            raise checks.truncated(self._output, f"{failure} after {self.received} bytes")
        is_complete = count < asked
        checks.check_received(self._output, self.received, announced=self.announced, is_complete=is_complete)
        if self.is_unverified and is_complete and not self._is_reported:
            self._is_reported = True
            log.warning("%s", checks.unverified(self._output, self.received))

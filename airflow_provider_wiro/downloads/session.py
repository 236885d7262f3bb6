"""Outputs from the CDN with requests: over kept connections, and from public addresses only."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import requests
import urllib3

from airflow_provider_wiro.downloads import checks as download_checks
from airflow_provider_wiro.downloads.public_address import private_address
from airflow_provider_wiro.downloads.ranges import StallTimeout
from airflow_provider_wiro.downloads.unsigned_logs import unsigned_logs
from airflow_provider_wiro.exceptions import WiroOutputError
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.transport.blocking import lower_case, open_session
from airflow_provider_wiro.transport.deadline import BoundedAdapter, allow_read, allow_request
from airflow_provider_wiro.transport.safe_errors import in_words, reason
from airflow_provider_wiro.transport.tls_required import check_secure_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from urllib3.connection import HTTPConnection

    from airflow_provider_wiro.api.models import Output
    from airflow_provider_wiro.transport.connection import WiroConnection

log = plain_logger(__name__)

#: What requests, and urllib3 below it, raise for text that passed our own look and is no URL to them.
_NO_URL = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
)


class OutputStream:
    """
    The body of one output, read piece by piece and judged on the way.

    :ivar content_type: as the CDN says.
    :ivar announced: bytes the CDN announces, None if it doesn't.
    :ivar is_unverified: nobody states the size, and the body ends with the connection: it may be cut off.
    """

    def __init__(self, output: Output, response: requests.Response, read_timeout: float) -> None:
        self._output = output
        self._response = response
        self._read_timeout = read_timeout
        headers = lower_case(response.headers)
        self.announced = download_checks.check_answer(output, response.status_code, headers)
        self.is_unverified = output.size is None and download_checks.ends_with_connection(output, headers)
        self._is_reported = False
        self.content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        self.received = 0

    def read(self, size: int) -> bytes:
        """
        Return the next ``size`` bytes, fewer only at the end, none after it.

        :raises WiroOutputUnavailableError: the body broke off.
        :raises WiroOutputRefusedError: more or fewer bytes than Wiro announced.
        """
        size = download_checks.bytes_to_read(self._output, size, self.received, announced=self.announced)
        piece, failure = self._read(size)
        self.received += len(piece)
        if failure is not None:
            raise download_checks.cut_off(self._output, f"{failure} after {self.received} bytes")
        download_checks.check_received(
            self._output, self.received, announced=self.announced, is_complete=len(piece) < size
        )
        if self.is_unverified and len(piece) < size and not self._is_reported:
            self._is_reported = True
            log.warning("%s", download_checks.unverified(self._output, self.received))
        return piece

    def _read(self, size: int) -> tuple[bytes, str | None]:
        """Return what came of ``size`` bytes, and why no more, None if that is their end."""
        pieces: list[bytes] = []
        received = 0
        patience = StallTimeout(time.monotonic())
        while received < size:
            allow_read(self._response, self._read_timeout)
            try:
                piece: bytes = self._response.raw.read1(size - received, decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                return b"".join(pieces), type(error).__name__
            if not piece:
                break
            pieces.append(piece)
            received += len(piece)
            patience.note(received, now := time.monotonic())
            if patience.is_over(now):
                return b"".join(pieces), "it came too slowly,"
        return b"".join(pieces), None

    def interrupt(self) -> None:
        """Let a read that waits for bytes fail at once. For a signal handler that came in between."""
        with suppress(AttributeError, ValueError, RuntimeError, OSError):
            self._response.raw.shutdown()


@contextmanager
def open_output(connection: WiroConnection, output: Output) -> Iterator[OutputStream]:
    """
    Open an output for reading, redirects followed by hand.

    :raises WiroOutputError: see :mod:`airflow_provider_wiro.downloads.checks`.
    """
    with (
        OutputSession(connection) as session,
        session.get(output, download_checks.REQUEST_HEADERS) as response,
    ):
        yield OutputStream(output, response, connection.read_timeout)


class OutputSession:
    """
    Gets outputs from the CDN over connections that are kept, and never from a private address.

    Usable from several threads: each has connections of its own.

    :param silence_seconds: how long the CDN may be silent, and how long the head of its answer may take.
        Default: the connection's ``read_timeout``.
    """

    def __init__(self, connection: WiroConnection, silence_seconds: float | None = None) -> None:
        self._connection = connection
        self._silence = connection.read_timeout if silence_seconds is None else silence_seconds
        self._of_this_thread = threading.local()
        self._sessions: list[requests.Session] = []
        self._connected: dict[int, HTTPConnection] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for session in self._sessions:
            session.close()

    def get(self, output: Output, headers: Mapping[str, str]) -> requests.Response:
        """
        Return the CDN's answer with its body unread; redirects are followed by hand.

        :raises WiroOutputRefusedError: it is where nothing must be fetched from.
        :raises WiroOutputUnavailableError: no answer came.
        """
        session, guard = self._session()
        guard.output = output
        url = download_checks.output_url(output)
        for hops in range(download_checks.MAX_REDIRECTS + 1):
            check_secure_output(self._connection, output, url)
            response = self._ask(session, output, url, headers)
            if response.status_code not in download_checks.REDIRECT_STATUSES:
                break
            with response:
                url = download_checks.redirect_url(output, url, lower_case(response.headers), hops)
        return response

    def _ask(
        self, session: requests.Session, output: Output, url: str, headers: Mapping[str, str]
    ) -> requests.Response:
        try:
            allow_request(session, url, self._connection.connect_timeout + self._silence)
            with unsigned_logs():
                return session.get(
                    url,
                    headers=dict(headers),
                    timeout=(self._connection.connect_timeout, self._silence),
                    stream=True,
                    allow_redirects=False,
                )
        except _NO_URL as error:
            failure: WiroOutputError = download_checks.no_url(output, reason(error))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            timeouts = {"connect_timeout": self._connection.connect_timeout, "read_timeout": self._silence}
            failure = download_checks.no_answer(output, url, in_words(error, **timeouts))
        raise failure  # out here and without a cause: the library's error quotes the URL and its signature

    def interrupt(self) -> None:
        """Let all that waits for the CDN fail at once. For a signal handler: it takes no lock."""
        for connection in list(self._connected.values()):
            with suppress(OSError, TypeError):  # closed; closed, and its socket is None
                # Not its own method: TLS would change the object under the thread that reads from it.
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    def _session(self) -> tuple[requests.Session, _GuardingAdapter]:
        mine = self._of_this_thread
        if not hasattr(mine, "session"):
            mine.session = open_session(self._connection)
            mine.guard = _GuardingAdapter(self._connection, self._connected)
            mine.session.mount("http://", mine.guard)
            mine.session.mount("https://", mine.guard)
            self._sessions.append(mine.session)
        return mine.session, mine.guard


class _GuardingAdapter(BoundedAdapter):
    """
    Refuses connections to private addresses: by name before connecting, and by the connected socket.

    A check of the name alone would not do: it can resolve to another address a moment later. Through a proxy
    the socket is the proxy's, so there the names are all that can be checked.

    :ivar output: the one that is being fetched, for the error's words.
    :param connected: where to register connections.
    """

    output: Output

    def __init__(self, connection: WiroConnection, connected: dict[int, HTTPConnection]) -> None:
        self._connection = connection
        self._connected = connected
        super().__init__()

    def traits(self, *, is_proxied: bool) -> tuple[type, ...]:
        return (_guarded(self, is_proxied=is_proxied),)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.check_name(urllib3.util.parse_url(request.url or "").hostname or "")
        return super().send(request, *args, **kwargs)

    def check_name(self, host: str) -> None:
        address = private_address(host)
        if address is not None:
            self.check_address(host, address)

    def check_address(self, host: str, address: str) -> None:
        if download_checks.is_public_address(address):
            return
        own_host = urllib3.util.parse_url(self._connection.base_url).hostname or ""
        if private_address(own_host) is None:
            raise download_checks.refuse_address(self.output, host, address)

    def register(self, connection: HTTPConnection) -> None:
        for key, other in list(self._connected.items()):
            if getattr(other, "sock", None) is None:
                self._connected.pop(key, None)
        self._connected[id(connection)] = connection


def _guarded(guard: _GuardingAdapter, *, is_proxied: bool) -> type:
    """Return what makes a connection registered, and checked before a byte is sent unless proxied."""

    class Guarded:
        def _new_conn(self) -> Any:
            connected = super()._new_conn()  # type: ignore[misc]  # urllib3's connection, mixed in below
            if is_proxied:
                return connected
            try:
                guard.check_address(self.host, connected.getpeername()[0])  # type: ignore[attr-defined]
            except WiroOutputError:
                connected.close()
                raise
            return connected

        def connect(self) -> None:
            super().connect()  # type: ignore[misc]
            guard.register(self)  # type: ignore[arg-type]

    return Guarded

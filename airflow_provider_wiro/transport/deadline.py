"""
Requests with a deadline for the whole response, and truncated response headers detected.

requests only limits the time between two bytes, so a header, chunk length or trailer that trickles in would
hold a thread for ever. http.client takes a truncated header section for a complete one, and the mail parser
that it uses ends the section at the first malformed line.
"""

from __future__ import annotations

import functools
import http.client
import io
import math
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    import requests


#: A header as in RFC 9112 §5, with blanks allowed before the colon, since some servers write them.
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)", re.DOTALL)
#: Transfer codings that change nothing.
_NO_CODINGS = frozenset({b"", b"identity"})
#: Interim statuses (RFC 9110 §15.2) that http.client doesn't skip by itself.
_INTERIM = range(102, 200)
#: The most malformed header lines that are skipped. http.client accepts as many headers.
_MAX_UNREADABLE = 100
#: http.client's own limit for a line.
_MAX_LINE = 65_536


class TruncatedHeaderError(http.client.RemoteDisconnected):
    """The connection was closed after the first bytes of a response, before the end of its header section."""


class BoundedAdapter(HTTPAdapter):
    """
    An adapter whose connections keep a deadline, for one request at a time.

    :ivar until: the deadline of the next request and its response, by ``time.monotonic``.
    """

    until = math.inf

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._bind(self.poolmanager, is_proxied=False)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        is_new = proxy not in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if is_new:
            self._bind(manager, is_proxied=True)
        return manager

    def traits(self, *, is_proxied: bool) -> tuple[type, ...]:
        """Return further classes to mix into connections."""
        return ()

    def _bind(self, manager: Any, *, is_proxied: bool) -> None:
        traits = (*self.traits(is_proxied=is_proxied), _bounded(self))

        def bound(pool: Any) -> Any:
            connection = type(f"Bounded{pool.ConnectionCls.__name__}", (*traits, pool.ConnectionCls), {})
            return type(f"Bounded{pool.__name__}", (pool,), {"ConnectionCls": connection})

        classes = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: bound(pool) for scheme, pool in classes.items()}


def allow_request(session: requests.Session, url: str, seconds: float) -> None:
    """Set the deadline of the session's next request, response body included."""
    adapter = session.get_adapter(url)
    if isinstance(adapter, BoundedAdapter):  # a user of `get_conn` may have mounted another
        adapter.until = time.monotonic() + seconds


def allow_read(response: requests.Response, seconds: float) -> None:
    """Set a new deadline for reading the rest of this response."""
    original = response.raw._original_response
    if isinstance(original, _BoundedResponse):
        original.reads.until = time.monotonic() + seconds


@contextmanager
def paused(response: requests.Response) -> Iterator[None]:
    """Stop the response's deadline while this context is open: nothing is read meanwhile."""
    started_at = time.monotonic()
    yield
    original = response.raw._original_response
    if isinstance(original, _BoundedResponse):
        original.reads.until += time.monotonic() - started_at


def _bounded(adapter: BoundedAdapter) -> type:
    class Bounded:
        sock: socket.socket | None
        timeout: float | None

        @property
        def response_class(self) -> Any:
            return functools.partial(_BoundedResponse, until=adapter.until)

        def send(self, data: Any) -> None:
            if self.sock is not None:
                _set_timeout(self.sock, self.timeout, adapter.until)
            super().send(data)  # type: ignore[misc]  # urllib3's connection, mixed in above

    return Bounded


class _BoundedResponse(http.client.HTTPResponse):
    """
    A response whose header section must be complete, and on time.

    :ivar reads: reads its bytes from the socket.
    """

    def __init__(self, sock: socket.socket, *args: Any, until: float, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.reads = _Reads(self.fp.detach(), sock, until)
        self.fp = self._head = _Head(self.reads)

    def _read_status(self) -> Any:
        """Return the final status: http.client skips 100, and takes other interim ones as final."""
        found = super()._read_status()  # type: ignore[misc]  # not in typeshed
        while found[1] in _INTERIM:
            while self._head.readline(_MAX_LINE + 1).strip():
                pass
            found = super()._read_status()  # type: ignore[misc]
        return found

    def begin(self) -> None:
        super().begin()
        self._head.has_ended = True
        if self.reads.has_ended:  # nothing beyond the header section has been read, so it was truncated
            self.close()
            raise TruncatedHeaderError("The connection ended inside the header of the response.")
        # urllib3 would log a warning about a malformed header, with the URL and thus an output's signature.
        self.msg.defects.clear()
        self.msg.set_payload("")


class _Head(io.BufferedReader):
    """
    The header section without malformed lines, then the body unchanged.

    http.client's parser stops at a malformed line: it would miss a ``Content-Length`` after it, and with that
    the end of the body.

    :ivar has_ended: the header section has been read; the body follows.
    """

    has_ended = False
    _is_at_status = True
    _passed_over = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if self.has_ended:
            return line
        if self._is_at_status:
            self._is_at_status = False
            return line
        while line and not (shown := _header_line(line)):
            line = self._next_after_unreadable(size)
        if not line:
            return line
        if shown in {b"\r\n", b"\n"}:  # a status again, if this was a 100 Continue
            self._is_at_status = True
        return shown

    def _next_after_unreadable(self, size: int | None) -> bytes:
        """Return the next line that isn't folded: a folded line would continue the previous header."""
        while True:
            self._passed_over += 1
            if self._passed_over > _MAX_UNREADABLE:
                raise http.client.HTTPException(f"more than {_MAX_UNREADABLE} lines that are no headers")
            line = super().readline(size)
            if line[:1] not in {b" ", b"\t"}:
                return line


def _header_line(line: bytes) -> bytes:
    """Return a header line in the form that http.client reads; empty if it is malformed."""
    if line in {b"\r\n", b"\n"} or len(line) > _MAX_LINE:  # too long: http.client says so
        return line
    match = _HEADER.fullmatch(line)
    if match is None and line[:1] not in {b" ", b"\t"}:
        return b""
    name, value = (b"", line) if match is None else (match[1] + b":", match[2])
    if name.lower() == b"transfer-encoding:":
        value = b" " + _codings(value)
    # The mail parser would end the line at a carriage return inside of it.
    return name + value.rstrip(b"\r\n").replace(b"\r", b" ") + b"\r\n"


def _codings(value: bytes) -> bytes:
    """
    Return transfer codings in the form that http.client needs: it reads a body as chunked only if the value
    is exactly ``chunked``, and would otherwise pass on the chunks' framing as bytes of the file.
    """
    codings = [coding for part in value.lower().split(b",") if (coding := part.strip()) not in _NO_CODINGS]
    return b", ".join(dict.fromkeys(codings))


class _Reads(io.RawIOBase):
    """
    Reads a socket until a deadline.

    :ivar until: the deadline, by ``time.monotonic``.
    :ivar has_ended: the other side has closed the connection.
    """

    def __init__(self, raw: Any, sock: socket.socket, until: float) -> None:
        self.until = until
        self.has_ended = False
        self._raw = raw
        self._sock = sock
        self._idle_timeout = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _set_timeout(self._sock, self._idle_timeout, self.until)
        count: int | None = self._raw.readinto(buffer)
        self.has_ended = count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _set_timeout(sock: socket.socket, idle_timeout: float | None, until: float) -> None:
    """Wait for the next bytes no longer than ``idle_timeout``, and not beyond ``until``."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("It took too long as a whole.")
    sock.settimeout(left if idle_timeout is None else min(left, idle_timeout))

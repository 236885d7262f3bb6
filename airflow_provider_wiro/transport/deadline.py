"""
Connections on which nothing goes on without an end, and no half answer passes for a whole one.

The timeouts of requests are between two bytes, so that a header, a chunk's length or a trailer that trickles
holds a thread for ever; http.client takes a header that was cut in the middle for one that has ended; and the
mail parser that it reads headers with takes the first line that is none for the end of them all.
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


#: A header as RFC 9112 §5 has it, but for blanks before the colon, which some servers write.
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)", re.DOTALL)
#: Transfer codings that change nothing.
_NO_CODINGS = frozenset({b"", b"identity"})
#: Statuses before the answer's own (RFC 9110 §15.2), but for those that end it or that http.client knows.
_INTERIM = range(102, 200)
#: As many lines that are no header are passed over. http.client takes as many headers.
_MAX_UNREADABLE = 100
#: http.client's own limit of a line.
_MAX_LINE = 65_536


class CutInsideHeaderError(http.client.RemoteDisconnected):
    """The connection was closed after the first bytes of an answer, and before the end of its header."""


class BoundedAdapter(HTTPAdapter):
    """
    Makes connections that keep a time limit, for one request at a time.

    :ivar until: the limit of the next request by ``time.monotonic``. Its answer takes it over.
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
        """Return what else connections are to have, as classes to mix in."""
        return ()

    def _bind(self, manager: Any, *, is_proxied: bool) -> None:
        traits = (*self.traits(is_proxied=is_proxied), _bounded(self))

        def bound(pool: Any) -> Any:
            connection = type(f"Bounded{pool.ConnectionCls.__name__}", (*traits, pool.ConnectionCls), {})
            return type(f"Bounded{pool.__name__}", (pool,), {"ConnectionCls": connection})

        classes = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: bound(pool) for scheme, pool in classes.items()}


def allow_request(session: requests.Session, url: str, seconds: float) -> None:
    """Give the next request of a session so many seconds from now, the reading of its answer included."""
    adapter = session.get_adapter(url)
    if isinstance(adapter, BoundedAdapter):  # whoever asked a hook for its session may have mounted another
        adapter.until = time.monotonic() + seconds


def allow_read(response: requests.Response, seconds: float) -> None:
    """Give an answer so many seconds from now, instead of those of its request, for what is read of it."""
    original = response.raw._original_response
    if isinstance(original, _BoundedResponse):
        original.reads.until = time.monotonic() + seconds


@contextmanager
def paused(response: requests.Response) -> Iterator[None]:
    """Don't count the time that is spent in here as the answer's: nothing of it is read meanwhile."""
    began_at = time.monotonic()
    yield
    original = response.raw._original_response
    if isinstance(original, _BoundedResponse):
        original.reads.until += time.monotonic() - began_at


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
    An answer whose head has to be whole, and in time.

    :ivar reads: what is read of the socket for it.
    """

    def __init__(self, sock: socket.socket, *args: Any, until: float, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.reads = _Reads(self.fp.detach(), sock, until)
        self.fp = self._head = _Head(self.reads)

    def _read_status(self) -> Any:
        """Return the final status: http.client passes over 100, and takes other interim ones for the end."""
        found = super()._read_status()  # type: ignore[misc]  # not in typeshed
        while found[1] in _INTERIM:
            while self._head.readline(_MAX_LINE + 1).strip():
                pass
            found = super()._read_status()  # type: ignore[misc]
        return found

    def begin(self) -> None:
        super().begin()
        self._head.has_ended = True
        if self.reads.has_ended:  # nothing is read beyond the head here, so that this was inside of it
            self.close()
            raise CutInsideHeaderError("The connection ended inside the header of the answer.")
        # Of a header that is none urllib3 would log a warning, with the URL and thus an output's signature.
        self.msg.defects.clear()
        self.msg.set_payload("")


class _Head(io.BufferedReader):
    """
    An answer of whose head only lines are shown that are headers; its body is as it comes.

    http.client parses a head as that of a mail, which ends where a line is no header: a ``Content-Length``
    behind that would be lost, and with it all knowledge of where the body ends.

    :ivar has_ended: what follows is the body.
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
        """Return the next line that isn't folded: it would be taken for more of the header before."""
        while True:
            self._passed_over += 1
            if self._passed_over > _MAX_UNREADABLE:
                raise http.client.HTTPException(f"more than {_MAX_UNREADABLE} lines that are no headers")
            line = super().readline(size)
            if line[:1] not in {b" ", b"\t"}:
                return line


def _header_line(line: bytes) -> bytes:
    """Return a line of a head in the form that http.client reads; empty if it is no header."""
    if line in {b"\r\n", b"\n"} or len(line) > _MAX_LINE:  # too long: http.client says so
        return line
    match = _HEADER.fullmatch(line)
    if match is None and line[:1] not in {b" ", b"\t"}:
        return b""
    name, value = (b"", line) if match is None else (match[1] + b":", match[2])
    if name.lower() == b"transfer-encoding:":
        value = b" " + _codings(value)
    # A carriage return inside of a line would be the end of a line to the mail parser.
    return name + value.rstrip(b"\r\n").replace(b"\r", b" ") + b"\r\n"


def _codings(value: bytes) -> bytes:
    """
    Return transfer codings as http.client has to read them: it takes a body for chunked only if nothing else
    is said, not even a blank, and would show the frame of each chunk as bytes of the file.
    """
    codings = [coding for part in value.lower().split(b",") if (coding := part.strip()) not in _NO_CODINGS]
    return b", ".join(dict.fromkeys(codings))


class _Reads(io.RawIOBase):
    """
    A socket's bytes, until a moment.

    :ivar until: that moment.
    :ivar has_ended: the other side has closed.
    """

    def __init__(self, raw: Any, sock: socket.socket, until: float) -> None:
        self.until = until
        self.has_ended = False
        self._raw = raw
        self._sock = sock
        self._silence = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _set_timeout(self._sock, self._silence, self.until)
        count: int | None = self._raw.readinto(buffer)
        self.has_ended = count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _set_timeout(sock: socket.socket, silence: float | None, until: float) -> None:
    """Wait for the next bytes no longer than ``silence``, and not beyond ``until``."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("It took too long as a whole.")
    sock.settimeout(left if silence is None else min(left, silence))

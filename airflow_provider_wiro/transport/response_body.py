"""
The body of an API response: size limit, decompression, and one large body at a time.

Any number of small responses are read at once. A large one waits for its connection's turn before the rest is
read, so that memory doesn't grow with the number of requests.
"""

from __future__ import annotations

import asyncio
import threading
import zlib
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from airflow_provider_wiro.api.responses import MAX_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.transport.connection import WiroConnection

#: Identifies a connection: its base URL and key.
_ConnectionKey = tuple[str, str]

#: Reentrant, since a signal handler may stop a task with a request of its own in the middle of another.
_TURNS: dict[_ConnectionKey, threading.RLock] = {}
_LOOP_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_ConnectionKey, asyncio.Lock]] = (
    WeakKeyDictionary()
)


def blocking_turn(connection: WiroConnection) -> threading.RLock:
    """Return the lock that a thread holds while it reads a large response."""
    return _TURNS.setdefault(_key(connection), threading.RLock())


def turn(connection: WiroConnection) -> asyncio.Lock:
    """Return the lock that a task of the running event loop holds while it reads a large response."""
    turns = _LOOP_TURNS.setdefault(asyncio.get_running_loop(), {})
    return turns.setdefault(_key(connection), asyncio.Lock())


def _key(connection: WiroConnection) -> _ConnectionKey:
    return connection.base_url, connection.credentials.key


class ResponseBody:
    """
    A response body while it is read.

    Some proxies compress a response unasked, and some bodies are decompression bombs. The HTTP libraries
    decompress, too, but the versions that Airflow 3.0 uses without any limit.

    :param headers: of the response, names in lower case.
    :param max_bytes: the largest body that is read.
    """

    def __init__(self, headers: Mapping[str, str], max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._limit = min(max_bytes, MAX_BODY_BYTES)
        self._body = bytearray()
        self._compressed = b""
        is_compressed = headers.get("content-encoding", "").strip().lower() in {"gzip", "x-gzip", "deflate"}
        # 32: detect gzip or zlib by the header
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 32) if is_compressed else None

    @property
    def needs_turn(self) -> bool:
        """Whether the body is large, so that its rest is read only in its turn."""
        return self._limit < self._max_bytes and len(self._body) > self._limit

    @property
    def is_full(self) -> bool:
        """Whether the body exceeds its limit, so that reading on is useless."""
        return len(self._body) > self._max_bytes

    def add(self, piece: bytes) -> None:
        """Add the next bytes as received."""
        if self._inflater is None:
            self._body += piece
        else:
            self._compressed += piece
            self._inflate(self._inflater)

    def take_turn(self) -> None:
        """Continue beyond the size of a small response."""
        self._limit = self._max_bytes
        if self._inflater is not None:
            self._inflate(self._inflater)

    def _inflate(self, inflater: zlib._Decompress) -> None:
        room = self._limit + 1 - len(self._body)
        if room <= 0:
            return
        try:
            self._body += inflater.decompress(self._compressed, room)
        except (
            zlib.error
        ):  # not compressed, although its header says so; the caller reports that it isn't JSON
            self._body += self._compressed[:room]
            self._inflater = None
        self._compressed = inflater.unconsumed_tail

    def finish(self) -> bytes:
        """Return the body, at most one byte beyond its limit."""
        found = bytes(memoryview(self._body)[: self._max_bytes + 1])
        self._body = bytearray()
        return found

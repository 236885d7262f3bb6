"""
An HTTP server on raw sockets that treats each request as its script says: respond, lie, trickle, or vanish.

Written from the contract and from RFC 9112, sharing no code with the package or its emulator. A script is a
function of a :class:`Wire`; :mod:`tests.contract.scripts` has the common ones.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

#: Bodies above this are hashed and counted, not kept.
KEPT_BYTES = 16 * 1024 * 1024

Script = Callable[["Wire"], None]


@dataclass
class Request:
    """A received request. ``connection`` counts the server's connections from 1."""

    connection: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    body_size: int = 0
    body_sha256: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def parts(self) -> list[Part]:
        """The parts of a multipart body, in order."""
        boundary = self.headers["content-type"].partition("boundary=")[2].strip('"').encode()
        first, *middle, last = (b"\r\n" + self.body).split(b"\r\n--" + boundary)
        assert first == b"", "bytes before the first part"
        assert last.strip() == b"--", "the multipart body has no end"
        return [Part.parse(part.removeprefix(b"\r\n")) for part in middle]


@dataclass
class Part:
    name: str
    filename: str | None
    headers: dict[str, str]
    body: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        head, _, body = raw.partition(b"\r\n\r\n")
        headers = _headers(head.decode())
        options = dict(
            option.strip().split("=", 1) for option in headers["content-disposition"].split(";")[1:]
        )
        filename = options.get("filename")
        return cls(
            options["name"].strip('"'), None if filename is None else filename.strip('"'), headers, body
        )


class Gone(Exception):  # noqa: N818 no error, only the end of a script
    """The connection is closed, by either side."""


@dataclass
class Wire:
    """One connection, for a script to act on."""

    socket: socket.socket
    serial: int
    stopping: threading.Event
    request: Request | None = None
    _buffer: bytes = field(default=b"", repr=False)

    def send(self, data: bytes) -> None:
        """Send bytes, or raise Gone."""
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Gone from error

    def close(self) -> None:
        """Close the connection with FIN."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        raise Gone

    def reset(self) -> None:
        """Close the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        raise Gone

    def wait(self, seconds: float) -> None:
        """Do nothing for a while, or until the server stops."""
        if self.stopping.wait(seconds):
            raise Gone

    def wait_for_bytes(self) -> None:
        """Wait until the client sends something, and leave it unread."""
        self.socket.recv(1, socket.MSG_PEEK)

    def read_head(self) -> Request | None:
        """Return the next request without its body, None when the client has closed."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._fill():
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, _, rest = head.decode("latin-1").partition("\r\n")
        method, path, _ = first.split(" ")
        self.request = Request(self.serial, method, path, _headers(rest))
        return self.request

    def read_body(self, request: Request) -> None:
        digest = hashlib.sha256()
        for piece in self._body_pieces(request):
            digest.update(piece)
            request.body_size += len(piece)
            if request.body_size <= KEPT_BYTES:
                request.body += piece
        request.body_sha256 = digest.hexdigest()

    def _body_pieces(self, request: Request) -> Any:
        if request.headers.get("transfer-encoding") == "chunked":
            while size := int(self._line(), 16):
                yield from self._exactly(size)
                self._line()
            self._line()
            return
        yield from self._exactly(int(request.headers.get("content-length", "0")))

    def _exactly(self, size: int) -> Any:
        while size:
            if not self._buffer and not self._fill():
                raise Gone
            piece, self._buffer = self._buffer[:size], self._buffer[size:]
            size -= len(piece)
            yield piece

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            if not self._fill():
                raise Gone
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _fill(self) -> bool:
        try:
            received = self.socket.recv(256 * 1024)
        except OSError as error:
            raise Gone from error
        self._buffer += received
        return bool(received)


class HostileServer:
    """Listens from construction to :meth:`stop`; one thread for each connection."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        wrap: Callable[[socket.socket], socket.socket] | None = None,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=64)
        self._wrap = wrap
        self._host = f"[{host}]" if ":" in host else host
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[Request] = []
        self.connections = 0
        self.errors: list[BaseException] = []
        self._scripts: dict[str, list[Script]] = {}
        self._greetings: list[Script] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._sockets: list[socket.socket] = []
        self._threads[0].start()

    @property
    def origin(self) -> str:
        return f"{'https' if self._wrap else 'http'}://{self._host}:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    def on(self, path: str, *scripts: Script) -> Self:
        """
        Play these scripts for the requests to a path, in turn; the last one also for all further requests.
        """
        self._scripts[path] = list(scripts)
        return self

    def greet(self, *scripts: Script) -> Self:
        """Play these scripts on the next new connections, before anything is read from them."""
        self._greetings.extend(scripts)
        return self

    def to(self, path: str) -> list[Request]:
        """Return the requests received for a path."""
        with self._lock:
            return [request for request in self.requests if request.path == path]

    def stop(self) -> None:
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(timeout=5)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self._sockets.append(accepted)
                thread = threading.Thread(target=self._serve, args=(accepted, self.connections), daemon=True)
                self._threads.append(thread)
            thread.start()

    def _serve(self, accepted: socket.socket, serial: int) -> None:
        try:
            wrapped = self._wrap(accepted) if self._wrap else accepted
        except OSError:
            accepted.close()
            return
        wire = Wire(wrapped, serial, self._stopping)
        try:
            with self._lock:
                greeting = self._greetings.pop(0) if self._greetings else None
            if greeting is not None:
                greeting(wire)
            while (request := wire.read_head()) is not None:
                script = self._next_script(request)
                if not getattr(script, "is_before_body", False):
                    wire.read_body(request)
                script(wire)
        except (Gone, OSError):
            pass
        except BaseException as error:
            self.errors.append(error)
            raise
        finally:
            wrapped.close()
            accepted.close()

    def _next_script(self, request: Request) -> Script:
        with self._lock:
            self.requests.append(request)
            scripts = self._scripts.get(request.path)
            if not scripts:
                return _not_scripted
            return scripts.pop(0) if len(scripts) > 1 else scripts[0]


def _not_scripted(wire: Wire) -> None:
    body = b'{"result": false, "errors": [{"code": 1, "message": "no script"}]}'
    wire.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def _headers(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.split("\r\n") if line)
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def wait_until(is_so: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Wait until another thread makes this true; return whether it did in time."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True

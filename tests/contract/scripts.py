"""Scripts for the hostile server: what it does with a request."""

from __future__ import annotations

import gzip as gzip_format
import json
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.contract.hostile import Script, Wire

ENOUGH_BYTES = 64 * 1024 * 1024


def head(status: int = 200, **headers: object) -> bytes:
    """Return the status line and headers of a response; ``content_type=…`` becomes ``content-type``."""
    lines = [f"HTTP/1.1 {status} Whatever"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def respond(body: bytes, status: int = 200, **headers: object) -> Script:
    """Respond correctly; the connection stays open."""
    return raw(head(status, content_length=len(body), **headers), body, then_close=False)


def success(fields: Mapping[str, Any] | None = None, /, **more: Any) -> Script:
    """Respond with success, in Wiro's envelope."""
    return respond(json.dumps({"result": True, "errors": [], **(fields or {}), **more}).encode())


def refuse(code: object, message: str, status: int = 200, **headers: object) -> Script:
    """Refuse, in Wiro's envelope."""
    body = {"result": False, "errors": [{"code": code, "message": message}]}
    return respond(json.dumps(body).encode(), status, **headers)


def raw(
    *pieces: bytes, then_close: bool = True, then: Script | None = None, seconds_between: float = 0.0
) -> Script:
    """Send exactly these bytes."""

    def script(wire: Wire) -> None:
        for piece in pieces:
            wire.send(piece)
            if seconds_between:
                wire.wait(seconds_between)
        if then is not None:
            then(wire)
        if then_close:
            wire.close()

    return script


def close_connection(wire: Wire) -> None:
    """Close the connection without a response."""
    wire.close()


def reset(wire: Wire) -> None:
    """Reset the connection without a response."""
    wire.reset()


def never_respond(wire: Wire) -> None:
    """Never respond."""
    wire.wait(60)


def leave_unread(wire: Wire) -> None:
    """Read the headers, but never the body, and never respond."""
    wire.wait(60)


leave_unread.is_before_body = True  # type: ignore[attr-defined]


def respond_before_body(script: Script) -> Script:
    """Respond as soon as the headers are read, and close."""

    def early(wire: Wire) -> None:
        script(wire)
        wire.close()

    early.is_before_body = True  # type: ignore[attr-defined]
    return early


def delayed(seconds: float, script: Script) -> Script:
    """Play a script after a delay."""

    def waiting(wire: Wire) -> None:
        wire.wait(seconds)
        script(wire)

    return waiting


def after_event(wait: Callable[[float], object], script: Script) -> Script:
    """
    Play a script once ``wait`` of a threading.Event or Barrier returns; close the connection if it doesn't.
    """

    def waiting(wire: Wire) -> None:
        try:
            has_happened = wait(20) is not False
        except threading.BrokenBarrierError:
            has_happened = False
        if not has_happened:
            wire.close()
        script(wire)

    return waiting


def then_close(script: Script) -> Script:
    """Respond as if the connection stayed open, and close it."""

    def closing(wire: Wire) -> None:
        script(wire)
        wire.close()

    return closing


def then_drop_next(script: Script) -> Script:
    """Respond, and reset the connection when the next request arrives on it."""

    def dropping(wire: Wire) -> None:
        script(wire)
        wire.wait_for_bytes()
        wire.reset()

    return dropping


def truncated(body: bytes, *, missing: int = 10, status: int = 200, **headers: object) -> Script:
    """Announce more bytes than are sent."""
    return raw(head(status, content_length=len(body) + missing, **headers), body)


def chunked(*pieces: bytes, is_complete: bool = True, **headers: object) -> Script:
    """Respond in chunks, without the last one if not complete."""
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    end = [b"0\r\n\r\n"] if is_complete else []
    return raw(head(200, transfer_encoding="chunked", **headers), *chunks, *end, then_close=not is_complete)


def until_close(body: bytes, **headers: object) -> Script:
    """Respond without a length: the body ends with the connection."""
    return raw(head(200, connection="close", **headers), body)


def gzipped(body: bytes, **headers: object) -> Script:
    """Respond compressed, although not requested."""
    return respond(gzip_format.compress(body), content_encoding="gzip", **headers)


def endless(start: bytes, piece: bytes) -> Script:
    """Send a start, and then the same bytes repeatedly, up to 64 MiB or until the client closes."""

    def script(wire: Wire) -> None:
        wire.send(start)
        many = piece * (256 * 1024 // len(piece))
        for _ in range(ENOUGH_BYTES // len(many)):
            wire.send(many)
        wire.close()

    return script


def drip(start: bytes, piece: bytes, seconds_between: float) -> Script:
    """Send a start, and then a piece at each interval, for ever."""

    def script(wire: Wire) -> None:
        wire.send(start)
        while True:
            wire.wait(seconds_between)
            wire.send(piece)

    return script


def trickling(start: bytes, piece: bytes, end: bytes, *, seconds: float = 4.0) -> Script:
    """Send a start, the same piece repeatedly for a while, and then a correct end."""

    def script(wire: Wire) -> None:
        wire.send(start)
        for _ in range(int(seconds / 0.02)):
            wire.wait(0.02)
            wire.send(piece)
        wire.send(end)

    return script


def redirect(to: str, status: int = 302, **headers: object) -> Script:
    """Redirect."""
    return respond(b"", status, location=to, **headers)


def requested_range(wire: Wire, size: int) -> tuple[int, int] | None:
    """Return the requested range, its end exclusive; None: the whole file."""
    header = wire.request.headers.get("range", "") if wire.request else ""
    if not header:
        return None
    first, _, last = header.removeprefix("bytes=").partition("-")
    return int(first), min(size, int(last) + 1 if last else size)


def ranged(body: bytes, *, etag: str = '"v1"', cut_after: int | None = None, **headers: object) -> Script:
    """
    Serve range requests as in RFC 9110: If-Range with another ETag gets the whole file.

    :param cut_after: close the connection after this many bytes of the body.
    """

    def script(wire: Wire) -> None:
        wanted = requested_range(wire, len(body))
        asked_etag = wire.request.headers.get("if-range", etag) if wire.request else etag
        more: dict[str, object] = {"etag": etag} if etag else {}
        more |= headers
        if wanted is None or asked_etag != etag:
            status, sent = 200, body
        elif wanted[0] >= len(body):
            status, sent = 416, b""
            more["content_range"] = f"bytes */{len(body)}"
        else:
            status, sent = 206, body[wanted[0] : wanted[1]]
            more["content_range"] = f"bytes {wanted[0]}-{wanted[1] - 1}/{len(body)}"
        wire.send(head(status, **{"content_length": len(sent), **more}))
        if cut_after is not None and cut_after < len(sent):
            wire.send(sent[:cut_after])
            wire.close()
        wire.send(sent)

    return script


def wrong_range(body: bytes, content_range: str, *, sent: int | None = None, etag: str = '"v1"') -> Script:
    """
    Respond to any range request with 206 and this Content-Range, otherwise correctly.

    :param content_range: ``{first}``, ``{last}`` and ``{size}`` are replaced by the correct numbers.
    :param sent: how many bytes to send; default: as many as requested.
    """

    def script(wire: Wire) -> None:
        first, stop = requested_range(wire, len(body)) or (0, len(body))
        shown = content_range.format(first=first, last=stop - 1, size=len(body))
        count = stop - first if sent is None else sent
        piece = (body[first:] + body)[:count]
        wire.send(head(206, content_length=len(piece), content_range=shown, etag=etag) + piece)

    return script

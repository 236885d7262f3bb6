"""
An object's bytes through the API server: in pieces, each of which is one request to the store.

Between two pieces nothing is open and no thread waits, however slowly a browser takes them. All pieces are of
one version of the object.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from starlette.responses import Response, StreamingResponse

from airflow_provider_wiro.gallery.media.disposition import content_disposition
from airflow_provider_wiro.gallery.media.range_header import (
    AskedRange,
    asked_range,
    etag_of,
    goes_on,
    has_it,
)
from airflow_provider_wiro.gallery.media.shown_types import sent_type
from airflow_provider_wiro.gallery.ranged.ranged_object import BeyondEndError, UnreadableObjectError
from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from airflow_provider_wiro.gallery.landed_output import LandedOutput
    from airflow_provider_wiro.gallery.ranged.ranged_object import RangedObject, StoredFacts

log = plain_logger(__name__)

#: How many bytes are in memory for each browser.
PIECE_BYTES = 1024 * 1024
#: How many pieces are read at the same time. Airflow's own requests have other threads.
_READERS = 8

_readers: RunVar[CapacityLimiter] = RunVar("wiro_gallery_readers")


def streamed(
    output: LandedOutput,
    stored: RangedObject,
    headers: Mapping[str, str],
    method: str,
    check: Callable[[StoredFacts], None],
) -> Response:
    """
    Return an object's bytes, or those that a request asks for.

    :param headers: of the request.
    :param check: raises if the object isn't the output.
    :raises UnreadableObjectError: the store doesn't give them.
    """
    asked = asked_range(headers.get("range")) if method == "GET" else None
    first, facts = _first_piece(stored, headers, method, asked)
    check(facts)
    etag = etag_of(facts.version)
    if asked is not None and not goes_on(headers.get("if-range"), etag):
        asked = None
    sent = _headers(output, etag)
    if has_it(headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=sent)
    wanted = range(facts.size) if asked is None else asked.within(facts.size)
    if wanted is None:
        return Response(status_code=416, headers={**sent, "content-range": f"bytes */{facts.size}"})
    sent["content-length"] = str(len(wanted))
    if asked is not None:
        sent["content-range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{facts.size}"
    status = 200 if asked is None else 206
    if method == "HEAD" or not wanted:
        return Response(status_code=status, headers=sent)
    known = first if first is not None and first[0] == wanted.start else None
    return StreamingResponse(
        _pieces(stored, facts, wanted, b"" if known is None else known[1]), status_code=status, headers=sent
    )


def _first_piece(
    stored: RangedObject, headers: Mapping[str, str], method: str, asked: AskedRange | None
) -> tuple[tuple[int, bytes] | None, StoredFacts]:
    """Return the first bytes that are wanted and where they begin, None if they aren't read yet."""
    is_plain = asked is None or asked.start is not None
    if method == "HEAD" or "if-none-match" in headers or "if-range" in headers or not is_plain:
        return None, stored.facts()
    start = 0 if asked is None or asked.start is None else asked.start
    last = start + PIECE_BYTES - 1
    if asked is not None and asked.last is not None:
        last = min(last, asked.last)
    try:
        body, facts = stored.read(start, last + 1)
    except BeyondEndError:
        return None, stored.facts()
    return (start, body), facts


async def _pieces(
    stored: RangedObject, facts: StoredFacts, wanted: range, first: bytes
) -> AsyncIterator[bytes]:
    """Yield the wanted bytes. Where the store fails the connection is closed, so that a browser notices."""
    readers = _readers.get(None)
    if readers is None:
        readers = CapacityLimiter(_READERS)
        _readers.set(readers)
    position = wanted.start
    piece = first
    while True:
        if not piece:
            read = partial(
                stored.read, position, min(position + PIECE_BYTES, wanted.stop), facts.version or None
            )
            try:
                piece, _ = await to_thread.run_sync(read, limiter=readers)
            except UnreadableObjectError as error:
                log.warning("Stopped sending an output at byte %d of %d: %s", position, facts.size, error)
                return
        piece = piece[: wanted.stop - position]
        yield piece
        position += len(piece)
        if position >= wanted.stop or not piece:
            return
        piece = b""


def _headers(output: LandedOutput, etag: str) -> dict[str, str]:
    content_type, is_shown = sent_type(output.content_type, output.name)
    sent = {
        "content-type": content_type,
        "content-disposition": content_disposition(output.name, is_shown=is_shown),
        "accept-ranges": "bytes",
        # Kept by the browser only, and asked about each time: who may see it can change.
        "cache-control": "private, no-cache",
        "x-content-type-options": "nosniff",
        # Airflow compresses what has none, which ranges can't be.
        "content-encoding": "identity",
    }
    return {**sent, "etag": etag} if etag else sent

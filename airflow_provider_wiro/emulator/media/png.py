"""An encoder for PNG: signature, header, palette, one compressed data chunk, end (specification, 5.6)."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.media.canvas import Canvas

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INDEXED_COLOUR = 3
_NO_FILTER = b"\x00"


def encode_png(canvas: Canvas) -> bytes:
    """Return the picture as an 8-bit palette PNG."""
    header = struct.pack(">IIBBBBB", canvas.width, canvas.height, 8, _INDEXED_COLOUR, 0, 0, 0)
    palette = bytes(value for colour in canvas.palette for value in colour)
    pixels = zlib.compress(b"".join(_NO_FILTER + row for row in canvas.rows), 6)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", pixels), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

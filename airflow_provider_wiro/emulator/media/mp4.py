"""An encoder for MP4: one H.264 track in one chunk (ISO/IEC 14496-12 and -15)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_wiro.emulator.media.h264 import H264Encoder

_TIMESCALE = 1000
_IDENTITY_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def encode_mp4(encoder: H264Encoder, frames: Sequence[bytes], frames_per_second: int) -> bytes:
    """Return a file with these frames. The index comes before the data, so that players start at once."""
    samples = [struct.pack(">I", len(frame)) + frame for frame in frames]
    step = _TIMESCALE // frames_per_second
    ftyp = box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2avc1mp41")
    # The index contains the position of the data; its own length is the same for every position.
    size = len(_movie(encoder, samples, step, 0))
    movie = _movie(encoder, samples, step, len(ftyp) + size + 8)
    return ftyp + movie + box(b"mdat", *samples)


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box: its length, its kind, its content."""
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _full_box(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", flags), *parts)


def _movie(encoder: H264Encoder, samples: Sequence[bytes], step: int, data_offset: int) -> bytes:
    duration = step * len(samples)
    width, height = encoder.width, encoder.height
    mvhd = _full_box(
        b"mvhd",
        struct.pack(">4IIH10x", 0, 0, _TIMESCALE, duration, 0x10000, 0x100),
        _IDENTITY_MATRIX,
        bytes(24),
        struct.pack(">I", 2),
    )
    tkhd = _full_box(
        b"tkhd",
        struct.pack(">5I8x4H", 0, 0, 1, 0, duration, 0, 0, 0, 0),
        _IDENTITY_MATRIX,
        struct.pack(">2I", width << 16, height << 16),
        flags=3,
    )
    mdhd = _full_box(b"mdhd", struct.pack(">4I2H", 0, 0, _TIMESCALE, duration, 0x55C4, 0))
    hdlr = _full_box(b"hdlr", struct.pack(">I4s12x", 0, b"vide"), b"Wiro emulator\x00")
    vmhd = _full_box(b"vmhd", bytes(8), flags=1)
    dinf = box(b"dinf", _full_box(b"dref", struct.pack(">I", 1), _full_box(b"url ", flags=1)))
    stbl = box(
        b"stbl",
        _full_box(b"stsd", struct.pack(">I", 1), _avc1(encoder)),
        _full_box(b"stts", struct.pack(">3I", 1, len(samples), step)),
        _full_box(b"stsc", struct.pack(">4I", 1, 1, len(samples), 1)),
        _full_box(
            b"stsz", struct.pack(">2I", 0, len(samples)), *(struct.pack(">I", len(s)) for s in samples)
        ),
        _full_box(b"stco", struct.pack(">2I", 1, data_offset)),
    )
    minf = box(b"minf", vmhd, dinf, stbl)
    return box(b"moov", mvhd, box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, minf)))


def _avc1(encoder: H264Encoder) -> bytes:
    sps, pps = encoder.sequence_parameters(), encoder.picture_parameters()
    configuration = box(
        b"avcC",
        bytes([1, sps[1], sps[2], sps[3], 0xFF, 0xE1]),
        struct.pack(">H", len(sps)) + sps,
        bytes([1]) + struct.pack(">H", len(pps)) + pps,
    )
    return box(
        b"avc1",
        struct.pack(">6xH16x2H2I4xH32xHh", 1, encoder.width, encoder.height, 0x480000, 0x480000, 1, 24, -1),
        configuration,
    )

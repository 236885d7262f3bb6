"""
An encoder for H.264 video without compression: every macroblock carries its raw pixels (I_PCM).

ITU-T H.264 allows a macroblock of 384 raw bytes. So an encoder of a few lines makes films that play
everywhere; formats that are easier to write, such as PNG frames in MP4, do not. Clause numbers are those of
H.264 (08/2021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.media.canvas import Canvas, Rgb

BLOCK = 16
_I_SLICE = 7
_I_PCM = 25


class H264Encoder:
    """Encodes pictures of one size; `width` and `height` must be multiples of 16."""

    def __init__(self, width: int, height: int) -> None:
        """Fix the size of the film."""
        if width % BLOCK or height % BLOCK:
            raise ValueError(f"H.264 needs multiples of {BLOCK}, got {width} x {height}")
        self.width = width
        self.height = height
        self._frames = 0

    def sequence_parameters(self) -> bytes:
        """Return the SPS: Constrained Baseline, level 3, no reordering (7.3.2.1)."""
        bits = Bits()
        bits.fixed(66, 8).fixed(0b11000000, 8).fixed(30, 8)
        bits.unsigned(0)  # seq_parameter_set_id
        bits.unsigned(0)  # log2_max_frame_num_minus4
        bits.unsigned(2)  # pic_order_cnt_type: output order is decoding order
        bits.unsigned(0).fixed(0, 1)  # no reference frames, no gaps
        bits.unsigned(self.width // BLOCK - 1).unsigned(self.height // BLOCK - 1)
        bits.fixed(1, 1).fixed(1, 1)  # frames only; direct_8x8_inference
        bits.fixed(0, 1).fixed(0, 1)  # no cropping, no VUI
        return b"\x67" + escape(bits.finish())

    def picture_parameters(self) -> bytes:
        """Return the PPS: CAVLC, one slice group (7.3.2.2)."""
        bits = Bits()
        bits.unsigned(0).unsigned(0).fixed(0, 1).fixed(0, 1).unsigned(0)
        bits.unsigned(0).unsigned(0).fixed(0, 1).fixed(0, 2)
        bits.signed(0).signed(0).signed(0)
        bits.fixed(1, 1).fixed(0, 1).fixed(0, 1)  # the slice header turns deblocking off
        return b"\x68" + escape(bits.finish())

    def frame(self, canvas: Canvas) -> bytes:
        """Return one picture as an IDR slice (7.3.3, 7.3.5), without start code or length."""
        planes = _planes(canvas)
        bits = Bits()
        bits.unsigned(0).unsigned(_I_SLICE).unsigned(0)
        bits.fixed(0, 4)  # frame_num
        bits.unsigned(self._frames % 2)  # idr_pic_id: two neighbours must differ
        self._frames += 1
        bits.fixed(0, 2)  # no_output_of_prior_pics, long_term_reference
        bits.signed(0).unsigned(1)  # slice_qp_delta; disable_deblocking_filter_idc
        for top in range(0, self.height, BLOCK):
            for left in range(0, self.width, BLOCK):
                bits.unsigned(_I_PCM).align()
                bits.raw(_macroblock(planes, left, top))
        return b"\x65" + escape(bits.finish())


class Bits:
    """Writes the bit strings of H.264: fixed lengths and Exp-Golomb codes (9.1)."""

    def __init__(self) -> None:
        """Start empty."""
        self._bytes = bytearray()
        self._pending = 0
        self._count = 0

    def fixed(self, value: int, length: int) -> Bits:
        """Write `value` in `length` bits."""
        self._pending = self._pending << length | value
        self._count += length
        while self._count >= 8:
            self._count -= 8
            self._bytes.append(self._pending >> self._count & 0xFF)
        self._pending &= (1 << self._count) - 1
        return self

    def unsigned(self, value: int) -> Bits:
        """Write ue(v)."""
        length = (value + 1).bit_length()
        return self.fixed(value + 1, 2 * length - 1)

    def signed(self, value: int) -> Bits:
        """Write se(v)."""
        return self.unsigned(2 * value - 1 if value > 0 else -2 * value)

    def align(self) -> Bits:
        """Fill the byte with zero bits."""
        return self.fixed(0, -self._count % 8)

    def raw(self, data: bytes) -> Bits:
        """Write whole bytes; the position must be a byte's start."""
        self._bytes += data
        return self

    def finish(self) -> bytes:
        """Write the stop bit and return everything."""
        self.fixed(1, 1).align()
        return bytes(self._bytes)


def escape(payload: bytes) -> bytes:
    """Insert an emulation prevention byte wherever the payload would contain a start code (7.4.1)."""
    if b"\x00\x00" not in payload:
        return payload
    escaped, zeros = bytearray(), 0
    for byte in payload:
        if zeros == 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(escaped)


def _macroblock(planes: tuple[list[bytes], list[bytes], list[bytes]], left: int, top: int) -> bytes:
    luma, blue, red = planes
    half, middle = BLOCK // 2, left // 2
    rows = [luma[y][left : left + BLOCK] for y in range(top, top + BLOCK)]
    for plane in (blue, red):
        rows += [plane[y][middle : middle + half] for y in range(top // 2, top // 2 + half)]
    return b"".join(rows)


def _planes(canvas: Canvas) -> tuple[list[bytes], list[bytes], list[bytes]]:
    tables = [
        bytes(channel).ljust(256, b"\x80") for channel in zip(*map(_to_yuv, canvas.palette), strict=True)
    ]
    luma = [bytes(row).translate(tables[0]) for row in canvas.rows]
    sampled = [bytes(row[::2]) for row in canvas.rows[::2]]
    return luma, [row.translate(tables[1]) for row in sampled], [row.translate(tables[2]) for row in sampled]


def _to_yuv(colour: Rgb) -> tuple[int, int, int]:
    """Return BT.601 limited range; never 0, which keeps start codes out of the pixels."""
    red, green, blue = colour
    return (
        round(16 + 0.257 * red + 0.504 * green + 0.098 * blue),
        round(128 - 0.148 * red - 0.291 * green + 0.439 * blue),
        round(128 + 0.439 * red - 0.368 * green - 0.071 * blue),
    )

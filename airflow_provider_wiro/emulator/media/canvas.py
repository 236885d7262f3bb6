"""
A picture as rows of palette indices, and the few shapes the emulator draws with.

Shapes are runs within a row, never single pixels, so that plain Python draws 1024 x 1024 pixels in some
milliseconds.
"""

from __future__ import annotations

import math

from airflow_provider_wiro.emulator.media.font import GLYPH_HEIGHT, GLYPH_WIDTH, glyph_rows

Rgb = tuple[int, int, int]


class Canvas:
    """A drawing of `width` x `height` pixels in at most 256 colours."""

    def __init__(self, width: int, height: int, palette: list[Rgb], background: int) -> None:
        """Start with one colour everywhere."""
        self.width = width
        self.height = height
        self.palette = palette
        self.rows = [bytearray([background]) * width for _ in range(height)]

    def run(self, y: int, left: float, right: float, colour: int) -> None:
        """Colour row `y` from `left` up to but excluding `right`; what lies outside is left out."""
        start, stop = max(0, round(left)), min(self.width, round(right))
        if 0 <= y < self.height and start < stop:
            self.rows[y][start:stop] = bytes([colour]) * (stop - start)

    def box(self, left: float, top: float, right: float, bottom: float, colour: int) -> None:
        """Colour a rectangle."""
        for y in range(round(top), round(bottom)):
            self.run(y, left, right, colour)

    def disc(self, x: float, y: float, radius: float, colour: int, *, flatten: float = 1.0) -> None:
        """Colour a disc, or an ellipse `flatten` times as high as it is wide."""
        high = radius * flatten
        for row in range(math.floor(y - high), math.ceil(y + high)):
            inside = 1 - ((row + 0.5 - y) / high) ** 2
            if inside > 0:
                half = radius * math.sqrt(inside)
                self.run(row, x - half, x + half, colour)

    def text(self, left: int, top: int, text: str, scale: int, colour: int) -> None:
        """Write one line; each pixel of the font becomes a square of `scale` pixels."""
        for position, character in enumerate(text):
            x = left + position * (GLYPH_WIDTH + 1) * scale
            for line, bits in enumerate(glyph_rows(character)):
                for column in range(GLYPH_WIDTH):
                    if bits >> (GLYPH_WIDTH - 1 - column) & 1:
                        self.box(
                            x + column * scale,
                            top + line * scale,
                            x + (column + 1) * scale,
                            top + (line + 1) * scale,
                            colour,
                        )


def text_width(text: str, scale: int) -> int:
    """Return how many pixels wide `Canvas.text` writes a line."""
    return (len(text) * (GLYPH_WIDTH + 1) - 1) * scale


def line_height(scale: int) -> int:
    """Return the distance in pixels from one line of text to the next."""
    return (GLYPH_HEIGHT + 3) * scale

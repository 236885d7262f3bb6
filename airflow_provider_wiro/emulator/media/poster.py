"""
The picture that the emulator "generates": an old cartoon's title card with the prompt written on it.

Every parameter and every input file changes the colours and the arrangement, so that a person sees at a
glance whether two outputs came from the same request.
"""

from __future__ import annotations

import colorsys
import hashlib
from typing import TYPE_CHECKING

from airflow_provider_wiro.emulator.media.canvas import Canvas, Rgb, line_height, text_width
from airflow_provider_wiro.emulator.media.font import GLYPH_HEIGHT, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

INK, PAPER, SKY, SKY_LOW, SUN, HILL, BODY, ACCENT = range(8)


def draw_poster(
    width: int, height: int, caption: str, seed: str, *, sources: Sequence[str] = (), phase: float = 0.0
) -> Canvas:
    """
    Draw the card.

    Another `seed` gives another picture. `sources` names the input files, each shown as a framed pattern of
    its own. `phase`, from 0 to 1, is the moment within a film.
    """
    dice = hashlib.sha256(seed.encode()).digest()
    canvas = Canvas(width, height, _palette(dice), SKY)
    unit = min(width, height) / 100
    horizon = height * (0.52 + dice[3] / 255 * 0.1)
    canvas.box(0, horizon * 0.62, width, horizon, SKY_LOW)
    _sun(
        canvas, width * (0.18 + dice[4] / 255 * 0.64), horizon * 0.62, unit * (16 + dice[5] / 255 * 8), phase
    )
    for hill in range(3):
        x = width * (hill * 0.5 - 0.1 + dice[6 + hill] / 255 * 0.25)
        canvas.disc(x, horizon + unit * 22, unit * 46, INK, flatten=0.72)
        canvas.disc(x, horizon + unit * 23, unit * 45, HILL, flatten=0.72)
    canvas.box(0, horizon + unit * 12, width, height, HILL)
    _character(canvas, width * (0.3 + dice[9] / 255 * 0.4), horizon + unit * 2, unit, dice, phase)
    for number, source in enumerate(sources[:4]):
        _framed_pattern(canvas, unit * (4 + 23 * number), unit * 4, unit * 20, source)
    _caption(canvas, caption, unit)
    return canvas


def _palette(dice: bytes) -> list[Rgb]:
    hue = dice[0] / 255

    def colour(turn: float, lightness: float, saturation: float) -> Rgb:
        red, green, blue = colorsys.hls_to_rgb((hue + turn) % 1, lightness, saturation)
        return round(red * 255), round(green * 255), round(blue * 255)

    return [
        (38, 28, 30),
        (246, 234, 205),
        colour(0.0, 0.62, 0.38),
        colour(0.04, 0.76, 0.46),
        colour(0.5, 0.68, 0.78),
        colour(0.33, 0.42, 0.34),
        colour(0.45 + dice[1] / 255 * 0.3, 0.58, 0.62),
        colour(0.83, 0.52, 0.7),
    ]


def _sun(canvas: Canvas, x: float, y: float, radius: float, phase: float) -> None:
    lift = radius * 0.5 * phase
    canvas.disc(x, y - lift, radius * 1.06, INK)
    canvas.disc(x, y - lift, radius, SUN)
    for slit in range(1, 5):
        top = y - lift + radius * slit * 0.19
        canvas.box(x - radius, top, x + radius, top + radius * 0.02 * slit, SKY_LOW)


def _character(canvas: Canvas, x: float, y: float, unit: float, dice: bytes, phase: float) -> None:
    size = unit * (13 + dice[10] / 255 * 6)
    y -= size * 0.5 * (1 - abs(2 * phase - 1))  # one hop a film
    for side in (-1, 1):
        ear = 0.62 + dice[11] / 255 * 0.3
        canvas.disc(x + side * size * 0.72, y - size * 0.78, size * ear * 0.55, INK)
        canvas.disc(x + side * size * 0.72, y - size * 0.78, size * ear * 0.46, ACCENT)
    canvas.disc(x, y, size * 1.05, INK)
    canvas.disc(x, y, size, BODY)
    for side in (-1, 1):
        canvas.disc(x + side * size * 0.35, y - size * 0.22, size * 0.24, PAPER, flatten=1.4)
        canvas.disc(
            x + side * size * 0.35 + size * 0.07 * (dice[12] / 128 - 1), y - size * 0.14, size * 0.13, INK
        )
    canvas.disc(x, y + size * 0.38, size * 0.5, INK, flatten=0.62)
    canvas.box(x - size * 0.55, y, x + size * 0.55, y + size * 0.34, BODY)
    canvas.disc(x, y + size * 0.2, size * 0.13, INK, flatten=0.8)


def _framed_pattern(canvas: Canvas, left: float, top: float, size: float, source: str) -> None:
    bits = int.from_bytes(hashlib.sha256(source.encode()).digest()[:4], "big")
    border, cell = size * 0.08, size * 0.84 / 8
    canvas.box(left, top, left + size, top + size, INK)
    canvas.box(left + border, top + border, left + size - border, top + size - border, PAPER)
    for row in range(8):
        for column in range(4):
            if bits >> (row * 4 + column) & 1:
                for mirrored in (column, 7 - column):
                    x, y = left + border + mirrored * cell, top + border + row * cell
                    canvas.box(x, y, x + cell, y + cell, ACCENT if row % 2 else BODY)


def _caption(canvas: Canvas, caption: str, unit: float) -> None:
    scale = max(1, round(canvas.width / 200))
    columns = max(4, (canvas.width - 16 * scale) // (6 * scale))
    lines = wrap(caption, columns, 4)
    step = line_height(scale)
    box_height = (len(lines) - 1) * step + (GLYPH_HEIGHT + 8) * scale
    top = max(0, canvas.height - box_height - round(unit * 4))
    edge = 3 * scale
    canvas.box(edge, top, canvas.width - edge, top + box_height, INK)
    canvas.box(edge + scale, top + scale, canvas.width - edge - scale, top + box_height - scale, PAPER)
    for number, line in enumerate(lines):
        left = (canvas.width - text_width(line, scale)) // 2
        canvas.text(left, top + 4 * scale + number * step, line, scale, INK)

"""A short film: the emulator's picture in motion, as an MP4 that every player shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.emulator.media.h264 import H264Encoder
from airflow_provider_wiro.emulator.media.mp4 import encode_mp4
from airflow_provider_wiro.emulator.media.poster import draw_poster

if TYPE_CHECKING:
    from collections.abc import Sequence

FRAMES_PER_SECOND = 2

# Multiples of 16, the size of an H.264 macroblock; small, since every frame is stored uncompressed.
FILM_SIZES = {
    "1:1": (160, 160),
    "16:9": (256, 144),
    "9:16": (144, 256),
    "21:9": (336, 144),
    "4:3": (192, 144),
    "3:4": (144, 192),
}


def make_film(
    width: int, height: int, seconds: float, caption: str, seed: str, sources: Sequence[str]
) -> bytes:
    """Return a film of `draw_poster`'s picture that lasts `seconds`."""
    frames = max(1, round(seconds * FRAMES_PER_SECOND))
    encoder = H264Encoder(width, height)
    pictures = (
        draw_poster(width, height, caption, seed, sources=sources, phase=frame / max(1, frames - 1))
        for frame in range(frames)
    )
    return encode_mp4(encoder, [encoder.frame(picture) for picture in pictures], FRAMES_PER_SECOND)

"""A tune that spells a text, one note a letter, as a WAV file; and for how long a sound plays."""

from __future__ import annotations

import hashlib
import io
import math
import wave
from array import array
from functools import lru_cache

SAMPLE_RATE = 16_000
_NOTE_SECONDS = 0.14
_LONGEST_NOTES = 60
_BYTES_PER_SECOND = 16_000
SOUND_HEADER_BYTES = 4096
"""How much of a file says for how long it plays."""
# A minor pentatonic over two octaves, in half tones: any order of its notes sounds like a tune.
_SCALE = (0, 3, 5, 7, 10, 12, 15, 17, 19, 22)


def make_tune(text: str, seed: str) -> bytes:
    """
    Return a mono 16-bit WAV. `seed` picks the key, the letters of `text` pick the notes, spaces are rests.
    """
    dice = hashlib.sha256(seed.encode()).digest()
    root = 196.0 * 2 ** (dice[0] % 12 / 12)
    samples = array("h")
    for character in text[:_LONGEST_NOTES]:
        if character.isspace():
            samples.extend(_rest())
        else:
            samples.extend(_note(root * 2 ** (_SCALE[ord(character) % len(_SCALE)] / 12)))
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(samples.tobytes())
    return file.getvalue()


def sound_seconds(beginning: bytes, size: int) -> float:
    """
    Return for how long a sound plays: by a WAV's own header, of any other kind as an MP3 of 128 kbit/s.

    :param beginning: the file's first `SOUND_HEADER_BYTES`.
    :param size: the whole file's length.
    """
    try:
        with wave.open(io.BytesIO(beginning)) as sound:
            return float(sound.getnframes() / sound.getframerate())
    except (wave.Error, EOFError, ZeroDivisionError):
        return size / _BYTES_PER_SECOND


@lru_cache(maxsize=256)
def _note(frequency: float) -> array[int]:
    count = round(SAMPLE_RATE * _NOTE_SECONDS)
    step = 2 * math.pi * frequency / SAMPLE_RATE
    return array(
        "h",
        (
            # Fades out like a plucked string; the second harmonic makes it less of a beep.
            round(9000 * (1 - at / count) ** 2 * (math.sin(at * step) + 0.4 * math.sin(2 * at * step)))
            for at in range(count)
        ),
    )


@lru_cache(maxsize=1)
def _rest() -> array[int]:
    return array("h", [0]) * round(SAMPLE_RATE * _NOTE_SECONDS)

"""What a model makes of its inputs: output files, or a language model's answer."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_wiro.emulator.media.documents import DOCUMENT_TYPES, write_document
from airflow_provider_wiro.emulator.media.film import FILM_SIZES, make_film
from airflow_provider_wiro.emulator.media.png import encode_png
from airflow_provider_wiro.emulator.media.poster import draw_poster
from airflow_provider_wiro.emulator.media.prose import Answer, write_answer
from airflow_provider_wiro.emulator.media.wav import make_tune

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.emulator.generation.inputs import Inputs

# Larger pictures cost time, and neither people nor tests need them.
_SMALLEST, _LARGEST = 64, 2048
_WEIGHTS_BYTES = 64 * 1024
_MOST_UNITS = 9


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """An output file. `draw` makes its bytes: that takes time, so it is called when a client needs them."""

    name: str
    content_type: str
    draw: Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """Everything one run made, and what its price may depend on."""

    files: tuple[RenderedFile, ...] = ()
    answer: Answer | None = None
    pixels: int = 0
    video_seconds: float = 0.0
    reported_units: int = 1
    """What the model itself says that it used: turns of a session, units of another service."""


def render(inputs: Inputs) -> Rendering:
    """Return what a model makes of its inputs; cheap, since nothing is drawn yet."""
    units = 1 + hashlib.sha256(inputs.fingerprint.encode()).digest()[0] % _MOST_UNITS
    return replace(_rendered(inputs), reported_units=units)


def _rendered(inputs: Inputs) -> Rendering:
    match inputs.model.output:
        case "image":
            return _images(inputs)
        case "video":
            return _video(inputs)
        case "audio":
            draw = partial(make_tune, inputs.caption, inputs.fingerprint)
            return Rendering(files=(RenderedFile("0.wav", "audio/wav", draw),))
        case "document":
            return _document(inputs)
        case "weights":
            draw = partial(hashlib.shake_256(inputs.fingerprint.encode()).digest, _WEIGHTS_BYTES)
            return Rendering(files=(RenderedFile("0.safetensors", "application/octet-stream", draw),))
        case "text":
            verbosity, files = inputs.text("verbosity"), len(inputs.sources)
            answer = write_answer(inputs.text("prompt"), inputs.fingerprint, verbosity=verbosity, files=files)
            return Rendering(answer=answer)


def _images(inputs: Inputs) -> Rendering:
    asked = [max(1, round(inputs.number(side, 1024))) for side in ("width", "height")]
    width, height = (min(_LARGEST, max(_SMALLEST, length)) for length in asked)
    count = max(1, round(inputs.number("samples", inputs.number("maxImages", 1))))

    def draw(sample: int) -> bytes:
        seed = f"{inputs.fingerprint}#{sample}"
        return encode_png(draw_poster(width, height, inputs.caption, seed, sources=inputs.sources))

    files = tuple(
        RenderedFile(f"{sample}.png", "image/png", partial(draw, sample)) for sample in range(count)
    )
    # What is drawn has limits; what was asked for is billed.
    return Rendering(files=files, pixels=math.prod(asked) * count)


def _video(inputs: Inputs) -> Rendering:
    width, height = FILM_SIZES[inputs.text("ratio")]
    seconds = inputs.number("duration", 5)

    def draw() -> bytes:
        return make_film(width, height, seconds, inputs.caption, inputs.fingerprint, inputs.sources)

    file = RenderedFile("0.mp4", "video/mp4", draw)
    return Rendering(files=(file,), pixels=width * height, video_seconds=seconds)


def _document(inputs: Inputs) -> Rendering:
    kind, language = inputs.text("outputType"), inputs.text("language")
    name, content_type = DOCUMENT_TYPES[kind]
    draw = partial(write_document, kind, inputs.sources, language=language)
    return Rendering(files=(RenderedFile(name, content_type, draw),))

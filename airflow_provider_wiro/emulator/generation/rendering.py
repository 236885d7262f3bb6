"""What a model "makes" of its inputs. The same inputs always give the same bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_wiro.emulator.media.documents import DOCUMENT_TYPES, write_document
from airflow_provider_wiro.emulator.media.film import FILM_SIZES, film
from airflow_provider_wiro.emulator.media.png import encode_png
from airflow_provider_wiro.emulator.media.poster import draw_poster
from airflow_provider_wiro.emulator.media.prose import Answer, answer
from airflow_provider_wiro.emulator.media.wav import tune

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.emulator.generation.inputs import Inputs

# Pictures larger than this are not worth their time: a person can't see more, and a test doesn't look.
_SMALLEST, _LARGEST = 64, 2048
_WEIGHTS_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Artwork:
    """A file that a model makes. Drawing it takes time, so it is drawn when somebody asks for it."""

    name: str
    content_type: str
    draw: Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """Everything one run made, and what its price may depend on."""

    files: tuple[Artwork, ...] = ()
    answer: Answer | None = None
    pixels: int = 0
    video_seconds: float = 0.0


def render(inputs: Inputs) -> Rendering:
    """Settle what a model makes of its inputs; cheap, since nothing is drawn yet."""
    match inputs.model.output:
        case "image":
            return _images(inputs)
        case "video":
            return _video(inputs)
        case "audio":
            play = partial(tune, inputs.caption, inputs.variety)
            return Rendering(files=(Artwork("0.wav", "audio/wav", play),))
        case "document":
            name, content_type = DOCUMENT_TYPES[inputs.text("outputType")]
            return Rendering(files=(Artwork(name, content_type, partial(write_document, inputs)),))
        case "weights":
            weights = partial(hashlib.shake_256(inputs.variety.encode()).digest, _WEIGHTS_BYTES)
            return Rendering(files=(Artwork("0.safetensors", "application/octet-stream", weights),))
        case "text":
            return Rendering(answer=answer(inputs))


def _images(inputs: Inputs) -> Rendering:
    width = round(min(_LARGEST, max(_SMALLEST, inputs.number("width", 1024))))
    height = round(min(_LARGEST, max(_SMALLEST, inputs.number("height", 1024))))
    count = max(1, round(inputs.number("samples", 1)))

    def draw(sample: int) -> bytes:
        variety = f"{inputs.variety}#{sample}"
        return encode_png(draw_poster(width, height, inputs.caption, variety, sources=inputs.sources))

    files = tuple(Artwork(f"{sample}.png", "image/png", partial(draw, sample)) for sample in range(count))
    return Rendering(files=files, pixels=width * height * count)


def _video(inputs: Inputs) -> Rendering:
    width, height = FILM_SIZES[inputs.text("ratio")]
    seconds = inputs.number("duration", 5)
    artwork = Artwork("0.mp4", "video/mp4", partial(film, inputs, width, height, seconds))
    return Rendering(files=(artwork,), pixels=width * height, video_seconds=seconds)

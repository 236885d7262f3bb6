"""
How much a run makes, by its parameters: outputs, seconds of video, pixels.

Wiro's schema doesn't say which parameter counts what, so it is guessed by their names. A guess may
be too high, never too low: what perhaps multiplies counts, and what perhaps lengthens or enlarges leaves no
upper end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING
from math import prod
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.catalog.run_values import plain_name, scalar_text, whole_number
from airflow_provider_wiro.catalog.schema.values import as_number, as_text
from airflow_provider_wiro.redaction.secret_values import json_in

if TYPE_CHECKING:
    from airflow_provider_wiro.catalog.run_values import RunValues

#: Parameters that say how many outputs a run makes, as `plain_name` writes them.
_COUNTS = frozenset(
    {"samples", "samplecount", "numsamples", "numberofsamples", "n", "count", "quantity", "batchsize"}
    | {"numoutputs", "numberofoutputs", "outputcount", "numresults", "numberofresults", "resultcount"}
    | {"numimages", "numberofimages", "imagecount", "maximages", "numimagesperprompt", "imagesperprompt"}
    | {"numvideos", "numberofvideos", "videocount", "numvariations", "numberofvariations", "variations"}
)
#: Words in the names of parameters that perhaps multiply that.
_COUNT_WORDS = frozenset(
    {"num", "number", "count", "amount", "quantity", "total", "batch", "batches", "iterations", "repeat"}
    | {"repeats", "copies", "variants", "variations", "sets", "grid", "outputs", "results", "images"}
    | {"pictures", "videos", "samples", "loops"}
)
#: Words in the names of parameters that count something else.
_OTHER_COUNTS = frozenset(
    {"step", "steps", "inference", "seed", "frame", "frames", "token", "tokens", "beam", "beams", "chunk"}
    | {"chunks", "epochs", "workers", "threads", "layers", "heads", "class", "validation", "train", "cycles"}
    | {"face", "faces", "person", "persons", "people", "strength", "scale", "duration", "seconds"}
)
#: Parameters that say for how many seconds a video plays.
_DURATIONS = frozenset(
    {"duration", "durationseconds", "seconds", "videoseconds", "totalvideoseconds", "videoduration"}
    | {"videodurationseconds", "durationinseconds", "durationsec"}
)
#: Parameters that also decide how long a video plays.
_FRAMES = frozenset({"numframes", "framenum", "framenumber", "frames", "numberofframes", "framecount"})
#: Words in the names of further ones.
_LASTING_WORDS = frozenset(
    {"duration", "durations", "seconds", "second", "secs", "sec", "minutes", "length", "frames", "loops"}
    | {"extend", "extension", "shots", "segments"}
)
_NOT_LASTING_WORDS = frozenset({"prompt", "text", "context", "hop", "chunk", "per", "rate", "fps", "focal"})
#: Parameters that decide a picture's size in place of width and height, or change it.
_SIZES = frozenset(
    {"resolution", "size", "imagesize", "outputsize", "aspectratio", "ratio", "imageratio", "megapixels"}
    | {"upscale", "upscalefactor", "scalefactor", "targetsize", "outputresolution", "imageresolution"}
)
#: Parts of the names of further ones. A `scale` alone is mostly one of guidance.
_SIZE_PARTS = ("upscal", "outscale", "highres", "hires", "superres", "enlarge")
_OFF = frozenset({"", "false", "0", "no", "off", "none"})
#: Words in the name of a file parameter that takes no picture.
_NO_PICTURES = ("audio", "video", "document", "voice", "sound", "music", "pdf", "text", "font")
#: Words in the name of one that does.
_PICTURES = ("image", "picture", "photo", "img", "mask", "portrait", "frame")


@dataclass(frozen=True)
class Guess:
    """
    What parameters with certain names say about how much a run makes.

    :ivar names: those that the model has.
    :ivar asked: the product of their values; None if there is none, or one can't be read.
    :ivar assumed: the defaults of those that weren't given.
    :ivar factors: parameters that perhaps multiply it, and by how much.
    """

    names: tuple[str, ...]
    asked: int | None
    assumed: tuple[tuple[str, str], ...]
    factors: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, wanted: frozenset[str], run: RunValues, read: Callable[[Any], int | None] = whole_number
    ) -> Guess:
        """Return what the parameters say whose plain names are wanted."""
        names = tuple(name for name in run.names() if plain_name(name) in wanted)
        values = {name: run.of(name) for name in names}
        most: int | None = 1 if names else None
        for value in values.values():
            found = read(value.content)
            most = None if found is None or most is None else most * found
        assumed = ((name, scalar_text(value.content)) for name, value in values.items() if value.is_default)
        return cls(names, most, tuple((name, default) for name, default in assumed if default is not None))

    @property
    def most(self) -> int | None:
        """The product with all factors."""
        return None if self.asked is None else self.at_most

    @property
    def at_most(self) -> int:
        """The same, with one where no parameter says how many."""
        return prod(self.factors.values(), start=self.asked or 1)

    @property
    def shown(self) -> str:
        """The names, for a note."""
        return _shown(self.names)

    @property
    def shown_with_factors(self) -> str:
        """All names, for a note."""
        return _shown((*self.names, *self.factors))


def outputs(run: RunValues, *, of_each_input: bool = False) -> Guess:
    """
    Return how many outputs a run makes.

    :param of_each_input: each of several files, and of several values in a list, may give one.
    """
    counted = Guess.of(_COUNTS, run)
    factors: dict[str, int] = {}
    for name in run.names():
        number = whole_number(run.of(name).content)
        words = _words(name)
        if name not in counted.names and number and words & _COUNT_WORDS and not words & _OTHER_COUNTS:
            factors[name] = number
    if of_each_input:
        files = {name: run.files_of(name).most for name in run.file_parameters()}
        lists = {name: _length(run.of(name).content) for name in run.names() if name not in files}
        for several in (files, lists):
            name, number = max(several.items(), key=lambda pair: pair[1], default=("", 0))
            factors[name] = number
    factors = {name: number for name, number in factors.items() if number > 1}
    return Guess(counted.names, counted.most, counted.assumed, factors)


def seconds_of_video(run: RunValues) -> Guess:
    """Return for how many whole seconds each video plays, which only one parameter may decide."""
    duration, frames = Guess.of(_DURATIONS, run, read=_seconds), Guess.of(_FRAMES, run)
    is_sure = len(duration.names) == 1 and not frames.names and not _perhaps_longer(run, duration.names)
    return duration if is_sure else Guess(duration.names, None, duration.assumed)


def side(name: str, run: RunValues) -> Guess:
    """Return a picture's ``width`` or ``height``."""
    return Guess.of(frozenset({name}), run)


def other_size(run: RunValues) -> str | None:
    """Return the name of a parameter that decides a picture's size beside width and height."""
    for name in run.names():
        plain = plain_name(name)
        if plain in _SIZES or any(part in plain for part in _SIZE_PARTS):
            content = run.of(name).content
            if content is not None and scalar_text(content) != "":
                is_off = plain not in _SIZES and as_text(content).strip().casefold() in _OFF
                if not is_off:
                    return name
    return None


def pictures(run: RunValues) -> tuple[int, int]:
    """Return how many input pictures a run has: at least, and at most."""
    files = [(name, run.files_of(name)) for name in run.file_parameters()]
    least = sum(
        count.least for name, count in files if not any(word in name.casefold() for word in _NO_PICTURES)
    )
    return least, sum(count.most for _, count in files) + sum(run.stray_urls().values())


def _perhaps_longer(run: RunValues, known: tuple[str, ...]) -> bool:
    """Whether something beside the known parameters may make a video longer."""
    files = [name for name in run.file_parameters() if run.files_of(name).most]
    # A film that is extended, or lips that move by a recording, can be as long as the input.
    if not all(_is_picture(name) for name in (*files, *run.stray_urls())):
        return True
    for name in run.names():
        if name in known or run.is_file(name):
            continue
        content, words = run.of(name).content, _words(name)
        if _length(content):  # prompts or shots, each with a duration
            return True
        number = as_number(content)
        if number and words & _LASTING_WORDS and not words & _NOT_LASTING_WORDS:
            return True
    return False


def _is_picture(name: str) -> bool:
    """Whether a parameter for a file certainly takes a picture."""
    folded = name.casefold()
    return any(part in folded for part in _PICTURES) and not any(part in folded for part in _NO_PICTURES)


def _words(name: str) -> set[str]:
    """Return the words of a name: of ``numImages`` or ``num_images``, ``num`` and ``images``."""
    return {word.casefold() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def _length(value: Any) -> int:
    """Return how many values a list has, also one that is JSON text; 0 for anything else."""
    found = json_in(value) if isinstance(value, str) else value
    if isinstance(found, Mapping):
        return 1
    return len(found) if isinstance(found, list | tuple) else 0


def _seconds(value: Any) -> int | None:
    found = as_number(value)
    if found is None or not 0 < found <= 1_000_000:
        return None
    return int(found.to_integral_value(ROUND_CEILING))


def _shown(names: tuple[str, ...]) -> str:
    return " and ".join(f"`{name[:40]}`" for name in names[:3])

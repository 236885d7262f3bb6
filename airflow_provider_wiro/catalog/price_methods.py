"""
What a row of the price list comes to for a run, by the row's method of counting, before the run is sent.

Some methods count what only the run shows: seconds, tokens. Others count outputs, of which a parameter such
as ``samples`` says how many: a range. There is an upper end only where no run that obeys its parameters can
cost more; otherwise the amount is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import plain_usd
from airflow_provider_wiro.catalog.run_values import plain_name, scalar_text, whole_number
from airflow_provider_wiro.catalog.schema.values import as_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.catalog.price_rows import PriceRow
    from airflow_provider_wiro.catalog.run_values import RunValues, Value

CPR = "cpr"
_PIXELS_PER_TIER = 1_048_576
#: Parameters that say how many outputs a run makes, as `plain_name` writes them.
_COUNTS = frozenset(
    {"samples", "samplecount", "numsamples", "numberofsamples", "n", "count", "quantity", "batchsize"}
    | {"numoutputs", "numberofoutputs", "outputcount", "numresults", "numberofresults", "resultcount"}
    | {"numimages", "numberofimages", "imagecount", "maximages", "numimagesperprompt", "imagesperprompt"}
    | {"numvideos", "numberofvideos", "videocount", "numvariations", "numberofvariations", "variations"}
)
#: Parameters that say for how many seconds a video plays.
_DURATIONS = frozenset(
    {"duration", "durationseconds", "seconds", "videoseconds", "totalvideoseconds", "videoduration"}
    | {"videodurationseconds", "durationinseconds", "durationsec"}
)
#: Parameters that also decide how long a video plays.
_FRAMES = frozenset({"numframes", "framenum", "framenumber", "frames", "numberofframes", "framecount"})
#: Parameters that decide a picture's size in place of width and height, or change it.
_SIZES = frozenset(
    {"resolution", "size", "imagesize", "outputsize", "aspectratio", "ratio", "imageratio", "megapixels"}
    | {"upscale", "upscalefactor", "scalefactor", "targetsize", "outputresolution", "imageresolution"}
)
#: Words in the name of a file parameter that takes no picture.
_NO_PICTURES = ("audio", "video", "document", "voice", "sound", "music", "pdf", "text", "font")


@dataclass(frozen=True)
class Amount:
    """
    What a row comes to.

    :ivar minimum: in US dollars; None if it isn't known.
    :ivar maximum: None if there is no upper end.
    :ivar note: why it is a range or not known; what else there is to know.
    :ivar assumed: the parameters that were looked up, and their defaults where they weren't given.
    """

    minimum: Decimal | None = None
    maximum: Decimal | None = None
    note: str = ""
    assumed: tuple[tuple[str, str], ...] = ()


def method_of(row: PriceRow) -> str:
    """Return the method of counting; a row that names none has a price per run."""
    return "" if row.method is None else row.method[:100] or CPR


def amount(row: PriceRow, run: RunValues) -> Amount:
    """Return what a row that applies comes to."""
    if row.price is None or row.method is None or row.extra is None or row.per_input is None:
        return Amount(note="A row of Wiro's price list that applies can't be read.")
    method = method_of(row).casefold()
    if method != "cp-pixel" and (row.extra or row.per_input):
        return Amount(note=f"What priceExtra and priceInput add to {method_of(row)} isn't documented.")
    counted = _METHODS.get(method)
    if counted is None:
        return Amount(note=f"{method_of(row)!r} is a method of counting that isn't documented.")
    return counted(row.price, row, run)


def _per_run(price: Decimal, row: PriceRow, run: RunValues) -> Amount:
    note = "" if row.method else "The price list names no method: a price per run (cpr) is assumed."
    return Amount(price, price, note)


def _not_before(unit: str) -> Callable[[Decimal, PriceRow, RunValues], Amount]:
    def known_afterwards(price: Decimal, row: PriceRow, run: RunValues) -> Amount:
        return Amount(
            note=f"{plain_usd(price)} USD for each {unit}, whose number isn't known before the run."
        )

    return known_afterwards


def _per_output(price: Decimal, row: PriceRow, run: RunValues) -> Amount:
    each, count = f"{plain_usd(price)} USD for each output", _Guess.of(_COUNTS, run)
    if count.most is None:
        speaker = count.shown or "no parameter"
        verb = "doesn't say" if count.names else "says"
        return Amount(price, None, f"{each}; {speaker} {verb} how many.", count.assumed)
    note = f"{each}: {count.shown} asks for {count.most}, and the model may make fewer."
    return Amount(price, price * count.most, note, count.assumed)


def _per_video_second(price: Decimal, row: PriceRow, run: RunValues) -> Amount:
    each = f"{plain_usd(price)} USD for each second of video"
    duration, frames = _Guess.of(_DURATIONS, run, read=_seconds), _Guess.of(_FRAMES, run)
    count = _Guess.of(_COUNTS, run)
    if len(duration.names) != 1 or frames.names or duration.most is None:
        return Amount(price, None, f"{each}; no parameter surely says how many.", duration.assumed)
    if count.names and count.most is None:
        return Amount(price, None, f"{each}; {count.shown} doesn't say how many videos.", count.assumed)
    # A film of 5 seconds with 121 frames plays a little longer, and Wiro may round that up.
    most = (duration.most + 1) * (count.most or 1)
    note = f"{each}: {duration.shown} says {duration.most}, and a film can last up to a second longer."
    return Amount(price, price * most, note, (*duration.assumed, *count.assumed))


def _per_prompt_character(price: Decimal, row: PriceRow, run: RunValues) -> Amount:
    each = f"{plain_usd(price)} USD for each character of the prompt"
    if "prompt" not in run.names():
        return Amount(note=f"{each}; the model has no parameter `prompt`.")
    value = run.of("prompt")
    prompt = "" if value.content is None else scalar_text(value.content)
    if prompt is None:
        return Amount(note=f"{each}; the prompt isn't text.")
    least, most = len(prompt), len(prompt.encode("utf-16-le", "surrogatepass")) // 2
    note = (
        ""
        if least == most
        else f"{each}; whether Wiro counts some of them (such as emojis) twice isn't known."
    )
    assumed = (("prompt", prompt[:200]),) if value.is_default and value.content is not None else ()
    return Amount(price * least, price * most, note, assumed)


def _per_pixel_tier(price: Decimal, row: PriceRow, run: RunValues) -> Amount:
    each = f"{plain_usd(price)} USD, and more for each further {_PIXELS_PER_TIER} pixels"
    others = [name for name in run.names() if plain_name(name) in _SIZES and _is_set(run.of(name))]
    if others:
        return Amount(price, None, f"{each}; what `{others[0]}` does to the size isn't known.")
    width, height = (_Guess.of(frozenset({side}), run) for side in ("width", "height"))
    if width.most is None or height.most is None:
        return Amount(price, None, f"{each}; no `width` and `height` say how many.")
    extra, per_input = row.extra or Decimal(0), row.per_input or Decimal(0)
    tiers = -(-(width.most * height.most) // _PIXELS_PER_TIER)
    files = [(name, run.files_of(name)) for name in run.file_parameters()]
    least = sum(
        count.least for name, count in files if not any(word in name.casefold() for word in _NO_PICTURES)
    )
    most = sum(count.most for _, count in files)

    def tiered(of_tiers: int, pictures: int) -> Decimal:
        return price + extra * (of_tiers - 1) + per_input * pictures * of_tiers

    assumed = (*width.assumed, *height.assumed)
    low, high, note = tiered(tiers, least), tiered(tiers, most), ""
    if low != high:
        note = f"{each}; how many of the files count as pictures isn't known."
    samples = _Guess.of(_COUNTS, run)
    if samples.names and samples.most is None:
        return Amount(low, None, f"{each}; {samples.shown} doesn't say how many pictures.", samples.assumed)
    if samples.most is not None and samples.most > 1:
        assumed = (*assumed, *samples.assumed)
        note = f"{each}; whether {samples.shown} multiplies the price or the pixels isn't documented."
        high = max(high * samples.most, tiered(tiers * samples.most, most))
    return Amount(low, high, note, assumed)


def _is_set(value: Value) -> bool:
    return value.content is not None and value.content != ""


def _seconds(value: Any) -> int | None:
    found = as_number(value)
    if found is None or not 0 < found <= 1_000_000:
        return None
    return int(found.to_integral_value(ROUND_CEILING))


@dataclass(frozen=True)
class _Guess:
    """
    What parameters with certain names say about how much a run makes.

    :ivar names: those that the model has.
    :ivar most: the product of their values; None if there is none, or one can't be read.
    """

    names: tuple[str, ...]
    most: int | None
    assumed: tuple[tuple[str, str], ...]

    @classmethod
    def of(
        cls, wanted: frozenset[str], run: RunValues, read: Callable[[Any], int | None] = whole_number
    ) -> _Guess:
        names = tuple(name for name in run.names() if plain_name(name) in wanted)
        values = {name: run.of(name) for name in names}
        most: int | None = 1 if names else None
        for value in values.values():
            found = read(value.content)
            most = None if found is None or most is None else most * found
        assumed = ((name, scalar_text(value.content)) for name, value in values.items() if value.is_default)
        return cls(names, most, tuple((name, default) for name, default in assumed if default is not None))

    @property
    def shown(self) -> str:
        return " and ".join(f"`{name[:40]}`" for name in self.names[:3])


_METHODS: dict[str, Callable[[Decimal, PriceRow, RunValues], Amount]] = {
    CPR: _per_run,
    "cps": _not_before("second that the run takes"),
    "cpo": _per_output,
    "cpt": _not_before("token of input and output"),
    "cp-pixel": _per_pixel_tier,
    "cp-audiosecondslength": _not_before("second of input audio"),
    "cp-promptlength": _per_prompt_character,
    "cp-outputvideolength": _per_video_second,
    "cp-outputpicturecount": _per_output,
    "cp-readoutput": _not_before("unit that the model reports"),
    "cp-realtimeturn": _not_before("turn of a realtime session"),
}

"""
What a row of the price list comes to for a run, by the row's method of counting, before the run is sent.

Some methods count what only the run shows: seconds, tokens. Others count outputs, of which a parameter such
as ``samples`` says how many: a range. There is an upper end only where no run that obeys its parameters can
cost more; otherwise the amount is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.decoding.fields import plain_usd
from airflow_provider_wiro.catalog import quantities
from airflow_provider_wiro.catalog.run_values import scalar_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.catalog.price_rows import PriceRow
    from airflow_provider_wiro.catalog.run_values import RunValues

CPR = "cpr"
_PIXELS_PER_TIER = 1_048_576


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
    each, count = f"{plain_usd(price)} USD for each output", quantities.outputs(run, of_each_input=True)
    if count.most is None:
        speaker = count.shown or "no parameter"
        verb = "doesn't say" if count.names else "says"
        return Amount(price, None, f"{each}; {speaker} {verb} how many.", count.assumed)
    asks = "ask for up to" if count.factors or len(count.names) > 1 else "asks for"
    note = f"{each}: {count.shown_with_factors} {asks} {count.most}, and the model may make fewer."
    return Amount(price, price * count.most, note, count.assumed)


def _per_video_second(price: Decimal, row: PriceRow, run: RunValues) -> Amount:
    each = f"{plain_usd(price)} USD for each second of video"
    duration, count = quantities.seconds_of_video(run), quantities.outputs(run)
    if duration.most is None:
        return Amount(price, None, f"{each}; no parameter surely says how many.", duration.assumed)
    if count.names and count.most is None:
        return Amount(price, None, f"{each}; {count.shown} doesn't say how many videos.", count.assumed)
    # A film of 5 seconds with 121 frames plays a little longer, and Wiro may round that up.
    most = (duration.most + 1) * count.at_most
    note = f"{each}: {duration.shown} says {duration.most}, and a film can last up to a second longer."
    return Amount(price, price * most, note, (*duration.assumed, *count.assumed))


def _per_prompt_character(price: Decimal, row: PriceRow, run: RunValues) -> Amount:
    each = f"{plain_usd(price)} USD for each character of the prompt"
    if "prompt" not in run.names():
        return Amount(note=f"{each}; the model has no parameter `prompt`.")
    value, given = run.of("prompt"), run.given_text("prompt")
    prompt = "" if value.content is None else scalar_text(value.content)
    if prompt is None:
        return Amount(note=f"{each}; the prompt isn't text.")
    # Blanks may count, or stand for the default; characters that no text holds may count, too.
    lengths = [(len(text), _utf_16_units(text)) for text in {prompt, given}]
    least, most = min(least for least, _ in lengths), max(most for _, most in lengths)
    note = ""
    if least != most:
        note = f"{each}; whether Wiro counts some of them (such as emojis) twice, or not at all, isn't known."
    assumed = (("prompt", prompt[:200]),) if value.is_default and value.content is not None else ()
    return Amount(price * least, price * most, note, assumed)


def _utf_16_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _per_pixel_tier(price: Decimal, row: PriceRow, run: RunValues) -> Amount:
    each = f"{plain_usd(price)} USD, and more for each further {_PIXELS_PER_TIER} pixels"
    other = quantities.other_size(run)
    if other is not None:
        return Amount(price, None, f"{each}; what `{other}` does to the size isn't known.")
    width, height = quantities.side("width", run), quantities.side("height", run)
    if width.most is None or height.most is None:
        return Amount(price, None, f"{each}; no `width` and `height` say how many.")
    extra, per_input = row.extra or Decimal(0), row.per_input or Decimal(0)
    tiers = -(-(width.most * height.most) // _PIXELS_PER_TIER)
    least, most = quantities.pictures(run)

    def tiered(of_tiers: int, pictures: int) -> Decimal:
        return price + extra * (of_tiers - 1) + per_input * pictures * of_tiers

    assumed = (*width.assumed, *height.assumed)
    low, high, note = tiered(tiers, least), tiered(tiers, most), ""
    if low != high:
        note = f"{each}; how many of the files count as pictures isn't known."
    samples = quantities.outputs(run)
    if samples.names and samples.most is None:
        return Amount(low, None, f"{each}; {samples.shown} doesn't say how many pictures.", samples.assumed)
    if samples.at_most > 1:
        assumed = (*assumed, *samples.assumed)
        shown = samples.shown_with_factors
        note = f"{each}; whether {shown} multiplies the price or the pixels isn't documented."
        high = max(high * samples.at_most, tiered(tiers * samples.at_most, most))
    return Amount(low, high, note, assumed)


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

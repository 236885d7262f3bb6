"""The price of a run that is billed, by each of Wiro's methods of counting."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.catalog.model import Model, Price
    from airflow_provider_wiro.emulator.generation.inputs import Inputs
    from airflow_provider_wiro.emulator.generation.rendering import Rendering

_PIXELS_PER_TIER = 1_048_576
_PLACES = Decimal("0.000000000001")


def cost_usd(
    inputs: Inputs,
    rendering: Rendering,
    elapsed_seconds: float,
    *,
    outputs: int | None = None,
    dearest: bool = False,
) -> Decimal:
    """
    Return a run's price in USD: by a price that fits its inputs, else by the elapsed seconds.

    :param outputs: how many outputs the run has, if not all that the model makes.
    :param dearest: of several prices that fit, take the one that comes to most in place of the first.
    """
    seconds = Decimal(str(elapsed_seconds))
    made = len(rendering.files) if outputs is None else outputs
    costs = [
        _by(price, inputs, rendering, seconds, made) for price in inputs.model.prices if _fits(price, inputs)
    ]
    if not costs:
        return _rounded(Decimal(inputs.model.cps) * seconds)
    return _rounded(max(costs) if dearest else costs[0])


def typical_cost_usd(model: Model) -> Decimal:
    """Return the estimate for `approximatelycost`: the seconds of an ordinary run times `cps`."""
    timing = model.timing
    return _rounded(Decimal(model.cps) * Decimal(str(timing.prepare + timing.run)))


def _fits(price: Price, inputs: Inputs) -> bool:
    for name, wanted in price.inputs.items():
        if wanted.startswith("QUANTITY:"):
            if inputs.count_files(name) != int(wanted.removeprefix("QUANTITY:")):
                return False
        elif inputs.text(name) != wanted:
            return False
    return True


def _by(price: Price, inputs: Inputs, rendering: Rendering, seconds: Decimal, outputs: int) -> Decimal:
    usd = Decimal(str(price.price))
    match price.method:
        case "cps":
            return usd * seconds
        case "cpo":
            return usd * max(1, outputs)
        case "cpt":
            return usd * (rendering.answer.tokens if rendering.answer else 1)
        case "cp-pixel":
            return usd + _further_pixels(price, inputs, rendering)
        case "cp-audiosecondslength":
            return usd * Decimal(str(inputs.audio_seconds))
        case "cp-promptlength":
            return usd * len(inputs.text("prompt"))
        case "cp-outputVideoLength":
            return usd * Decimal(str(rendering.video_seconds if outputs else 0))
        case "cp-outputPictureCount":
            return usd * outputs
        case "cp-readoutput" | "cp-realtimeturn":
            return usd * rendering.reported_units
        case _:  # cpr, and what has no method
            return usd


def _further_pixels(price: Price, inputs: Inputs, rendering: Rendering) -> Decimal:
    tiers = max(1, math.ceil(rendering.pixels / _PIXELS_PER_TIER))
    further = Decimal(str(price.extra or 0)) * (tiers - 1)
    return further + Decimal(str(price.per_input or 0)) * len(inputs.sources) * tiers


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_PLACES)

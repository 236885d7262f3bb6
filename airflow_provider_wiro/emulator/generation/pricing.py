"""The price of a run that is billed."""

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


def cost_usd(inputs: Inputs, rendering: Rendering, elapsed_seconds: float) -> Decimal:
    """Return a run's price in USD: by the first price that fits its inputs, else by the elapsed seconds."""
    price = fitting_price(inputs)
    if price is None:
        return _rounded(Decimal(inputs.model.cps) * Decimal(str(elapsed_seconds)))
    return _rounded(
        Decimal(str(price.price)) * _quantity(price, inputs, rendering) + _extras(price, inputs, rendering)
    )


def fitting_price(inputs: Inputs) -> Price | None:
    """Return the first entry of the model's price list that fits; `{}` fits every run."""
    return next((price for price in inputs.model.prices if _fits(price, inputs)), None)


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


def _quantity(price: Price, inputs: Inputs, rendering: Rendering) -> Decimal:
    match price.method:
        case "cpo":
            return Decimal(max(1, len(rendering.files)))
        case "cpt":
            return Decimal(rendering.answer.tokens if rendering.answer else 1)
        case "cp-promptlength":
            return Decimal(len(inputs.text("prompt")))
        case "cp-outputVideoLength":
            return Decimal(str(rendering.video_seconds))
        case _:  # cpr, and cp-pixel whose first tier is the price itself
            return Decimal(1)


def _extras(price: Price, inputs: Inputs, rendering: Rendering) -> Decimal:
    if price.method != "cp-pixel":
        return Decimal(0)
    tiers = max(1, math.ceil(rendering.pixels / _PIXELS_PER_TIER))
    further = Decimal(str(price.extra or 0)) * (tiers - 1)
    return further + Decimal(str(price.per_input or 0)) * len(inputs.sources) * tiers


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_PLACES)

"""The estimate of a whole batch, which runs nothing: ``estimate_only=True``."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import plain_usd

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.preflight.model_rules import ModelRules

#: How many different notes the result has; each may name a value of its own.
MOST_NOTES = 5

#: What ``estimate_only=True`` returns.
BatchEstimate = dict[str, Any]


def estimate_batch(inputs: Inputs, rules: ModelRules, model: str) -> BatchEstimate:
    """
    Return what a batch will cost, by Wiro's price list.

    :return: ``{"model", "total" (items), "unknown" (items without a known price), "min_usd" (of all that are
        known), "max_usd" (None if the price of an item isn't known), "known_max_usd" (of all that are known),
        "item_min_usd", "item_max_usd" (the cheapest and the dearest item, None if none is known), "assumed",
        "notes"}``.
    """
    least = most = Decimal(0)
    cheapest: Decimal | None = None
    dearest: Decimal | None = None
    unknown = 0
    assumed: dict[str, str] = {}
    notes: dict[str, None] = {}
    for number in range(len(inputs)):
        found = rules.estimate(inputs[number])
        if found.note and len(notes) < MOST_NOTES:
            notes[found.note] = None
        if found.minimum_usd is None or found.maximum_usd is None:
            unknown += 1
            continue
        assumed |= found.assumed
        least, most = least + found.minimum_usd, most + found.maximum_usd
        cheapest = found.minimum_usd if cheapest is None else min(cheapest, found.minimum_usd)
        dearest = found.maximum_usd if dearest is None else max(dearest, found.maximum_usd)
    return {
        "model": model,
        "total": len(inputs),
        "unknown": unknown,
        "min_usd": plain_usd(least),
        "max_usd": None if unknown else plain_usd(most),
        "known_max_usd": plain_usd(most),
        "item_min_usd": None if cheapest is None else plain_usd(cheapest),
        "item_max_usd": None if dearest is None else plain_usd(dearest),
        "assumed": assumed,
        "notes": list(notes),
    }

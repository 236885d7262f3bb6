"""
A run's price, before it is sent, from the price list of its model.

Wiro has no call that estimates a run. Its price list has rows, each for some values of the parameters; which
of several rows that apply counts isn't documented. So the price is one amount only where all of them agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import plain_usd
from airflow_provider_wiro.catalog.estimate import Estimate
from airflow_provider_wiro.catalog.price_methods import Amount, amount, method_of
from airflow_provider_wiro.catalog.price_rows import Match, PriceRow
from airflow_provider_wiro.catalog.run_values import RunValues, scalar_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from airflow_provider_wiro.api.catalog import Model

_MOST_NAMES = 5


def estimate(model: Model, parameters: Mapping[str, Any], files: Mapping[str, int]) -> Estimate:
    """
    Return what a run will cost.

    :param model: with its parameters and prices.
    :param parameters: the run's parameters.
    :param files: file parameter → how many files and URLs it is given; URLs in ``parameters`` are counted
        where ``files`` has none for the same parameter.
    """
    if not model.are_prices_readable:
        return Estimate(note="Wiro's price list of the model can't be read.")
    if not model.prices:
        return _by_the_second(model)
    run = RunValues(model, parameters, files)
    rows = [PriceRow.read(row) for row in model.prices]
    matches = [(row, row.match(run)) for row in rows]
    possible = [row for row, match in matches if match is not Match.NO]
    assumed = _assumed(rows, run)
    if not any(match is Match.YES for _, match in matches):
        return Estimate(assumed=assumed, note=_why_none(rows, possible))
    amounts = [
        Amount(note="The conditions of a row of Wiro's price list can't be read.")
        if match is Match.UNREADABLE
        else amount(row, run)
        for row, match in matches
        if match is not Match.NO
    ]
    return _together(model, possible, amounts, assumed)


def _together(
    model: Model, rows: Sequence[PriceRow], amounts: Sequence[Amount], assumed: dict[str, str]
) -> Estimate:
    """Return the estimate of all rows that apply or may apply: from the cheapest to the dearest."""
    unknown = next((found for found in amounts if found.maximum is None), None)
    row, chosen = max(
        zip(rows, amounts, strict=True),
        key=lambda pair: (pair[1].maximum is None, pair[1].maximum or 0, pair[1].minimum or 0),
    )
    minima = [found.minimum for found in amounts if found.minimum is not None]
    minimum = min(minima) if len(minima) == len(amounts) else None
    maximum = None if unknown else chosen.maximum
    note = chosen.note
    if len(rows) > 1 and minimum != maximum:
        several = f"{len(rows)} rows of Wiro's price list apply or may apply"
        note = f"{several}; which one counts isn't documented. {note}".strip()
    method = method_of(row)
    return Estimate(
        minimum_usd=minimum,
        maximum_usd=maximum,
        method=method,
        row=row.shown,
        assumed=assumed | {name: default for found in amounts for name, default in found.assumed},
        note=note,
        # Wiro's own estimate is about the seconds at `cps`, so it says nothing about another price.
        approximate_usd=_approximate(model)
        if len(rows) == 1 and method == "cps" and row.price == model.cps
        else None,
    )


def _by_the_second(model: Model) -> Estimate:
    if model.cps is None or model.cps < 0:
        return Estimate(note="Wiro lists no price for the model.")
    approximate = _approximate(model)
    note = f"{plain_usd(model.cps)} USD for each second that the run takes, which isn't known before the run."
    if approximate is not None:
        note += f" By Wiro's own estimate an average run costs some {plain_usd(approximate)} USD."
    return Estimate(method="cps", note=note, approximate_usd=approximate)


def _approximate(model: Model) -> Decimal | None:
    approximate = model.approximate_cost_usd
    return approximate if approximate is not None and approximate > 0 else None


def _assumed(rows: Sequence[PriceRow], run: RunValues) -> dict[str, str]:
    """Return the defaults that rows are chosen by: of parameters that rows name and that weren't given."""
    found = {}
    for name in dict.fromkeys(name for row in rows for name in row.inputs or ()):
        value = run.of(name)
        default = scalar_text(value.content)
        if value.is_default and default is not None and not run.is_file(name):
            found[name] = default
    return found


def _why_none(rows: Sequence[PriceRow], possible: Sequence[PriceRow]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row.inputs or ()))
    shown = ", ".join(f"`{name[:40]}`" for name in names[:_MOST_NAMES])
    shown += ", …" if len(names) > _MOST_NAMES else ""
    if possible:
        return (
            f"Whether a row of Wiro's price list applies to the values of {shown or 'the run'} isn't known."
        )
    return f"No row of Wiro's price list applies to the values of {shown}."

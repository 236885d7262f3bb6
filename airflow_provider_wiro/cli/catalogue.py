"""The commands that read the catalogue: ``models``, ``model`` and ``snippet``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import number, plain_usd
from airflow_provider_wiro.cli.report import Report, Table
from airflow_provider_wiro.cli.snippet import snippet
from airflow_provider_wiro.dag_arguments.checks import whole_number

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_provider_wiro.api.catalog import Model, ModelParameter
    from airflow_provider_wiro.hooks.wiro import WiroHook

#: The largest page of Tool/List.
_PAGE = 100
_MOST_MODELS = 1000
#: How many options of a select are shown; ``--json`` has all of them.
_MOST_OPTIONS = 12


def list_models(hook: WiroHook, options: Namespace) -> Report:
    """Search the catalogue."""
    limit = whole_number("--limit", options.limit, least=1, most=_MOST_MODELS)
    found: dict[str, Model] = {}
    start = 0
    while len(found) < limit:
        page = hook.list_models(
            search=options.search, categories=options.category, start=start, limit=min(_PAGE, limit)
        )
        before = len(found)
        found |= {model.slug: model for model in page}
        start += len(page)
        if not page or len(found) == before:  # the end, or a server that repeats itself
            break
    models = list(found.values())[:limit]
    rows = [
        (model.slug, model.title, ", ".join(model.categories), _price_of_a_run(model)) for model in models
    ]
    lines = [] if rows else ["No model fits."]
    tables = [Table("", ("model", "title", "categories", "USD a run"), rows)] if rows else []
    return Report([_in_short(model) for model in models], lines, tables)


def show_model(hook: WiroHook, options: Namespace) -> Report:
    """Show a model with its parameters and prices."""
    model = hook.get_model(options.model)
    lines = [f"{model.slug}: {model.title}" if model.title else model.slug]
    lines += [line for line in (model.description, ", ".join(model.categories)) if line]
    parameters = Table(
        "Parameters",
        ("name", "type", "required", "default", "values", "description"),
        [
            (
                one.id,
                one.kind,
                "yes" if one.required else None,
                one.default,
                _values(one),
                one.description or one.label,
            )
            for one in model.parameters
        ],
    )
    if not model.parameters:
        lines.append("Wiro lists no parameters of this model.")
    data = _in_short(model) | {
        "parameters": [_parameter(one) for one in model.parameters],
        "prices": [dict(row) for row in model.prices],
        "cps": _usd(model.cps),
    }
    return Report(data, lines, [*([parameters] if model.parameters else []), _prices(model)])


def print_snippet(hook: WiroHook, options: Namespace) -> Report:
    """Write a DAG that runs a model."""
    model = hook.get_model(options.model)
    code = snippet(model, bucket=options.bucket)
    return Report({"model": model.slug, "code": code}, text=code)


def _usd(amount: Any) -> str | None:
    return None if amount is None else plain_usd(amount)


def _in_short(model: Model) -> dict[str, Any]:
    return {
        "model": model.slug,
        "title": model.title,
        "description": model.description,
        "categories": list(model.categories),
        "approximate_cost_usd": _usd(model.approximate_cost_usd),
    }


def _parameter(one: ModelParameter) -> dict[str, Any]:
    return {
        "name": one.id,
        "type": one.kind,
        "label": one.label,
        "required": one.required,
        "default": one.default,
        "options": list(one.options),
        "min": _usd(one.minimum),
        "max": _usd(one.maximum),
        "step": _usd(one.step),
        "description": one.description,
    }


def _values(one: ModelParameter) -> str:
    if one.options:
        options = [option or '""' for option in dict.fromkeys(one.options)]
        more = len(options) - _MOST_OPTIONS
        shown = ", ".join(options[:_MOST_OPTIONS])
        return f"{shown}, and {more} more" if more > 0 else shown
    low, high, step = _usd(one.minimum), _usd(one.maximum), _usd(one.step)
    if low is None and high is None:
        return ""
    bounds = f"{low} to {high}" if low and high else f"from {low}" if low else f"up to {high}"
    return f"{bounds}, step {step}" if step else bounds


def _prices(model: Model) -> Table:
    if not model.prices:
        row = ("any", "cps", _usd(model.cps), f"about {_usd(model.approximate_cost_usd) or '?'} USD a run")
        return Table("Price in USD, for each second that a run takes", ("if", "method", "price", ""), [row])
    rows = [
        (
            _conditions(row.get("inputs")),
            row.get("priceMethod") or "cpr",
            row.get("price"),
            ", ".join(f"{name}: {row[name]}" for name in ("priceExtra", "priceInput") if row.get(name)),
        )
        for row in model.prices
    ]
    return Table("Prices in USD", ("if", "method", "price", "more"), rows)


def _price_of_a_run(model: Model) -> str | None:
    """Return what a run costs in a few words; where prices depend on its parameters, from which price on."""
    if not model.prices:
        average = _usd(model.approximate_cost_usd)
        return average and f"about {average}"
    if any((row.get("priceMethod") or "cpr") != "cpr" for row in model.prices):
        return "by its price list"
    prices = sorted(filter(None, (number(row.get("price")) for row in model.prices)))
    if not prices:
        return "by its price list"
    return f"{prices[0]:g}" if prices[0] == prices[-1] else f"{prices[0]:g} to {prices[-1]:g}"


def _conditions(inputs: object) -> str:
    if not isinstance(inputs, dict) or not inputs:
        return "any"
    return ", ".join(f"{name}={value}" for name, value in inputs.items())

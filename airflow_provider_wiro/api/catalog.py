"""Models of Wiro's catalogue, and their parameters, as Tool/Detail and Tool/List return them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.api.decoding.fields import exact_number, flag, json_list, text

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True)
class ModelParameter:
    """
    One parameter of a model, as Tool/Detail lists it.

    :ivar id: its name in ``parameters`` or ``files`` of a run.
    :ivar kind: Wiro's ``type``, such as ``textarea``, ``select`` or ``fileinput``.
    :ivar label: its name on the model's page.
    :ivar required: a run needs it.
    :ivar default: what the model's page offers first.
    :ivar options: the allowed values; empty if any value is.
    :ivar minimum: of a number; of a text, the least count of characters. As Wiro sends it, also where it is
        absurd.
    :ivar maximum: likewise.
    :ivar step: of a number.
    :ivar description: what it does, with Wiro's note and placeholder where it has no description.
    :ivar is_advanced: the model's page shows it only on demand.
    :ivar takes_json: its values are JSON: Wiro sends a schema for them.
    """

    id: str
    kind: str
    label: str = ""
    required: bool = False
    default: Any = None
    options: tuple[str, ...] = ()
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    step: Decimal | None = None
    description: str = ""
    is_advanced: bool = False
    takes_json: bool = False

    @classmethod
    def from_wire(cls, item: Mapping[str, Any]) -> Self:
        described = (text(item.get(name)).strip() for name in ("description", "note", "placeholder"))
        return cls(
            id=text(item.get("id")),
            kind=text(item.get("type")),
            label=text(item.get("label")),
            required=flag(item.get("required")),
            default=item.get("default"),
            options=tuple(_options(item.get("options"))),
            minimum=exact_number(item.get("min")),
            maximum=exact_number(item.get("max")),
            step=exact_number(item.get("step")),
            description=next(filter(None, described), ""),
            is_advanced=flag(item.get("advanced")),
            takes_json=bool(item.get("jsonschema")) and text(item.get("jsonschema")).lower() != "false",
        )


@dataclass(frozen=True)
class Model:
    """
    A model of Wiro's catalogue.

    :ivar slug: ``owner/model``, as operators take it.
    :ivar clean_slug: the same in the form of the page's URL.
    :ivar title: its name on its page.
    :ivar description: what it does.
    :ivar categories: Wiro's categories, such as ``text-to-image``.
    :ivar parameters: filled by ``get_model`` only.
    :ivar prices: the rows of Wiro's price list, in US dollars, as Wiro sends them; without any, ``cps``
        counts.
    :ivar are_prices_readable: False if the price list, or a row of it, is none, so that ``prices`` isn't all.
    :ivar cps: US dollars for each second that a run takes, None if Wiro names none.
    :ivar approximate_cost_usd: what an average run costs, by Wiro's own estimate.
    """

    slug: str
    clean_slug: str
    title: str = ""
    description: str = ""
    categories: tuple[str, ...] = ()
    parameters: tuple[ModelParameter, ...] = ()
    prices: tuple[Mapping[str, Any], ...] = ()
    cps: Decimal | None = None
    approximate_cost_usd: Decimal | None = None
    are_prices_readable: bool = field(default=True, compare=False)

    @classmethod
    def from_wire(cls, item: Mapping[str, Any]) -> Self:
        prices = json_list(item.get("dynamicprice"))
        return cls(
            slug=f"{text(item.get('slugowner')).strip()}/{text(item.get('slugproject')).strip()}",
            clean_slug=f"{text(item.get('cleanslugowner'))}/{text(item.get('cleanslugproject'))}",
            title=text(item.get("title")),
            description=text(item.get("description")),
            categories=tuple(text(name) for name in json_list(item.get("categories"))),
            parameters=tuple(
                ModelParameter.from_wire(parameter)
                for group in json_list(item.get("parameters"))
                if isinstance(group, Mapping)
                for parameter in json_list(group.get("items"))
                if isinstance(parameter, Mapping) and parameter.get("id")
            ),
            prices=tuple(price for price in prices if isinstance(price, Mapping)),
            cps=exact_number(item.get("cps")),
            approximate_cost_usd=exact_number(item.get("approximatelycost")),
            are_prices_readable=_is_price_list(item.get("dynamicprice"), prices),
        )


def _options(value: object) -> Iterator[str]:
    """Yield the values of options as text, a boolean's as ``true`` or ``false``."""
    options = json_list(value)
    described = [option for option in options if isinstance(option, Mapping)]
    for chosen in [option.get("value") for option in described] if described else options:
        if isinstance(chosen, bool):
            yield "true" if chosen else "false"
        elif isinstance(chosen, str | int | float):
            is_whole = isinstance(chosen, float) and chosen.is_integer()
            yield text(int(chosen) if is_whole else chosen)


def _is_price_list(raw: object, rows: list[Any]) -> bool:
    """Whether each row of a model's price list can be read; a model without a list has none that can't."""
    is_absent = not raw or (isinstance(raw, str) and raw.strip() in {"", "null", "[]", "{}"})
    return is_absent or (bool(rows) and all(isinstance(row, Mapping) for row in rows))

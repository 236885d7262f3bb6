"""
A row of Wiro's price list: what it says, and whether it applies to a run.

Whether a row applies has three answers. Wiro compares as text; where it isn't documented how a value is
written as text, or which of two readings counts, a row *may* apply. Nothing here raises.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import exact_number, json_object, text
from airflow_provider_wiro.catalog.run_values import scalar_text
from airflow_provider_wiro.catalog.schema.values import as_number

if TYPE_CHECKING:
    from airflow_provider_wiro.catalog.run_values import FileCount, RunValues

_QUANTITY = "QUANTITY:"
#: A price above this is a mistake in the list.
_MOST_USD = Decimal(1_000_000)
_SAME_WORDS = (frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"}))
_FIELDS = ("inputs", "price", "priceMethod", "priceExtra", "priceInput")
_MOST_SHOWN = 200


class Match(enum.IntEnum):
    """Whether a row applies, or one of its inputs fits. A row is as certain as its least certain input."""

    NO = 0
    UNREADABLE = 1
    MAYBE = 2
    YES = 3


@dataclass(frozen=True)
class PriceRow:
    """
    A row of the price list.

    :ivar inputs: parameter → the value it must have; None if they can't be read.
    :ivar price: in US dollars; None if it is no price.
    :ivar method: as Wiro writes it, empty if there is none; None if it can't be read.
    :ivar extra: ``priceExtra``; None if it can't be read.
    :ivar per_input: ``priceInput``; None if it can't be read.
    :ivar raw: the row as Wiro sends it.
    """

    inputs: Mapping[str, Any] | None
    price: Decimal | None
    method: str | None
    extra: Decimal | None
    per_input: Decimal | None
    raw: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> PriceRow:
        method = row.get("priceMethod")
        return cls(
            inputs=_inputs(row.get("inputs")),
            price=_usd(row.get("price")),
            method=text(method).strip() if method is None or isinstance(method, str) else None,
            extra=_usd_or_nothing(row.get("priceExtra")),
            per_input=_usd_or_nothing(row.get("priceInput")),
            raw=row,
        )

    @property
    def shown(self) -> dict[str, Any]:
        """The row's fields for people and XCom."""
        return {name: _shown(self.raw[name]) for name in _FIELDS if name in self.raw}

    def match(self, run: RunValues) -> Match:
        """Return whether it applies to a run."""
        if self.inputs is None:
            return Match.UNREADABLE
        found = Match.YES
        for name, wanted in self.inputs.items():
            found = min(found, _match(name, wanted, run))
            if found is Match.NO:
                break
        return found


def _match(name: str, wanted: Any, run: RunValues) -> Match:
    if isinstance(wanted, str) and wanted.strip().upper().startswith(_QUANTITY):
        count = exact_number(wanted.strip()[len(_QUANTITY) :])
        if count is None or count < 0 or count != count.to_integral_value():
            return Match.UNREADABLE
        return _fits_count(count, run.files_of(name))
    files = run.files_of(name) if run.is_file(name) else None
    if files is not None and files.most > 0:
        # How a file is compared with a text isn't documented.
        return Match.NO if files.least > 0 and scalar_text(wanted) == "" else Match.MAYBE
    value = run.of(name)
    content = "" if value.content is None or files is not None else value.content
    found = _compared(wanted, content)
    # Empty text stands for "not set", or for itself.
    return max(found, min(Match.MAYBE, _compared(wanted, ""))) if value.was_blank else found


def _fits_count(wanted: Decimal, files: FileCount) -> Match:
    if not files.least <= wanted <= files.most:
        return Match.NO
    return Match.YES if files.least == files.most else Match.MAYBE


def _compared(wanted: Any, given: Any) -> Match:
    """Compare as text. Numbers that are equal as numbers, or words that differ in case only, may be equal."""
    one, other = scalar_text(wanted), scalar_text(given)
    if one is None or other is None:
        return Match.MAYBE
    if one == other:
        return Match.YES
    words = {one.strip().casefold(), other.strip().casefold()}
    if len(words) == 1 or any(words <= same for same in _SAME_WORDS):
        return Match.MAYBE
    numbers = as_number(one), as_number(other)
    if numbers[0] is None or numbers[0] != numbers[1]:
        return Match.NO
    # 5.0 is written as "5", see above; of "5.0", which is text, nobody knows.
    return Match.MAYBE


def _inputs(value: Any) -> Mapping[str, Any] | None:
    """Read a row's conditions; None, empty text and an empty list (PHP's empty object) are no conditions."""
    if value is None or value == [] or (isinstance(value, str) and value.strip() in {"", "null", "[]"}):
        return {}
    return json_object(value)


def _usd(value: Any) -> Decimal | None:
    found = exact_number(value)
    return found if found is not None and 0 <= found <= _MOST_USD else None


def _usd_or_nothing(value: Any) -> Decimal | None:
    return Decimal(0) if value is None or value == "" else _usd(value)


def _shown(value: Any, depth: int = 2) -> Any:
    """Return a part of a row for XCom: JSON that every database takes, and no longer than a person reads."""
    if isinstance(value, Mapping) and depth:
        items = islice(value.items(), _MOST_SHOWN)
        return {text(name)[:_MOST_SHOWN]: _shown(inner, depth - 1) for name, inner in items}
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        number = exact_number(value)
        return text(value)[:_MOST_SHOWN] if number is None else value
    return (text(value) if isinstance(value, str) else type(value).__name__)[:_MOST_SHOWN]

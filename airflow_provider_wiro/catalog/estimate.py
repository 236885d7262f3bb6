"""Estimate: what a run will cost, before it is sent: exactly, as a range, or not known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import plain_usd

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal


@dataclass(frozen=True)
class Estimate:
    """
    What a run will cost in US dollars, by Wiro's price list. Discounts can make the bill lower.

    :ivar minimum_usd: the lower end, None if the price isn't known.
    :ivar maximum_usd: the upper end; equal to the lower one if the price is exact.
    :ivar method: Wiro's ``priceMethod``, such as ``cpr``; empty if no row of the price list applies.
    :ivar row: the row of Wiro's price list that it comes from, None if there is none.
    :ivar assumed: parameters that were not given → the schema's default, by which the row was chosen.
    :ivar note: a sentence that says why it is a range, or not known; empty if it is exact.
    """

    minimum_usd: Decimal | None = None
    maximum_usd: Decimal | None = None
    method: str = ""
    row: Mapping[str, Any] | None = None
    assumed: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there is an upper end."""
        return self.maximum_usd is not None

    @property
    def is_exact(self) -> bool:
        """Whether it is one amount."""
        return self.is_known and self.minimum_usd == self.maximum_usd

    def to_json(self) -> dict[str, Any]:
        """
        Return it for XCom.

        :return: ``{"kind": "exact" | "range" | "unknown", "min_usd", "max_usd" (text for ``Decimal``, or
            None), "method", "row", "assumed", "note"}``.
        """
        kind = "exact" if self.is_exact else "range" if self.is_known else "unknown"
        return {
            "kind": kind,
            "min_usd": None if self.minimum_usd is None else plain_usd(self.minimum_usd),
            "max_usd": None if self.maximum_usd is None else plain_usd(self.maximum_usd),
            "method": self.method or None,
            "row": None if self.row is None else dict(self.row),
            "assumed": dict(self.assumed),
            "note": self.note or None,
        }

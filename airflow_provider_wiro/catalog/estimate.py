"""Estimate: what a run will cost, before it is sent: exactly, as a range, or not known."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import plain_usd

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Estimate:
    """
    What a run costs in US dollars if it succeeds, by Wiro's price list. Discounts can make the bill lower.

    :ivar minimum_usd: the lower end. It can be known where the upper end isn't: ``cpo`` costs at least one
        output. None if it isn't known.
    :ivar maximum_usd: the upper end, which a limit can rely on; equal to the lower one if the price is exact.
        None if the price isn't known.
    :ivar method: Wiro's ``priceMethod``, such as ``cpr``; empty if no row of the price list applies.
    :ivar row: the row of Wiro's price list that it comes from, None if there is none.
        Of several that apply, the one that the upper end comes from.
    :ivar assumed: parameters that were not given → the schema's default, by which the price was chosen.
    :ivar note: why it is a range, or not known; empty if it is exact and there is nothing else to say.
    :ivar approximate_usd: what an average run costs by Wiro's own estimate, where the price isn't known
        because the run's seconds are paid for. A run can cost many times as much: no limit may rely on it.
    """

    minimum_usd: Decimal | None = None
    maximum_usd: Decimal | None = None
    method: str = ""
    row: Mapping[str, Any] | None = None
    assumed: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    approximate_usd: Decimal | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is an upper end."""
        return self.maximum_usd is not None

    @property
    def is_exact(self) -> bool:
        """Whether it is one amount."""
        return self.is_known and self.minimum_usd == self.maximum_usd

    @property
    def amount(self) -> str | None:
        """The amount as text, such as ``0.58 USD`` or ``0.14 to 0.18 USD``; None without an upper end."""
        if self.maximum_usd is None:
            return None
        least = "" if self.is_exact else f"{plain_usd(self.minimum_usd or Decimal(0))} to "
        return f"{least}{plain_usd(self.maximum_usd)} USD"

    def to_json(self) -> dict[str, Any]:
        """
        Return it for XCom.

        :return: ``{"kind": "exact" | "range" | "unknown", "min_usd", "max_usd" (text for ``Decimal``, or
            None), "method", "row", "assumed", "note", "approximate_usd" (text or None)}``.
        """
        kind = "exact" if self.is_exact else "range" if self.is_known else "unknown"
        return {
            "kind": kind,
            "min_usd": _text(self.minimum_usd),
            "max_usd": _text(self.maximum_usd),
            "method": self.method or None,
            "row": None if self.row is None else dict(self.row),
            "assumed": dict(self.assumed),
            "note": self.note or None,
            "approximate_usd": _text(self.approximate_usd),
        }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else plain_usd(amount)

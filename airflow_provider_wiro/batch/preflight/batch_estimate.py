"""BatchSum: the estimate of a whole batch, from those of its items."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import plain_usd

if TYPE_CHECKING:
    from airflow_provider_wiro.catalog.estimate import Estimate

#: How many different notes it keeps; each may name a value of its own.
MOST_NOTES = 5

#: What a batch returns with ``estimate_only=True``.
BatchEstimate = dict[str, Any]


class BatchSum:
    """The sum of items' estimates, and the cheapest and the dearest of them."""

    def __init__(self) -> None:
        self._least = self._most = Decimal(0)
        self._cheapest: Decimal | None = None
        self._dearest: Decimal | None = None
        self._unknown = 0
        self._known = 0
        self._assumed: dict[str, str] = {}
        self._notes: dict[str, None] = {}

    def add(self, estimate: Estimate) -> None:
        """Add an item's."""
        if estimate.note and len(self._notes) < MOST_NOTES:
            self._notes[estimate.note] = None
        least, most = estimate.minimum_usd, estimate.maximum_usd
        if least is None or most is None:
            self._unknown += 1
            return
        self._known += 1
        self._assumed |= estimate.assumed
        self._least, self._most = self._least + least, self._most + most
        self._cheapest = least if self._cheapest is None else min(self._cheapest, least)
        self._dearest = most if self._dearest is None else max(self._dearest, most)

    def to_json(self, model: str, total: int) -> BatchEstimate:
        """
        Return it for XCom.

        :return: ``{"model", "total" (items), "unknown" (items without a known price), "refused" (items that
            can't be right), "min_usd" (of all that are known), "max_usd" (None if the price of an item isn't
            known), "known_max_usd" (of all that are known), "item_min_usd", "item_max_usd" (the cheapest and
            the dearest item, None if none is known), "assumed", "notes"}``.
        """
        return {
            "model": model,
            "total": total,
            "unknown": self._unknown,
            "refused": total - self._known - self._unknown,
            "min_usd": plain_usd(self._least),
            "max_usd": None if self._unknown else plain_usd(self._most),
            "known_max_usd": plain_usd(self._most),
            "item_min_usd": None if self._cheapest is None else plain_usd(self._cheapest),
            "item_max_usd": None if self._dearest is None else plain_usd(self._dearest),
            "assumed": self._assumed,
            "notes": list(self._notes),
        }

    def line(self) -> str:
        """Return it for the log."""
        least, most = plain_usd(self._least), plain_usd(self._most)
        amount = f"{most} USD" if least == most else f"{least} to {most} USD"
        if not self._known:
            amount = "not known"
        not_known = (
            f", and {self._unknown:,} whose price isn't known" if self._known and self._unknown else ""
        )
        return f"Estimated cost of the batch: {amount} for {self._known or self._unknown:,} items{not_known}."

"""SpendingReport: what a batch with a budget has spent, and what the budget has left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import plain_usd

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal


@dataclass(frozen=True)
class SpendingReport:
    """
    What a batch with a budget has spent.

    :ivar limit: the budget in US dollars.
    :ivar spent: what was spent, with the upper end of the estimate of each run whose cost isn't known.
    :ivar left_out: how many items are not run because of the budget.
    :ivar reason: returns why an item is not run.
    """

    limit: Decimal
    spent: Decimal
    left_out: int
    reason: Callable[[int], str]

    def to_json(self, not_run: int) -> dict[str, Any]:
        """Return what the batch's summary has of it."""
        return {"not_run": not_run, "budget_usd": plain_usd(self.limit), "spent_usd": plain_usd(self.spent)}

    def message(self, total: int, succeeded: int, manifest: str) -> str:
        """Return why a batch has failed that its budget has ended."""
        return (
            f"max_cost_usd={plain_usd(self.limit)} has ended the batch: {succeeded:,} of {total:,} items "
            f"succeeded, and the others are not run, since they could cost more. All tries have spent up to "
            f"{plain_usd(self.spent)} USD. The results are in {manifest}. To run the others, raise "
            "max_cost_usd and clear the task, which then continues. With on_item_failure='continue' such a "
            "batch succeeds."
        )

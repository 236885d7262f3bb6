"""CostLimit: `max_cost_usd` and `on_unknown_price` of a run, and an estimate in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.decoding.fields import plain_usd
from airflow_provider_wiro.dag_arguments.checks import check_usd

if TYPE_CHECKING:
    from decimal import Decimal

    from airflow_provider_wiro.catalog.estimate import Estimate
    from airflow_provider_wiro.run.settings import RunSettings


@dataclass(frozen=True)
class CostLimit:
    """
    What one run may cost.

    :ivar usd: at most this much; None for any price.
    :ivar refuses_unknown: refuse a run whose price isn't known before.
    """

    usd: Decimal | None
    refuses_unknown: bool = False

    @classmethod
    def of(cls, settings: RunSettings) -> CostLimit:
        """
        Read the operator's arguments.

        :raises WiroUsageError: ``max_cost_usd`` is no amount.
        """
        usd = check_usd("max_cost_usd", settings.max_cost_usd)
        return cls(usd, refuses_unknown=settings.on_unknown_price == "refuse")

    def refusal(self, model: str, estimate: Estimate | None) -> str | None:
        """
        Say why a run may not be sent, None if it may.

        :param estimate: None if Wiro's price list can't be had.
        """
        if self.usd is None:
            return None
        limit = f"max_cost_usd={plain_usd(self.usd)}"
        not_run = f"{model} was not run, and nothing is paid for"
        if estimate is not None:
            # The lower end can be known where the upper one isn't.
            known = estimate.minimum_usd if estimate.maximum_usd is None else estimate.maximum_usd
            if known is not None and known > self.usd:
                verb = "may cost" if estimate.is_known and not estimate.is_exact else "costs"
                return f"{not_run}: it {verb} {in_words(estimate)}, more than {limit} allows."
            if estimate.is_known:
                return None
        if not self.refuses_unknown:
            return None
        price = "" if estimate is None else f": {in_words(estimate)}"
        return (
            f"{not_run}: its price isn't known before the run{price}. With {limit}, on_unknown_price='run' "
            "runs it anyway."
        )


def in_words(estimate: Estimate) -> str:
    """Return an estimate in a few words: its amount, by which method, and why it isn't exact."""
    amount, minimum = estimate.amount, estimate.minimum_usd
    if amount is None:
        amount = "not known" if minimum is None else f"{plain_usd(minimum)} USD or more"
    reasons = [estimate.method] if estimate.method else []
    if estimate.assumed:
        names = ", ".join(f"{name}={value:.40}" for name, value in estimate.assumed.items())
        reasons.append(f"with the default {names}")
    if estimate.note:
        reasons.append(estimate.note.rstrip("."))
    return f"{amount} ({'; '.join(reasons)})" if reasons else amount

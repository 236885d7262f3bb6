"""What a batch's log says: a line now and then, and one for each item that failed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.batch_record import ItemState

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.job import Log
    from airflow_provider_wiro.batch.ledger import Ledger

SECONDS_BETWEEN = 10.0
SHARE_BETWEEN = 0.1


class Progress:
    """
    Tells how far a batch is: each tenth of it at once, anything else every ten seconds, nothing twice.

    :param now: Unix time at which the batch begins.
    """

    def __init__(self, ledger: Ledger, log: Log, now: float) -> None:
        self._ledger = ledger
        self._log = log
        self._told_at = now
        self._told_over = self._over()
        self._told = ""

    def tell(self, now: float, *, running: int, is_last: bool = False) -> None:
        """Tell it, if it is time to."""
        is_tenth = self._over() - self._told_over >= SHARE_BETWEEN * self._ledger.record.total
        if not (is_last or is_tenth or now >= self._told_at + SECONDS_BETWEEN):
            return
        line = self._line(running)
        if line != self._told:
            self._log.info("%s", line)
            self._told_at, self._told_over, self._told = now, self._over(), line

    def _over(self) -> int:
        record = self._ledger.record
        return record.count(ItemState.DONE) + record.count(ItemState.FAILED) + len(self._ledger.unkept)

    def _line(self, running: int) -> str:
        record, unkept = self._ledger.record, self._ledger.unkept
        unkept_failed = sum(result["status"] == "failed" for result in unkept)
        done = record.count(ItemState.DONE) + len(unkept) - unkept_failed
        failed = record.count(ItemState.FAILED) + unkept_failed
        facts = [f"{done:,} of {record.total:,} done", f"{failed:,} failed", f"{running:,} running"]
        costs = [result["cost_usd"] for result in unkept if result["status"] == "succeeded"]
        known = Decimal(record.costs.known_usd) + sum(Decimal(cost) for cost in costs if cost is not None)
        unknown = record.costs.unknown + costs.count(None)
        not_known = f" (that of {unknown:,} not known yet)" if unknown else ""
        facts.append(f"{known.normalize():f} USD so far{not_known}")
        return ", ".join(facts) + "."

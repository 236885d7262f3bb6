"""LandedTask: what became of one task of a chunk, and its line of the run's manifest."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.export.state import FINAL, Outcome, TaskOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names of sums beside those of the outcomes, see :attr:`~airflow_provider_wiro.export.state.Tally.counts`.
FILES, BYTES, UNKNOWN_COSTS, FAILED, NOT_DELETED = "files", "bytes", "unknown_costs", "failed", "not_deleted"


@dataclass(frozen=True)
class LandedTask:
    """
    What became of a task.

    :ivar number: its id.
    :ivar line: of the manifest; None if it has none.
    :ivar error: why it has not landed; None if it has, or is not wanted.
    :ivar is_missing: one of its files isn't there, and may still come.
    :ivar needs_change: it can't land before the DAG or the bucket is changed.
    :ivar has_fetched: a file of it has just come from Wiro's CDN.
    """

    number: int
    outcome: TaskOutcome
    line: Mapping[str, Any] | None = None
    error: str | None = None
    is_missing: bool = False
    needs_change: bool = False
    has_fetched: bool = False

    @property
    def is_final(self) -> bool:
        """Whether it is done with."""
        return self.outcome.outcome in FINAL


def without_line(number: int, outcome: Outcome, **counts: int) -> LandedTask:
    """Return a task of which the manifest says nothing."""
    return LandedTask(number, TaskOutcome(outcome, counts))


def later(number: int, error: object, *, is_missing: bool = False, needs_change: bool = False) -> LandedTask:
    """Return a task that another try may land."""
    return LandedTask(
        number,
        TaskOutcome(Outcome.LATER),
        error=str(error),
        is_missing=is_missing,
        needs_change=needs_change,
    )


def with_line(
    number: int, outcome: Outcome, line: Mapping[str, Any], *, delete: bool = False, not_deleted: bool = False
) -> LandedTask:
    """
    Return a task that the manifest lists.

    :param delete: its files are to be deleted from Wiro.
    :param not_deleted: they should be, and may not.
    """
    files, cost = line["files"], line["cost_usd"]
    counts = {FILES: len(files), BYTES: sum(file["size"] for file in files)}
    if cost is None:
        counts[UNKNOWN_COSTS] = 1
    if not_deleted:
        counts[NOT_DELETED] = 1
    usd = Decimal(0) if cost is None else Decimal(cost)
    return LandedTask(
        number, TaskOutcome(outcome, counts, usd, delete=delete), line=line, error=line.get("error")
    )

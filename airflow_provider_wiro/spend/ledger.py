"""Ledger: adds up what tasks cost, by model. Spend: the sums."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import plain_usd
from airflow_provider_wiro.api.model_slugs import plain_slug
from airflow_provider_wiro.redaction.plain_text import plain
from airflow_provider_wiro.spend.charges import Billing

if TYPE_CHECKING:
    from airflow_provider_wiro.spend.charges import Charge
    from airflow_provider_wiro.spend.period import Period

#: Sums are exact: the default context of `decimal` rounds to 28 digits.
_EXACT = Context(prec=100)
_LONGEST_NAME = 200


@dataclass
class ModelSpend:
    """What one model's tasks cost. ``model`` is None where Wiro doesn't name it."""

    model: str | None
    tasks: int = 0
    usd: Decimal = Decimal(0)
    unknown_costs: int = 0


@dataclass(frozen=True)
class Spend:
    """
    What was spent in a period.

    :ivar project_id: whose tasks were counted; None: all that the connection's key sees.
    :ivar model: whose tasks were counted; None: of every model.
    :ivar by_model: the most expensive first.
    :ivar running: tasks that have not ended.
    :ivar killed: tasks that were killed after their start, for which Wiro shows no charge (yet).
    :ivar unattributed: tasks that are counted although Wiro shows no project, or model, of theirs.
    :ivar has_other_projects: tasks of several projects were counted, as in a team's workspace.
    """

    period: Period
    project_id: str | None
    model: str | None
    by_model: tuple[ModelSpend, ...]
    running: int
    killed: int
    unattributed: int
    has_other_projects: bool

    @property
    def usd(self) -> Decimal:
        """The sum of all known costs."""
        total = Decimal(0)
        for line in self.by_model:
            total = _EXACT.add(total, line.usd)
        return total

    @property
    def tasks(self) -> int:
        """How many tasks were counted."""
        return sum(line.tasks for line in self.by_model)

    @property
    def unknown_costs(self) -> int:
        """How many tasks succeeded whose cost Wiro has not recorded."""
        return sum(line.unknown_costs for line in self.by_model)

    @property
    def open_ends(self) -> str:
        """Why more may have been spent, as part of a sentence; empty if nothing is open."""
        counts = (
            (self.unknown_costs, "whose cost Wiro has not recorded"),
            (self.running, "that have not ended"),
            (self.killed, "that were killed while they ran, which Wiro can still charge"),
        )
        return ", and ".join(f"{count:,} {which}" for count, which in counts if count)

    def to_json(self) -> dict[str, Any]:
        """
        Return it for XCom.

        :return: ``{"spent_usd" (text for ``Decimal``), "tasks", "by_model": [{"model", "tasks", "spent_usd",
            "unknown_cost_tasks"}], "unknown_cost_tasks" (succeeded, and Wiro has not recorded their cost),
            "running_tasks", "killed_tasks" (killed while they ran, without a charge so far),
            "unattributed_tasks" (counted although Wiro doesn't show their project or model), "project_id"
            (None: every project that the key sees), "since", "until"}``. The first model is the most
            expensive one. More can have been spent if one of the counts from ``unknown_cost_tasks`` to
            ``killed_tasks`` isn't 0.
        """
        return {
            "spent_usd": plain_usd(self.usd),
            "tasks": self.tasks,
            "by_model": [
                {
                    "model": line.model,
                    "tasks": line.tasks,
                    "spent_usd": plain_usd(line.usd),
                    "unknown_cost_tasks": line.unknown_costs,
                }
                for line in self.by_model
            ],
            "unknown_cost_tasks": self.unknown_costs,
            "running_tasks": self.running,
            "killed_tasks": self.killed,
            "unattributed_tasks": self.unattributed,
            "project_id": self.project_id,
            "since": self.period.since.isoformat(),
            "until": self.period.until.isoformat(),
        }


@dataclass
class Ledger:
    """Adds up charges. It keeps a line for each model, and no task."""

    lines: dict[str, ModelSpend] = field(default_factory=dict)
    running: int = 0
    killed: int = 0

    def add(self, model: str | None, charge: Charge) -> None:
        """Count a task."""
        name = None if model is None else plain(model, _LONGEST_NAME)
        line = self.lines.setdefault("" if name is None else plain_slug(name), ModelSpend(name))
        line.tasks += 1
        line.usd = _EXACT.add(line.usd, charge.usd)
        line.unknown_costs += charge.billing is Billing.UNKNOWN
        self.running += charge.billing is Billing.RUNNING
        self.killed += charge.billing is Billing.KILLED

    @property
    def by_model(self) -> tuple[ModelSpend, ...]:
        """The lines, the most expensive first."""
        return tuple(sorted(self.lines.values(), key=lambda line: (-line.usd, line.model or "")))

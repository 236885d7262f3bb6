"""
ExportState: everything that an export remembers, as a value. What happens to it is in ``runs`` and ``tasks``.

A wanted task is in exactly one place: ``open``, ``pending``, or the claim of one run. When a run commits what
became of it, it is in none, and never returns: its id is not new.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow_provider_wiro.task_history.position import Position


class Outcome(StrEnum):
    """What became of a claimed task."""

    #: What it has made is in the destination.
    LANDED = "landed"
    #: Its outputs' links are dead.
    DEAD_LINK = "dead_link"
    #: It can't be landed, and never will be: not what Wiro announced, another object in the way.
    REFUSED = "refused"
    #: Another project's, another model's, or not succeeded.
    NOT_WANTED = "not_wanted"
    #: Wiro doesn't show whose it is.
    UNATTRIBUTED = "unattributed"
    #: It has not ended: it is open again.
    NOT_ENDED = "not_ended"
    #: Wiro doesn't know it: it is open again, and after a day has vanished.
    UNKNOWN = "unknown"
    #: It could not be landed now: a later run tries again.
    LATER = "later"


#: After these a task is done with.
FINAL = frozenset(
    {Outcome.LANDED, Outcome.DEAD_LINK, Outcome.REFUSED, Outcome.NOT_WANTED, Outcome.UNATTRIBUTED}
)
#: Counted beside the outcomes: open tasks that Wiro has not known for a day.
VANISHED = "vanished"


@dataclass(frozen=True)
class TaskOutcome:
    """
    What became of a task, and what it adds to the run's sums.

    :ivar counts: by name, whatever the run's result reports: files, bytes, unknown costs.
    :ivar usd: what it has cost, as far as that is known.
    :ivar delete: its files are to be deleted from Wiro.
    """

    outcome: Outcome
    counts: Mapping[str, int] = field(default_factory=dict)
    usd: Decimal = Decimal(0)
    delete: bool = False


@dataclass(frozen=True)
class Tally:
    """
    Sums over committed tasks.

    :ivar counts: by the outcome's word, and by the names of :attr:`TaskOutcome.counts`.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    usd: Decimal = Decimal(0)

    def plus(self, counts: Mapping[str, int], usd: Decimal = Decimal(0)) -> Tally:
        """Return the sums with these added."""
        summed = dict(self.counts)
        for name, count in counts.items():
            summed[name] = summed.get(name, 0) + count
        return Tally(summed, self.usd + usd)

    def of(self, outcome: Outcome) -> int:
        """Return how many tasks had this outcome."""
        return self.counts.get(outcome.value, 0)

    @property
    def done(self) -> int:
        """How many tasks are done with, other than those that nobody wanted."""
        return sum(self.of(outcome) for outcome in FINAL - {Outcome.NOT_WANTED, Outcome.UNATTRIBUTED})


@dataclass(frozen=True)
class Part:
    """
    A part of a run's manifest.

    :ivar name: where it is; the state only keeps it.
    :ivar dropped: tasks whose lines in it don't count: another run has committed them.
    """

    name: str
    dropped: frozenset[int] = frozenset()


@dataclass(frozen=True)
class RunState:
    """
    What the state knows of one run of the export.

    :ivar instance: the Airflow task instance: its next try continues this run at once.
    :ivar until: Unix time after which any other run may take it over.
    :ivar claimed: the tasks that it is landing, the smallest id first.
    :ivar later: those that it could not land, and doesn't try again.
    :ivar to_delete: landed ones whose files are to be deleted from Wiro.
    :ivar parts: of its manifest, in their order.
    :ivar vanished: tasks that it has dropped since Wiro doesn't know them.
    :ivar commits: how many it has made.
    :ivar replaced: the latest tries whose place it has taken: they may not continue.
    :ivar ended_at: Unix time of its end; it is kept for a while, for a try that has to report it again.
    :ivar manifest: the place of its manifest, in a form that two spellings share.
    :ivar drafts: where manifests may be that its parts list as well: its own before its end is recorded, and
        those of runs that have died there.
    """

    instance: str
    until: float
    claimed: tuple[int, ...] = ()
    later: frozenset[int] = frozenset()
    to_delete: frozenset[int] = frozenset()
    parts: tuple[Part, ...] = ()
    tally: Tally = field(default_factory=Tally)
    vanished: tuple[int, ...] = ()
    commits: int = 0
    replaced: tuple[str, ...] = ()
    ended_at: float | None = None
    manifest: str | None = None
    drafts: tuple[str, ...] = ()


def with_more(ids: tuple[int, ...], more: Collection[int]) -> tuple[int, ...]:
    """Return sorted ids with others among them."""
    return tuple(sorted((*ids, *sorted(more)))) if more else ids


@dataclass(frozen=True)
class ExportState:
    """
    The state of an export.

    :ivar position: up to where the list was read; None before the first reading.
    :ivar since: Unix time: tasks that were created before are not exported; None: there is no such limit.
    :ivar pending: tasks that have ended and are not landed, the smallest id first: it is the oldest.
    :ivar open: tasks that have not ended → Unix time since when Wiro doesn't know them, None if it does.
    :ivar asked: the last open task whose Detail was read: the next reading continues after it.
    :ivar unclear: tasks of which the list has not shown whether they are wanted.
    :ivar tries: how often pending tasks could not be landed.
    :ivar runs: by token.
    """

    position: Position | None = None
    since: float | None = None
    pending: tuple[int, ...] = ()
    open: Mapping[int, float | None] = field(default_factory=dict)
    asked: int = 0
    unclear: frozenset[int] = frozenset()
    tries: Mapping[int, int] = field(default_factory=dict)
    runs: Mapping[str, RunState] = field(default_factory=dict)

"""
How the tasks stand: how many are under way, how many ended well, what those have cost.

Kept up to date as time passes: a look at each of ten thousand tasks for every new run would make the
emulator the bottleneck of what is measured with it.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.emulator.state.lifecycle import Life
    from airflow_provider_wiro.emulator.state.task import Task


@dataclass(slots=True)
class Reckoning:
    """
    The standing of all tasks at one moment. Counters are by the model's id.

    What it says follows from the tasks' lives and the clock, as everything does: it only remembers how far
    it has read.
    """

    started: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)
    last_run: dict[str, float] = field(default_factory=dict)
    spent_usd: Decimal = Decimal(0)
    _ended: dict[str, tuple[bool, Decimal]] = field(default_factory=dict)
    """Whether each task that has ended succeeded, and what it has cost."""
    _ends: list[tuple[float, int, Task, Life]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def active(self) -> int:
        """How many tasks are neither finished nor stopped."""
        return self.started.total() - self.ended.total()

    def begin(self, task: Task) -> None:
        """Reckon with a new task."""
        model = task.inputs.model.id
        self.started[model] += 1
        self.last_run[model] = task.life.steps[0].moment
        self._expect(task)

    def begin_anew(self, task: Task) -> None:
        """Forget how a task ended or was to end: its course has changed."""
        if task.id in self._ended:
            self._count(task, *self._ended.pop(task.id), times=-1)
        self._expect(task)

    def at(self, now: float) -> Reckoning:
        """Return this, read up to `now`."""
        while self._ends and self._ends[0][0] <= now:
            moment, _, task, life = heapq.heappop(self._ends)
            if task.life is life:  # else another end was expected since
                self._ended[task.id] = end = task.has_succeeded(moment), task.cost(moment)
                self._count(task, *end, times=1)
        return self

    def _expect(self, task: Task) -> None:
        moment = task.life.ends_at
        if moment is not None:
            heapq.heappush(self._ends, (moment, next(self._numbers), task, task.life))

    def _count(self, task: Task, succeeded: bool, cost: Decimal, *, times: int) -> None:
        model = task.inputs.model.id
        self.ended[model] += times
        self.succeeded[model] += times * succeeded
        self.spent_usd += times * cost

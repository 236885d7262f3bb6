"""All tasks, by id and token, and statistics of them: how many are active, have succeeded, what they cost."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.emulator.state.lifecycle import Lifecycle
    from airflow_provider_wiro.emulator.state.task import Task

_FIRST_ID = 2221  # the id of the reference's sample task


@dataclass(slots=True)
class TaskStatistics:
    """
    Statistics of the project's own tasks. Counters are by the model's id.

    They follow from the tasks' lifecycles and the clock, and are kept up to date as time passes: reading ten
    thousand tasks at every new run would make the emulator the bottleneck of a benchmark.
    """

    started: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)
    last_run: dict[str, float] = field(default_factory=dict)
    """When a model was last run, in Unix seconds."""
    spent_usd: Decimal = Decimal(0)
    _ended: dict[str, tuple[bool, Decimal]] = field(default_factory=dict)
    """By the id of an ended task: whether it has succeeded, and its cost."""
    _ends: list[tuple[float, int, Task, Lifecycle]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def active(self) -> int:
        """How many tasks have not ended."""
        return self.started.total() - self.ended.total()

    def add(self, task: Task) -> None:
        """Count a new task."""
        model = task.inputs.model.id
        self.started[model] += 1
        self.last_run[model] = task.lifecycle.created
        self._expect_end(task)

    def replan(self, task: Task) -> None:
        """Count the end of a task again, after its lifecycle has changed."""
        if task.id in self._ended:
            self._count(task, *self._ended.pop(task.id), times=-1)
        self._expect_end(task)

    def advance_to(self, now: float) -> TaskStatistics:
        """Count the tasks that have ended by `now`, and return this object."""
        while self._ends and self._ends[0][0] <= now:
            moment, _, task, lifecycle = heapq.heappop(self._ends)
            if task.lifecycle is lifecycle:  # otherwise `replan` has added another end
                self._ended[task.id] = end = task.has_succeeded(moment), task.cost(moment)
                self._count(task, *end, times=1)
        return self

    def _expect_end(self, task: Task) -> None:
        moment = task.lifecycle.ends_at
        if moment is not None:
            heapq.heappush(self._ends, (moment, next(self._numbers), task, task.lifecycle))

    def _count(self, task: Task, succeeded: bool, cost: Decimal, *, times: int) -> None:
        model = task.inputs.model.id
        self.ended[model] += times
        self.succeeded[model] += times * succeeded
        self.spent_usd += times * cost


@dataclass(slots=True)
class TaskStore:
    """All tasks of the project and of its teammates, oldest first."""

    _by_id: dict[str, Task] = field(default_factory=dict)
    _by_token: dict[str, Task] = field(default_factory=dict)
    statistics: TaskStatistics = field(default_factory=TaskStatistics)

    def __iter__(self) -> Iterator[Task]:
        """Iterate over all tasks, oldest first."""
        return iter(tuple(self._by_id.values()))

    def next_id(self) -> str:
        """Return the id for the next task."""
        return str(_FIRST_ID + len(self._by_id))

    def add(self, task: Task) -> None:
        """Record an accepted run."""
        self._by_id[task.id] = task
        self._by_token[task.token] = task
        if not task.is_teammates:
            self.statistics.add(task)

    def by_id(self, task_id: str) -> Task | None:
        """Return the task with this id, unless it is forgotten."""
        return _remembered(self._by_id.get(task_id))

    def by_token(self, token: str) -> Task | None:
        """Return the task with this token, unless it is forgotten."""
        return _remembered(self._by_token.get(token))


def _remembered(task: Task | None) -> Task | None:
    return None if task is None or task.is_forgotten else task

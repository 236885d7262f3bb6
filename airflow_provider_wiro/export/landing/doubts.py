"""Doubts: whether what seems final of many tasks is only an outage of Wiro's CDN, or a wrong bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.export.landing.landed_task import later
from airflow_provider_wiro.export.state import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_wiro.export.landing.landed_task import LandedTask

#: With this number of lost tasks, and no file that was fetched, a run doubts that they are lost.
MOST_LOST = 10
#: A task that this number of runs could not land is believed to be lost.
MOST_RUNS = 3

_LOST = frozenset({Outcome.DEAD_LINK, Outcome.REFUSED})


class Doubts:
    """
    The doubts of one run. A CDN that is out, or a proxy before it, can respond to all links as if they were
    dead; tasks that are given up are never landed.

    :ivar doubted: the tasks that are tried again.
    """

    def __init__(self) -> None:
        self.doubted: set[int] = set()
        self._has_fetched = False
        self._lost = 0

    @property
    def are_over(self) -> bool:
        """Whether a file was fetched, so that the doubted tasks can be judged now."""
        return self._has_fetched and bool(self.doubted)

    def judged(self, tasks: Iterable[LandedTask], tries: Mapping[int, int]) -> list[LandedTask]:
        """
        Return the tasks of a chunk, those to be tried again without their final outcome.

        :param tries: how many runs could not land a task so far.
        """
        tasks = list(tasks)
        self._has_fetched = self._has_fetched or any(task.has_fetched for task in tasks)
        self._lost += sum(_is_lost(task) and task.number not in self.doubted for task in tasks)
        is_doubtful = not self._has_fetched and self._lost >= MOST_LOST
        return [
            self._doubt(task)
            if is_doubtful and _is_lost(task) and tries.get(task.number, 0) + 1 < MOST_RUNS
            else self._believe(task)
            for task in tasks
        ]

    def _doubt(self, task: LandedTask) -> LandedTask:
        self.doubted.add(task.number)
        return later(task.number, task.error)

    def _believe(self, task: LandedTask) -> LandedTask:
        self.doubted.discard(task.number)
        return task


def _is_lost(task: LandedTask) -> bool:
    return task.outcome.outcome in _LOST

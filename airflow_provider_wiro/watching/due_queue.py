"""Who is due to be looked at: a queue whose entries mostly change their time before it comes."""

from __future__ import annotations

from datetime import timedelta
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_wiro.watching.watch import TaskWatch

#: A look is taken this part of its pause early, if others on the page are due.
EARLY = 0.3
#: Or this much early: many that begin to wait one after the other are looked at together.
GATHERING = timedelta(seconds=0.05)


class DueQueue:
    """
    Orders waits by their ``due_at``, which may change while they are in here.

    Who is away or followed no more is passed over when its turn comes.
    """

    def __init__(self) -> None:
        self._serial = count()
        self._heap: list[tuple[datetime, int, TaskWatch]] = []

    def put(self, watched: TaskWatch) -> None:
        """Have a wait come up when it is due; an entry that comes up sooner will do."""
        if watched.queued_for is None or watched.due_at < watched.queued_for:
            watched.queued_for = watched.due_at
            heappush(self._heap, (watched.due_at, next(self._serial), watched))

    def first(self) -> TaskWatch | None:
        """Return who is due next, and put the queue right as far as that."""
        while self._heap:
            queued_for, _, watched = self._heap[0]
            is_waiting = watched.is_followed and not watched.is_away and watched.queued_for == queued_for
            if is_waiting and watched.due_at == queued_for:
                return watched
            self._take_first()
            if is_waiting:  # put off meanwhile
                self.put(watched)
        return None

    def take_due(self, now: datetime) -> list[TaskWatch]:
        """Take out who is due."""
        due: list[TaskWatch] = []
        while (watched := self.first()) is not None and watched.due_at <= now:
            self._take_first()
            due.append(watched)
        return due

    def take_early(self, now: datetime) -> list[TaskWatch]:
        """Take out who is so nearly due that it can be looked at with those who are."""
        early: list[TaskWatch] = []
        while (watched := self.first()) is not None:
            slack = max(GATHERING, (watched.due_at - watched.planned_at) * EARLY)
            if watched.due_at - now > slack:
                break
            self._take_first()
            early.append(watched)
        return early

    def _take_first(self) -> None:
        queued_for, _, watched = heappop(self._heap)
        if watched.queued_for == queued_for:
            watched.queued_for = None

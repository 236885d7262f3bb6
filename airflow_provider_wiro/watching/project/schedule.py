"""Which tasks Task/Detail is asked about in one look, for all triggers of a connection."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_wiro.watching.project.list_reading import ListReading

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.watching.project.watch import ProjectWatch

#: How many tasks Detail is asked about in one look; the rest follows in the next.
MAX_DETAILS = 200
#: Of these, how many that the list didn't show: open tasks far down.
MAX_UNLISTED = 50
#: A trigger with this many events that Airflow hasn't stored gets no further ones.
MAX_UNSTORED = 500
#: The pause before the next Detail of an unfinished task is this share of the time it has been followed.
PAUSE_SHARE = 0.05
LONGEST_PAUSE = timedelta(minutes=30)
#: A task that Wiro doesn't know is given up after this time.
GIVEN_UP_AFTER = timedelta(days=1)
LONGEST_BACKOFF = timedelta(hours=1)


class LookSchedule:
    """
    What all triggers of a connection wait for, and what the next look has to ask.

    The methods ``on_…`` take in what Wiro says; the time is a steady clock's.
    """

    def __init__(self) -> None:
        self._watches: list[ProjectWatch] = []
        self._recent: frozenset[int] = frozenset()
        self._due: set[int] = set()
        self._turn: list[int] = []
        self._followed_since: dict[int, datetime] = {}
        self._not_before: dict[int, datetime] = {}
        self._unknown_since: dict[int, datetime] = {}
        self._failures: dict[int, int] = {}

    @property
    def interval(self) -> float:
        """Seconds between two walks down the list: those of the trigger that wants the shortest."""
        return min((watch.interval for watch in self._watches), default=60.0)

    def add(self, watch: ProjectWatch) -> None:
        """Let the next looks serve a trigger."""
        self._watches.append(watch)

    def remove(self, watch: ProjectWatch) -> None:
        """Let no further look serve a trigger."""
        self._watches.remove(watch)

    def begin_walk(self) -> ListReading:
        """Return what a walk down the list is read with."""
        return ListReading(tuple(self._watches), self._recent)

    def on_walk(self, reading: ListReading, now: datetime) -> None:
        """Take in a walk that has reached its end."""
        for watch, news in reading.news.items():
            watch.on_walk(news, reading.newest)
        self._recent = frozenset(reading.shown)
        awaited = self._awaited()
        for known in (self._followed_since, self._not_before, self._unknown_since, self._failures):
            for number in known.keys() - awaited:
                del known[number]
        for number in awaited:
            self._followed_since.setdefault(number, now)
        self._due = (self._due | reading.ended) & awaited
        unlisted = [number for number in awaited - self._due - reading.running if self._may_ask(number, now)]
        self._turn = sorted(unlisted, key=self._last_asked)[:MAX_UNLISTED]
        # And one of those that the list shows as unfinished, to notice a list that lags behind.
        running = [number for number in reading.running & awaited if self._may_ask(number, now)]
        self._turn += sorted(running, key=self._last_asked)[:1]

    def is_behind(self, reading: ListReading) -> bool:
        """Whether all of the list is older than what a trigger has seen: it may be another project's."""
        return reading.newest is not None and any(
            (watch.position.high or 0) > reading.newest for watch in reading.news
        )

    def next_details(self, now: datetime) -> list[int]:
        """Return the tasks to ask Detail about now, the oldest first. None while a trigger is overloaded."""
        if any(len(watch) >= MAX_UNSTORED for watch in self._watches):
            return []
        turn, self._turn = self._turn, []
        ready = sorted(number for number in self._due if self._may_ask(number, now))
        return sorted({*turn, *ready[: MAX_DETAILS - len(turn)]})

    def has_more(self, now: datetime) -> bool:
        """Whether the next look needn't wait: the list has shown ends that Detail wasn't asked about."""
        return any(self._may_ask(number, now) for number in self._due)

    def on_task(self, number: int, task: Task, now: datetime) -> None:
        """Take in what Detail shows of a task."""
        self._failures.pop(number, None)
        self._unknown_since.pop(number, None)
        self._due.discard(number)
        if task.is_terminal:
            for watch in self._watches:
                watch.on_end(number, task)
            return
        followed = now - self._followed_since.setdefault(number, now)
        self._ask_again(number, now, min(LONGEST_PAUSE, followed * PAUSE_SHARE))

    def on_unknown(self, number: int, now: datetime) -> bool:
        """Take in that Wiro doesn't know a task; returns whether it is given up."""
        self._due.discard(number)
        since = self._unknown_since.setdefault(number, now)
        if now - since < GIVEN_UP_AFTER:
            self._ask_again(number, now, min(LONGEST_PAUSE, (now - since) * PAUSE_SHARE))
            return False
        for watch in self._watches:
            watch.on_gone(number)
        return True

    def on_failure(self, number: int, now: datetime) -> bool:
        """Take in that Detail of a task could not be read; returns whether it is its first failure."""
        failures = self._failures[number] = self._failures.get(number, 0) + 1
        pause = timedelta(seconds=self.interval) * 2 ** min(failures - 1, 10)
        self._ask_again(number, now, min(LONGEST_BACKOFF, pause))
        return failures == 1

    def _awaited(self) -> set[int]:
        return set().union(*(watch.awaited() for watch in self._watches))

    def _may_ask(self, number: int, now: datetime) -> bool:
        not_before = self._not_before.get(number)
        return not_before is None or now >= not_before

    def _last_asked(self, number: int) -> tuple[float, int]:
        not_before = self._not_before.get(number)
        return (0.0 if not_before is None else not_before.timestamp(), number)

    def _ask_again(self, number: int, now: datetime, pause: timedelta) -> None:
        self._not_before[number] = now + pause

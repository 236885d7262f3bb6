"""Which tasks Task/Detail is asked about in one look, for all triggers of a connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_wiro.task_history.changes import read_changes
from airflow_provider_wiro.task_history.position import number_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from airflow_provider_wiro.api.flow import Flow, FlowContext
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.task_history.position import Position
    from airflow_provider_wiro.watching.project.watch import ProjectWatch

#: How many tasks a walk reads below what was seen, for each open one, while pages have not shown all these.
SEARCH_SHARE = 2
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


@dataclass
class Walk:
    """
    What a walk down the list has shown, for each trigger it was made for.

    :ivar news: the ids that are new to a trigger.
    :ivar seen: up to where the list was seen.
    :ivar ended: the ids, new or open, that the list shows as ended.
    :ivar running: those that it shows as unfinished.
    :ivar newest: the largest id, 0 if there is none.
    """

    news: dict[ProjectWatch, set[int]]
    seen: dict[ProjectWatch, Position] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    running: set[int] = field(default_factory=set)
    newest: int = 0

    @property
    def is_behind(self) -> bool:
        """Whether all of the list is older than what a trigger has seen: it may be another project's."""
        return 0 < self.newest < max((watch.progress.high for watch in self.news), default=0)


class LookSchedule:
    """
    What all triggers of a connection wait for, and what the next look has to ask.

    The methods ``on_…`` take in what Wiro says; the time is a steady clock's.
    """

    def __init__(self) -> None:
        self._watches: list[ProjectWatch] = []
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
        if watch in self._watches:
            self._watches.remove(watch)

    def walk(self, context: FlowContext, *, patience_seconds: float) -> Flow[Walk]:
        """
        Walk down the task list to what the trigger that is furthest behind has seen.

        A trigger that has seen nothing starts from the newest task, with the unfinished ones of the first
        pages.

        :param patience_seconds: how long a page that can't be had is requested again.
        """
        walk = Walk({watch: set() for watch in self._watches})
        begun = [watch for watch in walk.news if watch.progress.seen is not None]
        if beginners := [watch for watch in walk.news if watch.progress.seen is None]:
            yield from self._read(context, walk, beginners, None, (), patience_seconds)
        if begun:
            furthest_behind = min(begun, key=lambda watch: watch.progress.high).progress.seen
            awaited = self._awaited()
            open_ids = {it for it in awaited if not any(watch.is_new(it) for watch in begun)}
            yield from self._read(context, walk, begun, furthest_behind, open_ids, patience_seconds)
        return walk

    def _read(
        self,
        context: FlowContext,
        walk: Walk,
        watches: Sequence[ProjectWatch],
        seen: Position | None,
        open_ids: Collection[int],
        patience_seconds: float,
    ) -> Flow[None]:
        def is_wanted(task: Task) -> bool:
            number = number_of(task.id)
            wanting = [watch for watch in watches if watch.is_new(number or 0) and watch.may_match(task)]
            for watch in wanting:
                walk.news[watch].add(number or 0)
            return bool(wanting)

        changes = yield from read_changes(
            context,
            seen,
            open_ids,
            is_wanted=is_wanted,
            overlap=1,
            search=SEARCH_SHARE * len(open_ids),
            patience_seconds=patience_seconds,
        )
        walk.seen.update(dict.fromkeys(watches, changes.position))
        walk.newest = max(walk.newest, changes.newest or 0)
        walk.ended.update(changes.ended)
        walk.running.update(changes.running, changes.started)

    def on_walk(self, walk: Walk, now: datetime) -> None:
        """Take in a walk that has reached its end."""
        for watch, news in walk.news.items():
            watch.on_walk(news, walk.seen[watch])
        awaited = self._awaited()
        for known in (self._followed_since, self._not_before, self._unknown_since, self._failures):
            for number in known.keys() - awaited:
                del known[number]
        for number in awaited:
            self._followed_since.setdefault(number, now)
        self._due = (self._due | walk.ended) & awaited
        unlisted = [number for number in awaited - self._due - walk.running if self._may_ask(number, now)]
        self._turn = sorted(unlisted, key=self._last_asked)[:MAX_UNLISTED]
        # And one of those that the list shows as unfinished, to notice a list that lags behind.
        running = [number for number in walk.running & awaited if self._may_ask(number, now)]
        self._turn += sorted(running, key=self._last_asked)[:1]

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

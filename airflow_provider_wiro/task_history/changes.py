"""
What has changed in a task list since it was read last: which tasks are new, and which have ended.

The list has no filter by time or status, and nothing lists what has ended since. So it is read from the
newest task down to the largest id that was shown before, and the tasks that had not ended then are looked
for: first on the pages, then one by one (:mod:`~airflow_provider_wiro.task_history.open_tasks`). A page says
only when to ask: Task/Detail alone is the truth about a task that has ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.flow import call
from airflow_provider_wiro.api.retry import CALL_PATIENCE_SECONDS
from airflow_provider_wiro.exceptions import (
    WiroNotFoundError,
    WiroResponseError,
)
from airflow_provider_wiro.task_history.position import MAX_RECENT, Position, number_of
from airflow_provider_wiro.task_history.walk import MAX_TASKS, walk_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from airflow_provider_wiro.api.flow import Flow, FlowContext
    from airflow_provider_wiro.api.models import Task

#: How many tasks below the last position are read once more: a server can show a task after a later one.
OVERLAP = 50
#: A page below the last position is worth its request if it shows this many tasks that had not ended.
WORTH_A_PAGE = 3
#: A first reading from now on looks for unfinished tasks on at most this many pages.
FIRST_PAGES = 10
#: How much a task's time can differ from its place in the list.
_DISORDER = timedelta(minutes=10)
#: Of a page without times the Detail of at most this many tasks is read.
_TIMES_ASKED = 3


@dataclass(frozen=True)
class Changes:
    """
    What one reading of the list has shown.

    :ivar position: up to where it was read.
    :ivar is_first: there was no earlier position.
    :ivar ended: tasks that are new or had not ended before, and that the list shows as ended.
    :ivar started: new tasks that have not ended.
    :ivar running: tasks that had not ended before, and have not now.
    :ivar unclear: those of ``ended`` and ``started`` of which the list doesn't show whether they are wanted.
    :ivar without_number: tasks whose ids are no numbers. They can't be followed.
    :ivar unwanted: how many new tasks are not wanted, as the list shows them.
    :ivar newest: the largest id that was shown, None if none was.
    """

    position: Position
    is_first: bool = False
    ended: tuple[int, ...] = ()
    started: tuple[int, ...] = ()
    running: frozenset[int] = frozenset()
    unclear: frozenset[int] = frozenset()
    without_number: int = 0
    unwanted: int = 0
    newest: int | None = None


def _wants_all(_: Task) -> bool | None:
    return True


def read_changes(
    context: FlowContext,
    position: Position | None = None,
    open_ids: Collection[int] = (),
    *,
    since: datetime | None = None,
    is_wanted: Callable[[Task], bool | None] = _wants_all,
    overlap: int = OVERLAP,
    search: int = 0,
    check: Callable[[], None] = lambda: None,
    max_tasks: int = MAX_TASKS,
    patience_seconds: float = CALL_PATIENCE_SECONDS,
) -> Flow[Changes]:
    """
    Return what is new in the list.

    :param position: up to where it was read before; None: this is the first reading.
    :param open_ids: tasks that had not ended then.
    :param since: of a first reading: tasks that were created before are not wanted. None: of those that are
        there, only the unfinished ones are.
    :param is_wanted: says of a task as the list shows it whether it is wanted; None if that isn't shown.
    :param overlap: how many tasks below the position are read once more; at least one page is read.
    :param search: how many are read there while pages have not shown all of ``open_ids``.
    :param check: called before each request; what it raises ends the reading.
    :param patience_seconds: how long a page that can't be had is requested again.
    :raises WiroResponseError: the list can't be walked.
    :raises WiroUsageError: it has more tasks than are read.
    :raises WiroError: Wiro can't be asked.
    """
    reading = _Reading(position, open_ids, since, is_wanted, overlap, search)

    def visit(page: Sequence[Task]) -> Flow[bool]:
        if reading.needs_time_of(page):
            reading.last_created = yield from _time_of(context, page, check)
        reading.take(page)
        if reading.goes_on:
            check()
        return reading.goes_on

    check()
    yield from walk_pages(context, visit, max_tasks=max_tasks, patience_seconds=patience_seconds)
    return reading.changes()


def _time_of(context: FlowContext, page: Sequence[Task], check: Callable[[], None]) -> Flow[datetime | None]:
    """Return when one of a page's tasks was created, None if Wiro doesn't say."""
    for task in page[:_TIMES_ASKED]:
        check()
        try:
            shown = yield from call(endpoints.get_task(task.id), context)
        except (WiroNotFoundError, WiroResponseError):  # it has vanished, or is too large to read
            continue
        if shown.created_at is not None:
            return shown.created_at
    return None


@dataclass
class _Reading:
    """Sorts the tasks of the list."""

    position: Position | None
    open_ids: Collection[int]
    since: datetime | None
    is_wanted: Callable[[Task], bool | None]
    overlap: int
    search: int
    #: When the tasks were created that the list has shown last, as far as it says that.
    last_created: datetime | None = None
    #: Whether more is to be read. If the reading is over all the same, the list was at its end.
    goes_on: bool = True
    _pages: int = 0
    _below: int = 0
    _count: int = 0
    _shown: list[int] = field(default_factory=list)
    _ended: list[int] = field(default_factory=list)
    _started: list[int] = field(default_factory=list)
    _running: set[int] = field(default_factory=set)
    _unclear: set[int] = field(default_factory=set)
    _without_number: int = 0
    _unwanted: int = 0

    def __post_init__(self) -> None:
        self.open_ids = frozenset(self.open_ids)
        self._unseen = len(self.open_ids)

    def needs_time_of(self, page: Sequence[Task]) -> bool:
        """Whether the reading's end depends on times, and a page shows none."""
        is_by_time = self.position is None and self.since is not None
        return is_by_time and all(task.created_at is None for task in page)

    def take(self, page: Sequence[Task]) -> None:
        """Take in the next tasks of the list."""
        self._pages += 1
        open_shown, unfinished, are_young = 0, 0, False
        times = [task.created_at for task in page if task.created_at is not None]
        for task in page:
            number = number_of(task.id)
            if number is None:
                self._without_number += 1
                continue
            self._count += 1
            if len(self._shown) < MAX_RECENT:  # the newest are the first
                self._shown.append(number)
            self.last_created = task.created_at or self.last_created or next(iter(times), None)
            unfinished += not task.is_terminal
            are_young = are_young or self._may_be_young(self.last_created)
            if number in self.open_ids:
                open_shown += 1
                self._take_open(task, number)
            else:
                self._take_other(task, number)
            self._below += self.position is not None and number <= self.position.high
        self._unseen -= open_shown
        if self.position is not None:
            is_worth_it = self._unseen > 0 and open_shown >= WORTH_A_PAGE
            is_searched = self._unseen > 0 and self._below < self.search
            self.goes_on = self._below < self.overlap or is_worth_it or is_searched
        elif self.since is not None:
            self.goes_on = are_young
        else:
            self.goes_on = unfinished > 0 and self._pages < FIRST_PAGES

    def changes(self) -> Changes:
        """Return what was shown."""
        # What is below the remembered ones isn't new, unless a reading before, or the list's end, says so.
        is_partly_remembered = self._count > len(self._shown)
        is_partly_read = self.position is None and not self.goes_on
        floor = min(self._shown, default=0) if is_partly_remembered or is_partly_read else 0
        return Changes(
            (self.position or Position()).merged(Position(floor, tuple(self._shown))),
            is_first=self.position is None,
            ended=tuple(sorted(self._ended)),
            started=tuple(sorted(self._started)),
            running=frozenset(self._running),
            unclear=frozenset(self._unclear),
            without_number=self._without_number,
            unwanted=self._unwanted,
            newest=max(self._shown, default=None),
        )

    def _may_be_young(self, created: datetime | None) -> bool:
        """Whether a task may be of the wanted time, or others below it."""
        return self.since is None or created is None or created >= self.since - _DISORDER

    def _take_open(self, task: Task, number: int) -> None:
        if task.is_terminal:
            self._ended.append(number)
        else:
            self._running.add(number)

    def _take_other(self, task: Task, number: int) -> None:
        if self.position is not None and not self.position.is_new(number):
            return
        if self.position is None:
            if self.since is None and task.is_terminal:
                return
            if self.since is not None and task.created_at is not None and task.created_at < self.since:
                return
        wanted = self.is_wanted(task)
        if wanted is False:
            self._unwanted += 1
            return
        if wanted is None:
            self._unclear.add(number)
        (self._ended if task.is_terminal else self._started).append(number)

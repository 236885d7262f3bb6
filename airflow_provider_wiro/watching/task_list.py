"""
Polling many tasks by pages of Wiro's task list.

Task/List shows a project's tasks newest first, at most a hundred a request, from a position: there is no
filter by id. A task only ever moves further down, as newer ones are started. So a scan that begins at the
position where a task was last seen, and walks down page by page, misses none. Tasks that the list doesn't
show are polled by Task/Detail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.endpoints import MAX_ID_LENGTH, MAX_PAGE
from airflow_provider_wiro.api.retry import backoff_seconds
from airflow_provider_wiro.exceptions import WiroError, WiroResponseError
from airflow_provider_wiro.watching.watch import MAX_LIST_LAG, ListPosition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.watching.watch import TaskWatch

#: Fewer tasks than these on a page are polled one by one.
WORTH_A_PAGE = 3
#: A page that is too large for one response is requested by halves, but not by less than this.
SMALLEST_PAGE = 25
#: A scan of more pages than these is divided, so that a slow API doesn't make it last.
PAGES_A_SCAN = 10
#: A scan ends after this many pages in a row that showed no further watched task.
MAX_BARREN_PAGES = 5
#: An estimated distance is shortened to this share: a scan that starts too early misses nothing.
CAUTION = 0.9
FIRST_CLOSURE = timedelta(seconds=30)
LONGEST_CLOSURE = timedelta(minutes=10)
DISTRUST = timedelta(minutes=5)
#: How many ended tasks are remembered, to notice a list that lags.
_REMEMBERED_ENDS = 1000


class ListScan:
    """
    A walk down the list, page by page.

    :ivar wanted: the watches it still looks for, newest task first.
    """

    def __init__(self, wanted: list[TaskWatch]) -> None:
        self.wanted = wanted
        self.next_start = 0
        self.found: set[int] = set()
        self.barren_pages = 0

    def nearest(self, watch: TaskWatch) -> int:
        """Return the first position at which a task can be."""
        return max(self.next_start, watch.position.rank or 0)


@dataclass(frozen=True)
class PageResult:
    """
    What a page brought.

    :ivar shown: the watches whose tasks it shows, each with its task.
    :ivar missing: the watches whose tasks the list doesn't show where they should be.
    """

    shown: list[tuple[TaskWatch, Task]]
    missing: list[TaskWatch]


class TaskList:
    """
    What is known of the list: whether it can be asked, and how.

    :ivar limit: how many tasks to request at once.
    """

    def __init__(self) -> None:
        self.limit = MAX_PAGE
        self._failures = 0
        self._closed_until: datetime | None = None
        self._backs_off_until: datetime | None = None
        self._halved_at: datetime | None = None
        self._ended_at: dict[str, datetime] = {}

    def is_open(self, now: datetime) -> bool:
        """Whether the list can be asked at all."""
        return self._closed_until is None or now >= self._closed_until

    def scans(self, wanted: Iterable[TaskWatch]) -> Iterator[ListScan]:
        """Divide the watches into scans, each from its newest task to its oldest."""
        chunk: list[TaskWatch] = []
        for watch in sorted(wanted, key=_newest_first):
            # A scan can only start in the middle of the list at a task that a page has shown before.
            if len(chunk) >= PAGES_A_SCAN * self.limit and watch.position.rank is not None:
                yield ListScan(chunk)
                chunk = []
            chunk.append(watch)
        if chunk:
            yield ListScan(chunk)

    def next_start(self, scan: ListScan) -> tuple[int | None, list[TaskWatch]]:
        """
        Return where the scan's next page starts, None if it is over, and the watches not worth a page.
        """
        single: list[TaskWatch] = []
        while scan.wanted:
            start = scan.nearest(scan.wanted[0])
            together = 0
            for watch in scan.wanted:
                if together >= WORTH_A_PAGE or scan.nearest(watch) >= start + self.limit:
                    break
                together += 1
            if together >= WORTH_A_PAGE:
                return start, single
            single += scan.wanted[:together]
            del scan.wanted[:together]
        return None, single

    def read(
        self,
        scan: ListScan,
        start: int,
        tasks: Sequence[Task],
        known: Sequence[tuple[TaskWatch, int]],
        asked_at: datetime,
    ) -> PageResult:
        """
        Take in a page.

        :param start: the position it was requested from.
        :param tasks: what it shows.
        :param known: the watches, of all there are, whose tasks it shows, each with the task's index on it.
        :param asked_at: when it was requested.
        """
        self._failures = 0
        if self._halved_at is not None and asked_at > self._halved_at + DISTRUST:
            # It need not have been the size: an error page of a proxy looks the same.
            self.limit, self._halved_at = MAX_PAGE, None
        if any(watch.position.was_late for watch, _ in known):
            self._close_for(DISTRUST, asked_at)
        for watch, index in known:
            watch.position = ListPosition(start + index)
        shown = {id(watch) for watch, _ in known}
        scan.barren_pages = scan.barren_pages + 1 if shown <= scan.found else 0
        scan.found |= shown
        numbers = [number for task in tasks if (number := _number(task.id)) is not None]
        unseen = [watch for watch in scan.wanted if id(watch) not in shown]
        scan.next_start = start + len(tasks) + _distance(numbers, unseen)
        scan.wanted, missing = [], []
        for watch in unseen:
            number = _number(watch.wiro_task_id)
            is_further_down = tasks and (number is None or not numbers or number < min(numbers))
            if is_further_down and scan.barren_pages < MAX_BARREN_PAGES:
                scan.wanted.append(watch)
                continue
            is_newer = not tasks or (number is not None and number > max(numbers, default=number))
            if start == 0 and is_newer:
                watch.position.note_wait(asked_at)
            watch.position.note_absence(asked_at)
            missing.append(watch)
        return PageResult([(watch, tasks[index]) for watch, index in known], missing)

    def on_error(self, error: WiroError, now: datetime, random: float) -> float:
        """
        Take in that a page could not be read.

        :return: seconds after which to poll again, by the list or, if that is closed by then, by Detail.
        """
        if not self.is_open(now):
            return 0.0
        if self._backs_off_until is not None and now < self._backs_off_until:
            # Several pages are in flight at once: what fails beside another says nothing new.
            return (self._backs_off_until - now).total_seconds()
        self._failures += 1
        if isinstance(error, WiroResponseError) and self.limit > SMALLEST_PAGE:
            self.limit //= 2  # it may have been too large
            self._halved_at = now
        elif not error.may_retry or self._failures > 1:
            self._close_for(
                min(LONGEST_CLOSURE, FIRST_CLOSURE * 2 ** min(max(0, self._failures - 2), 10)), now
            )
            return 0.0
        pause = backoff_seconds(1, random)
        self._backs_off_until = now + timedelta(seconds=pause)
        return pause

    def on_end(self, wiro_task_id: str, now: datetime) -> None:
        """Remember that Detail shows a task's end."""
        self._ended_at[wiro_task_id] = now
        while len(self._ended_at) > _REMEMBERED_ENDS:
            del self._ended_at[next(iter(self._ended_at))]

    def is_behind(self, tasks: Sequence[Task], asked_at: datetime) -> bool:
        """Whether a page shows a task as running that has long ended; such a list is closed for a while."""
        for task in tasks:
            ended_at = self._ended_at.get(task.id)
            is_over = ended_at is not None and asked_at > ended_at + MAX_LIST_LAG
            if is_over and task.status and not task.is_terminal:
                self._close_for(DISTRUST, asked_at)
                return True
        return False

    def _close_for(self, duration: timedelta, now: datetime) -> None:
        self._closed_until = now + duration


def _distance(numbers: Sequence[int], unseen: Sequence[TaskWatch]) -> int:
    """
    Estimate how many positions below a page the newest unseen task begins, from how dense ids are on it.

    A task that the list didn't show before may have been passed that way: no estimate is made for it.
    """
    if len(numbers) < 2 or not unseen:
        return 0
    newest, oldest, first = max(numbers), min(numbers), unseen[0]
    number = _number(first.wiro_task_id)
    if first.position.rank is not None or first.position.absences or number is None:
        return 0
    ids_between = oldest - number - 1
    return max(0, int(CAUTION * ids_between * (len(numbers) - 1) / max(1, newest - oldest)))


def _newest_first(watch: TaskWatch) -> tuple[int, int]:
    """Order by id, as the list does; ids that are no numbers by position."""
    number = _number(watch.wiro_task_id)
    return (1, watch.position.rank or 0) if number is None else (0, -number)


def _number(wiro_task_id: str) -> int | None:
    """Return an id as the number it usually is. Python reads no longer ones than some thousand digits."""
    return int(wiro_task_id) if wiro_task_id.isdecimal() and len(wiro_task_id) <= MAX_ID_LENGTH else None

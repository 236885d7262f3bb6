"""
Finding tasks in Wiro's task list, so that one page tells of many.

Task/List shows a project's tasks newest first, a hundred a request, and takes a position and not an id. A
task only ever moves further down, as others are started. So where it was last seen is the nearest it can be,
and who walks down from there, page by page, misses nothing. How fast the list moves, known from the pages
before, spares most of the way. What the list doesn't show is left to Task/Detail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median_low
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from airflow_provider_wiro.api.endpoints import MAX_ID_LENGTH, MAX_PAGE
from airflow_provider_wiro.api.retry import backoff_seconds
from airflow_provider_wiro.exceptions import WiroError, WiroResponseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow_provider_wiro.api.models import Task

#: Fewer tasks than these on a page are asked for one by one.
WORTH_A_PAGE = 3
#: A page that is too large for one answer is asked for by halves, but not by less than this.
SMALLEST_PAGE = 25
#: A walk of more pages than these is shared out, so that a slow API doesn't make it last.
PAGES_A_WALK = 10
#: A walk ends after this many pages in a row that showed nobody else who is looked for.
MAX_BARREN_PAGES = 5
#: A guess of a distance is taken by so much.
CAUTION = 0.9
FIRST_ABSENCE = timedelta(seconds=5)
LONGEST_ABSENCE = timedelta(minutes=10)
FIRST_CLOSURE = timedelta(seconds=30)
LONGEST_CLOSURE = timedelta(minutes=10)
#: A task that has ended is shown so, this long after, by a list that can be relied on.
MAX_LAG = timedelta(seconds=5)
DISTRUST = timedelta(minutes=5)
#: How many ends are remembered to find a list that lags.
_REMEMBERED_ENDS = 1000


@dataclass
class ListPosition:
    """
    Where a task is in the list.

    :ivar rank: its position when a page last showed it, from 0; None before.
    :ivar seen_at: when that was.
    :ivar is_lost: it was not where it should be by now, so that no speed is reckoned with.
    :ivar absences: times in a row that the list didn't show it at all.
    :ivar absent_until: until then it is taken for one that the list doesn't show.
    :ivar awaited_from: when the list, as far as it went, was first found to be older than the task.
    :ivar awaited_until: when it was last.
    """

    rank: int | None = None
    seen_at: datetime | None = None
    is_lost: bool = False
    absences: int = 0
    absent_until: datetime | None = None
    awaited_from: datetime | None = None
    awaited_until: datetime | None = None

    def is_listed(self, now: datetime) -> bool:
        return self.absent_until is None or now >= self.absent_until

    def note_absence(self, now: datetime) -> None:
        """Take the task for one that the list doesn't show; for longer each time."""
        self.rank = None
        self.absent_until = now + min(LONGEST_ABSENCE, FIRST_ABSENCE * 2 ** min(self.absences, 10))
        self.absences += 1

    def note_wait(self, now: datetime) -> None:
        """Remember that the list doesn't reach up to the task yet."""
        self.awaited_from, self.awaited_until = self.awaited_from or now, now

    @property
    def was_late(self) -> bool:
        """Whether a list that shows it now has done so late: such a list shows its end late, too."""
        if self.awaited_from is None or self.awaited_until is None:
            return False
        return self.awaited_until - self.awaited_from >= MAX_LAG


class Listed(Protocol):
    """What is looked for in the list."""

    wiro_task_id: str
    place: ListPosition


L = TypeVar("L", bound=Listed)


class ListScan(Generic[L]):
    """
    A way down the list, page by page.

    :ivar wanted: whom it still looks for, newest first.
    """

    def __init__(self, wanted: list[L]) -> None:
        self.wanted = wanted
        self.next_start = 0
        self.shown: set[int] = set()
        self.barren_pages = 0


@dataclass(frozen=True)
class PageResult(Generic[L]):
    """
    What a page brought.

    :ivar shown: whom of all that are looked for it showed, and as what.
    :ivar elsewhere: who is to be looked for at once, but not further on this walk.
    :ivar later: who is to be looked for after a pause.
    """

    shown: list[tuple[L, Task]]
    elsewhere: list[L]
    later: list[L]


class TaskList(Generic[L]):
    """The list as far as it is known."""

    def __init__(self) -> None:
        self.limit = MAX_PAGE
        self._speed = 0.0  # positions a second
        self._failures = 0
        self._closed_until: datetime | None = None
        self._doubted_until: datetime | None = None
        self._halved_at: datetime | None = None
        self._ended_at: dict[str, datetime] = {}

    def is_open(self, now: datetime) -> bool:
        """Whether the list can be asked at all."""
        return self._closed_until is None or now >= self._closed_until

    def walks(self, wanted: Iterable[L]) -> Iterator[ListScan[L]]:
        """Divide the search into walks, each from its newest task to its oldest."""
        part: list[L] = []
        for one in sorted(wanted, key=_newest_first):
            # Where to begin is only known of one that a page has shown before.
            if len(part) >= PAGES_A_WALK * self.limit and one.place.rank is not None:
                yield ListScan(part)
                part = []
            part.append(one)
        if part:
            yield ListScan(part)

    def next_start(self, walk: ListScan[L], now: datetime) -> tuple[int | None, list[L]]:
        """
        Return where the walk's next page begins, None if it is over, and who is not worth a page.
        """
        alone: list[L] = []
        while walk.wanted:
            start = self._nearest(walk, walk.wanted[0], now)
            together = 0
            for one in walk.wanted:
                if together >= WORTH_A_PAGE or self._nearest(walk, one, now) >= start + self.limit:
                    break
                together += 1
            if together >= WORTH_A_PAGE:
                return start, alone
            alone += walk.wanted[:together]
            del walk.wanted[:together]
        return None, alone

    def _nearest(self, walk: ListScan[L], one: L, now: datetime) -> int:
        """Return the nearest position that a task is likely to have."""
        place = one.place
        if place.rank is None or place.seen_at is None:
            return walk.next_start
        moved = 0.0 if place.is_lost else self._speed * (now - place.seen_at).total_seconds()
        return max(walk.next_start, place.rank + int(moved))

    def read(
        self,
        walk: ListScan[L],
        start: int,
        tasks: Sequence[Task],
        known: Sequence[tuple[L, int]],
        asked_at: datetime,
    ) -> PageResult[L]:
        """
        Learn from a page.

        :param start: the position it was asked for.
        :param tasks: what it had.
        :param known: whom of all that are looked for it showed, each with its place on the page, from 0.
        :param asked_at: when it was asked for.
        """
        self._failures = 0
        if self._halved_at is not None and asked_at > self._halved_at + DISTRUST:
            # It need not have been the size: an error page of a proxy looks the same.
            self.limit, self._halved_at = MAX_PAGE, None
        speeds = [
            (start + offset - one.place.rank) / (asked_at - one.place.seen_at).total_seconds()
            for one, offset in known
            if one.place.rank is not None and one.place.seen_at is not None and asked_at > one.place.seen_at
        ]
        if speeds:
            self._speed = max(0.0, median_low(speeds))
        if any(one.place.was_late for one, _ in known):
            self._close_for(DISTRUST, asked_at)
        for one, offset in known:
            one.place = ListPosition(start + offset, asked_at)
        shown = {id(one) for one, _ in known}
        missing = [one for one in walk.wanted if id(one) not in shown]
        walk.barren_pages = walk.barren_pages + 1 if shown <= walk.shown else 0
        walk.shown |= shown
        numbers = [number for task in tasks if (number := _number(task.id)) is not None]
        walk.next_start = start + len(tasks) + _distance(numbers, missing)
        walk.wanted, elsewhere, later = [], [], []
        for one in missing:
            number = _number(one.wiro_task_id)
            is_newer = number is not None and number > max(numbers, default=number)
            if start == 0 and (is_newer or not tasks):
                one.place.note_wait(asked_at)
            if tasks and (number is None or not numbers or number < min(numbers)):
                if walk.barren_pages < MAX_BARREN_PAGES:
                    walk.wanted.append(one)  # it is further down
                elif not one.place.is_lost:
                    one.place.is_lost = True
                    later.append(one)
                else:
                    one.place.note_absence(asked_at)
                    elsewhere.append(one)
            elif is_newer and start == 0 and not one.place.is_lost:
                one.place.is_lost = True  # the list may be a moment behind, or never show this one
                later.append(one)
            else:
                if (is_newer or not tasks) and not one.place.is_lost:
                    one.place.is_lost = True  # the list has moved less than was reckoned
                else:
                    one.place.note_absence(asked_at)
                elsewhere.append(one)
        return PageResult([(one, tasks[offset]) for one, offset in known], elsewhere, later)

    def failed(self, error: WiroError, now: datetime, random: float) -> float:
        """
        Learn from a page that could not be read.

        :return: seconds after which to look again, at the list or, if that is closed by then, elsewhere.
        """
        if not self.is_open(now):
            return 0.0
        if self._doubted_until is not None and now < self._doubted_until:
            # Several pages are on their way at once: what fails beside another says nothing new.
            return (self._doubted_until - now).total_seconds()
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
        self._doubted_until = now + timedelta(seconds=pause)
        return pause

    def ended(self, wiro_task_id: str, now: datetime) -> None:
        """Be told that Detail shows a task's end."""
        self._ended_at[wiro_task_id] = now
        while len(self._ended_at) > _REMEMBERED_ENDS:
            del self._ended_at[next(iter(self._ended_at))]

    def is_behind(self, tasks: Sequence[Task], asked_at: datetime) -> bool:
        """Whether a page shows as running what has long ended; such a list is not asked for a while."""
        for task in tasks:
            ended_at = self._ended_at.get(task.id)
            is_over = ended_at is not None and asked_at > ended_at + MAX_LAG
            if is_over and task.status and not task.is_terminal:
                self._close_for(DISTRUST, asked_at)
                return True
        return False

    def _close_for(self, duration: timedelta, now: datetime) -> None:
        self._closed_until = now + duration


def _distance(numbers: Sequence[int], missing: Sequence[Listed]) -> int:
    """
    Return how far behind a page the newest of the missing is likely to begin.

    As far as ids go by positions: on the page so many of them came one after the other. Who then turns out to
    have been passed is looked for without such a guess.
    """
    if len(numbers) < 2 or not missing:
        return 0
    newest, oldest, one = max(numbers), min(numbers), missing[0]
    number = _number(one.wiro_task_id)
    if one.place.rank is not None or one.place.is_lost or number is None:
        return 0
    away = oldest - number - 1
    return max(0, int(CAUTION * away * (len(numbers) - 1) / max(1, newest - oldest)))


def _newest_first(one: Listed) -> tuple[int, int]:
    """Order by id, as the list does; ids that are no numbers by position."""
    number = _number(one.wiro_task_id)
    return (1, one.place.rank or 0) if number is None else (0, -number)


def _number(wiro_task_id: str) -> int | None:
    """Return an id as the number it usually is. Python reads no longer ones than some thousand digits."""
    return int(wiro_task_id) if wiro_task_id.isdecimal() and len(wiro_task_id) <= MAX_ID_LENGTH else None

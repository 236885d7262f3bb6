"""One walk down Wiro's task list for all triggers of a connection: what it shows, and where it ends."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from airflow_provider_wiro.watching.project.position import task_number

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.watching.project.watch import ProjectWatch

#: Fewer open tasks than these are asked about one by one, rather than by another page.
WORTH_A_PAGE = 3
#: And so is what this many pages in a row didn't show.
MAX_BARREN_PAGES = 5
#: A walk continues below what is new for at most this many pages.
MAX_FURTHER_PAGES = 100
#: A trigger without a position looks for unfinished tasks on at most this many.
MAX_FIRST_PAGES = 10
#: How many of the newest ids are remembered, to notice one that the list shows late.
REMEMBERED = 200


class ListReading:
    """
    A walk down the list, newest task first.

    It takes note of tasks that are newer than a trigger's position, of open ones, and of those that the last
    walk should have shown: an id can come into the list after a larger one. A trigger without a position
    starts from the newest task, and takes the unfinished ones on the first pages.

    :param recent: the newest ids that the last walk has shown.

    :ivar news: the ids that are new, for each trigger.
    :ivar ended: those ids, new or open, that the list shows as ended.
    :ivar running: the open ids that it shows as unfinished.
    :ivar shown: the newest ids.
    """

    def __init__(self, watches: Sequence[ProjectWatch], recent: Collection[int]) -> None:
        self.news: dict[ProjectWatch, set[int]] = {watch: set() for watch in watches}
        self.ended: set[int] = set()
        self.running: set[int] = set()
        self.shown: list[int] = []
        self.newest: int | None = None
        self._recent = recent
        self._recent_from = min(recent, default=None)
        self._open = sorted(set().union(*(watch.position.open for watch in watches)))
        self._open_ids = frozenset(self._open)
        highs = [watch.position.high for watch in watches]
        self._low = min((high for high in highs if high is not None), default=None)
        self._begins = None in highs
        self._pages = self._further_pages = self._barren_pages = 0

    def take(self, tasks: Sequence[Task]) -> bool:
        """Take note of a page's tasks, and return whether to read the next page."""
        self._pages += 1
        lowest: int | None = None
        shows_unfinished = shows_open = False
        for task in tasks:
            number = task_number(task.id)
            if number is None:  # ids that are no numbers have no order to continue from
                continue
            lowest = number
            self.newest = number if self.newest is None else max(self.newest, number)
            if len(self.shown) < REMEMBERED:
                self.shown.append(number)
            shows_unfinished |= not task.is_terminal
            is_open = number in self._open_ids
            shows_open |= is_open
            if self._note_news(number, task) or is_open:
                (self.ended if task.is_terminal else self.running).add(number)
        if lowest is None:
            return True
        if self._low is not None and lowest > self._low:
            return True
        if self._begins and shows_unfinished and self._pages < MAX_FIRST_PAGES:
            return True
        return self._is_worth_a_page(lowest, shows_open=shows_open)

    def _note_news(self, number: int, task: Task) -> bool:
        is_late = self._recent_from is not None and number > self._recent_from and number not in self._recent
        is_news = False
        for watch, news in self.news.items():
            if watch.is_news(number, is_late=is_late, is_terminal=task.is_terminal) and watch.may_match(task):
                news.add(number)
                is_news = True
        return is_news

    def _is_worth_a_page(self, lowest: int, *, shows_open: bool) -> bool:
        self._barren_pages = 0 if shows_open else self._barren_pages + 1
        self._further_pages += 1
        further_down = _count_below(self._open, lowest)
        return (
            further_down >= WORTH_A_PAGE * (1 + self._barren_pages)
            and self._barren_pages < MAX_BARREN_PAGES
            and self._further_pages <= MAX_FURTHER_PAGES
        )


def _count_below(ids: Sequence[int], limit: int) -> int:
    return bisect_left(ids, limit)

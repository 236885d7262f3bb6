"""
The walk down Wiro's task list: each task once, the newest first, a page at a time.

The list is requested in the order of ids. Tasks that are started meanwhile move the others down: then a page
begins with tasks that the page before has shown. An id below all that were seen is new.

Tasks that vanish meanwhile move the others up, past the walk. Then the list's total falls, and the walk steps
back until a page shows tasks that were seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.api.endpoints import MAX_ID_LENGTH, MAX_PAGE
from airflow_provider_wiro.api.retry import CALL_PATIENCE_SECONDS
from airflow_provider_wiro.exceptions import WiroResponseError, WiroUsageError
from airflow_provider_wiro.task_history.pages import read_page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_wiro.api.flow import Flow, FlowContext
    from airflow_provider_wiro.api.models import Task

#: A walk ends with an error after this many tasks.
MAX_TASKS = 1_000_000
#: And after this many pages, should Wiro return fewer tasks at once.
MAX_PAGES = 20_000
#: This many pages in a row may show nothing new: tasks that are started meanwhile move the others down.
_MOST_REPEATS = 10
#: A walk steps back at most so often before a page, twice as far each time.
_MOST_STEPS_BACK = 10


def walk_down(
    context: FlowContext,
    take: Callable[[Sequence[Task]], bool],
    *,
    max_tasks: int = MAX_TASKS,
    max_pages: int = MAX_PAGES,
    patience_seconds: float = CALL_PATIENCE_SECONDS,
) -> Flow[None]:
    """
    Give all tasks of the list to ``take``, the newest first, until it returns False or the list ends.

    :param take: is given the new tasks of each page, at least one; returns whether to walk on.
    :param patience_seconds: how long a page that can't be had is requested again.
    :raises WiroResponseError: the list can't be walked: it isn't newest first, or it shows the same tasks
        again and again.
    :raises WiroUsageError: it has not ended after ``max_tasks``, or ``max_pages``.
    :raises WiroError: Wiro can't be asked.
    """

    def visit(page: Sequence[Task]) -> Flow[bool]:
        yield from ()
        return take(page)

    yield from walk_pages(
        context, visit, max_tasks=max_tasks, max_pages=max_pages, patience_seconds=patience_seconds
    )


def walk_pages(
    context: FlowContext,
    visit: Callable[[Sequence[Task]], Flow[bool]],
    *,
    max_tasks: int = MAX_TASKS,
    max_pages: int = MAX_PAGES,
    patience_seconds: float = CALL_PATIENCE_SECONDS,
) -> Flow[None]:
    """Walk as :func:`walk_down` does, with a flow for each page: it may make calls before the next page."""
    seen = _Seen()
    overlap = _Overlap(seen)
    start, limit, repeats, longest = 0, MAX_PAGE, 0, 0
    for _ in range(max_pages):
        page, limit = yield from read_page(
            context, start, limit, note_total=overlap.note, patience_seconds=patience_seconds
        )
        if back := overlap.steps_back(page, start):
            start -= back
            repeats -= back
            continue
        # Only an empty page is the end. A short one can be all that Wiro returns at once.
        if not page:
            return
        fresh = seen.new_of(page)
        repeats = 0 if fresh else repeats + 1
        longest = max(longest, len(page))
        if repeats == _MOST_REPEATS and len(page) < longest:
            return  # the end, which new tasks keep moving down
        if repeats == _MOST_REPEATS:
            raise WiroResponseError("Wiro's task list shows the same tasks on each page.")
        if fresh and not (yield from visit(fresh)):
            return
        start += len(page) - overlap.wanted(page, fresh)
        limit = min(MAX_PAGE, 2 * limit)  # the tasks that were too large are behind
        if start >= max_tasks:
            break
    raise WiroUsageError(
        f"Wiro's task list has not ended after {start:,} tasks, and more are not read. Ask for a shorter "
        "time."
    )


class _Overlap:
    """
    Sees to it that no task is missing between two pages.

    As long as the list's total says that its tasks have only moved down, the pages need no overlap. From then
    on, or if it is the page's own, each page has to show a task that was seen; else the walk steps back.
    """

    def __init__(self, seen: _Seen) -> None:
        self._seen = seen
        self._total: int | None = None
        self._growth = 0
        self._is_needed = False
        self._is_due = False  # the next page is to begin with the last task of the one before
        self._was_single = False
        self._steps = 0

    def note(self, total: int | None) -> None:
        """Take in how many tasks the list has now; None if it doesn't say that."""
        self._growth += (total or 0) - (self._total or 0)
        self._total = total

    def steps_back(self, page: Sequence[Task], start: int) -> int:
        """Return how far the walk steps back, since tasks may be missing before a page; mostly 0."""
        is_behind_end = not page and not self._is_due
        is_pages_own = self._total is not None and self._total <= start
        is_shorter = self._growth < 0 and bool(self._total)
        self._is_needed = self._is_needed or is_shorter or (bool(page) and is_pages_own)
        is_doubtful = is_shorter or (self._is_needed and not self._was_single and not is_behind_end)
        if not is_doubtful or self._steps == _MOST_STEPS_BACK or self._seen.reaches(page):
            return 0
        self._steps += 1
        return min(start, 1 << (self._steps - 1))

    def wanted(self, page: Sequence[Task], fresh: Sequence[Task]) -> int:
        """
        Return how many lines of a page the next one is to show again.

        :param fresh: the tasks of the page that no page before has shown.
        """
        tasks = len({task.id for task in page})
        is_repeating = self._total is not None and len(page) - len(fresh) > max(0, self._growth)
        self._is_needed = self._is_needed or is_repeating or tasks < len(page)
        self._growth = 0
        self._steps = 0 if fresh else self._steps
        # After a single task, which may be too large for a response with others, it would be that task alone.
        self._was_single = tasks == 1
        self._is_due = self._is_needed and not self._was_single
        return int(self._is_due)


class _Seen:
    """What a walk has seen. Of tasks whose ids are numbers, as Wiro's are, the lowest says it all."""

    def __init__(self) -> None:
        self._lowest: int | None = None
        self._others: set[str] = set()

    def reaches(self, page: Sequence[Task]) -> bool:
        """Whether a page begins among what was seen, so that none is missing before it."""
        if self._lowest is None:
            return True
        numbers = [number for task in page if (number := _number(task.id)) is not None]
        return bool(page) and max(numbers, default=self._lowest) >= self._lowest

    def new_of(self, page: Sequence[Task]) -> list[Task]:
        """
        Return the tasks of a page that no page before has shown.

        :raises WiroResponseError: the page isn't newest first.
        """
        fresh: list[Task] = []
        previous: int | None = None
        for task in page:
            number = _number(task.id)
            if number is None:
                if task.id not in self._others:
                    self._others.add(task.id)
                    fresh.append(task)
                continue
            if previous is not None and number > previous:
                raise WiroResponseError("Wiro's task list is not newest first.")
            previous = number
            if self._lowest is None or number < self._lowest:
                self._lowest = number
                fresh.append(task)
        return fresh


def _number(wiro_task_id: str) -> int | None:
    """Return an id as the number it usually is. Python reads no longer ones than some thousand digits."""
    is_number = wiro_task_id.isdecimal() and wiro_task_id.isascii() and len(wiro_task_id) <= MAX_ID_LENGTH
    return int(wiro_task_id) if is_number else None

"""
The baseline of a Run: Wiro's newest task before it, and the tasks that are newer now.

The task of a Run whose response was lost can only be one of the newer ones. Which one is decided in
:mod:`~airflow_provider_wiro.recovery.lost_runs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.exceptions import (
    WiroAuthenticationError,
    WiroError,
    WiroOrphanedRunError,
)
from airflow_provider_wiro.task_history.pages import read_page

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Mapping, Sequence

    from airflow_provider_wiro.api.flow import Flow, FlowContext
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.responses import ApiResponse

#: For how long Wiro is asked for its newest task before a Run is sent without: a failing list stops no run.
BASELINE_PATIENCE_SECONDS = 10.0
#: The list is read up to this many tasks back: 50 requests.
MAX_LISTED = 50 * endpoints.MAX_PAGE
#: In at most this many requests, should Wiro return fewer tasks at once.
MAX_PAGES = 200

#: This many tasks show which is the newest, whatever their order.
_FEW = 20
#: This many pages in a row may show nothing new: tasks that are started meanwhile move the others down.
_MOST_REPEATS = 10
#: Each page shows the last task of the one before again. Pages of fewer tasks don't, and so get ahead of
#: tasks that are started meanwhile.
_FEWEST_THAT_OVERLAP = 3
#: The list is read again at most so often because tasks have vanished from it meanwhile.
_MOST_READINGS = 5
#: A page takes no longer than this; a longer time means that the clock was set meanwhile.
_LONGEST_PAGE_SECONDS = 120.0


@dataclass(frozen=True)
class Baseline:
    """
    What Wiro had, and the time by its clock, right before a Run.

    :ivar newest: id of the project's newest task, empty if it had none, None if Wiro didn't say.
    :ivar wiro_at: Unix time by Wiro's clock; None if its response had no date.
    """

    newest: str | None
    wiro_at: float | None


@dataclass(frozen=True)
class LaterTasks:
    """
    The project's tasks that came after a moment.

    :ivar tasks: newest first.
    :ivar now: Unix time by this machine's clock when the list was requested.
    :ivar wiro_now: the same moment by Wiro's clock; None if not known.
    :ivar earlier: the tasks on the last page that had been there before.
    """

    tasks: list[Task]
    now: float
    wiro_now: float | None
    earlier: list[Task]

    def shows_project(self, project_id: str) -> bool:
        """Whether the list shows tasks of a project at all."""
        return any(task.project_id == project_id for task in (*self.tasks, *self.earlier))


def ask_baseline(context: FlowContext) -> Flow[Baseline]:
    """
    Return what Wiro has before a Run.

    It costs one request before each Run. In return, a Run whose response was lost is searched for by ids and
    by Wiro's own clock, and not by this machine's.
    """
    dates = Dates()
    try:
        page, limit = yield from read_page(
            context,
            0,
            min(_FEW, endpoints.MAX_PAGE),
            patience_seconds=BASELINE_PATIENCE_SECONDS,
            on_response=dates.note,
        )
    except WiroError:
        return Baseline(None, dates.latest)  # if something is wrong, the Run that follows reports it
    if page and limit == 1:
        # One task alone doesn't show the list's order.
        try:
            second, _ = yield from read_page(context, 1, 1, patience_seconds=BASELINE_PATIENCE_SECONDS)
        except WiroError:
            return Baseline(None, dates.latest)
        page = (*page, *second)
    if not page:
        return Baseline("", dates.latest)
    # The list is asked for newest first; should it come in another order, its largest id is still the newest.
    numbers = [int(task.id) for task in page if task.id.isdecimal()]
    return Baseline(str(max(numbers)) if numbers else page[0].id or None, dates.latest)


class Dates:
    """
    Wiro's clock, as the ``Date`` header of its responses shows it.

    :ivar latest: Unix time of the latest response with a date, None before.
    """

    def __init__(self) -> None:
        self.latest: float | None = None

    def note(self, response: ApiResponse) -> None:
        """Read a response's date."""
        try:
            self.latest = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
        except (TypeError, ValueError, OverflowError):  # absent, or no date
            return


def tasks_since(
    context: FlowContext, was_before: Callable[[Task], bool], known_ids: Container[str], **settings: Any
) -> Flow[LaterTasks]:
    """
    Return the project's tasks that may have been started after a moment.

    :param was_before: whether a task was there at that moment; so were all that the list shows after it.
    :param known_ids: tasks that are known to be other runs; they are left out.
    :param settings: as :func:`~airflow_provider_wiro.api.flow.call` takes them.
    :raises WiroOrphanedRunError: there are too many, or the list can't be searched.
    :raises WiroError: Wiro can't be asked at the moment, or not with this key.
    """
    for _ in range(_MOST_READINGS):
        later = yield from _read_later(context, was_before, known_ids, settings)
        if later is not None:
            return later
    raise _unsearchable("loses tasks each time it is read")


def _read_later(
    context: FlowContext,
    was_before: Callable[[Task], bool],
    known_ids: Container[str],
    settings: Mapping[str, Any],
) -> Flow[LaterTasks | None]:
    """Return the tasks as :func:`tasks_since` does; None if some may have moved up, past what was read."""
    asked_at, wiro_now = context.now().timestamp(), None
    dates = Dates()
    found: dict[str, Task] = {}
    seen: set[str] = set()
    repeats = 0
    start, limit, overlap = 0, endpoints.MAX_PAGE, 0
    for _ in range(MAX_PAGES):
        try:
            page, limit = yield from read_page(context, start, limit, on_response=dates.note, **settings)
        except WiroError as error:
            if error.may_retry or isinstance(error, WiroAuthenticationError):
                raise
            raise _unsearchable(f"can't be read: {error}") from error
        if start == 0 and dates.latest is not None:
            # The list is as old as the request; the response's date can be later.
            took = context.now().timestamp() - asked_at
            wiro_now = dates.latest - min(max(took, 0.0), _LONGEST_PAGE_SECONDS)
        ids = [task.id for task in page]
        if overlap and seen.isdisjoint(ids):
            return None
        # Only an empty page is the end. A short one can be all that Wiro returns at once.
        if not page:
            return LaterTasks(list(found.values()), asked_at, wiro_now, [])
        repeats = repeats + 1 if seen.issuperset(ids) else 0
        if repeats == _MOST_REPEATS:
            raise _unsearchable("shows the same tasks on each page")
        numbers = [int(one) for one in ids if one.isdecimal()]
        if numbers != sorted(numbers, reverse=True) or not _continues(page, seen):
            raise _unsearchable("is not newest first")
        for position, listed in enumerate(page):
            if was_before(listed):
                return LaterTasks(list(found.values()), asked_at, wiro_now, list(page[position:]))
            if listed.id and listed.id not in known_ids:
                found[listed.id] = listed
        seen.update(ids)
        overlap = int(len(page) >= _FEWEST_THAT_OVERLAP)
        start += len(page) - overlap
        limit = min(endpoints.MAX_PAGE, 2 * limit)  # the tasks that were too large are behind
        if start >= MAX_LISTED:
            break
    raise WiroOrphanedRunError(
        f"The response to an earlier Run was lost, and Wiro has started {len(seen)} tasks or more since, too "
        "many to search. Look in the dashboard at wiro.ai. on_orphaned_intent='resubmit' starts a new "
        "run."
    )


def _continues(page: Sequence[Task], seen: Collection[str]) -> bool:
    """Whether a page that is too short to show an order continues the pages before it."""
    numbers = [int(task.id) for task in page if task.id.isdecimal() and task.id not in seen]
    before = [int(one) for one in seen if one.isdecimal()]
    return len(page) > 1 or not numbers or not before or numbers[0] < min(before)


def _unsearchable(why: str) -> WiroOrphanedRunError:
    return WiroOrphanedRunError(
        "The response to an earlier Run was lost, and Wiro's task list, where its task would be, "
        f"{why.rstrip('.')}. Look in the dashboard at wiro.ai. on_orphaned_intent='resubmit' starts a new "
        "run."
    )

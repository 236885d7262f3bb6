"""
Which of the project's tasks came after a Run: what was Wiro's newest task before it, and what is newer now.

A Run whose answer was lost can only be one of those; whether one of them is that run, its parameters tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.fingerprint import Likeness, likeness
from airflow_provider_wiro.api.flow import Flow, Outside, call
from airflow_provider_wiro.exceptions import (
    WiroAuthenticationError,
    WiroError,
    WiroNotFoundError,
    WiroOrphanedRunError,
    WiroResponseError,
)

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from datetime import datetime

    from airflow_provider_wiro.api.models import Task

#: For how long Wiro is asked for its newest task before a Run goes without: a list out of order stops no run.
BASELINE_PATIENCE_SECONDS = 10.0
#: Where that isn't known, a clock has to do. Ours may be wrong, so that all tasks of a day are in doubt.
CLOCK_DOUBT = timedelta(days=1)
#: The list is read this far back at most: 50 requests.
MAX_LISTED = 50 * endpoints.MAX_PAGE
#: In so many requests, should Wiro give fewer at once.
MAX_PAGES = 200

#: Enough to find the newest task in, whatever their order.
_FEW = 20
_SMALLEST_PAGE = 2
#: So many pages in a row may show nothing new: tasks that are started meanwhile move the others down.
_MOST_REPEATS = 10


@dataclass(frozen=True)
class Baseline:
    """
    What Wiro had when a Run was sent: only later tasks can be that run.

    :ivar newest: the project's newest task, empty if it had none, None if Wiro didn't tell.
    :ivar at: when the Run was intended, which has to do where the newest task is not known.
    """

    newest: str | None
    at: datetime

    def had(self, task: Task) -> bool:
        """Whether a task was there before the Run was sent; so were all that the list shows after it."""
        if self.newest is None:
            return task.created_at is not None and task.created_at < self.at - CLOCK_DOUBT
        if task.id.isdecimal() and self.newest.isdecimal():
            return int(task.id) <= int(self.newest)
        return task.id == self.newest


def newest_task_id(outside: Outside) -> Flow[str | None]:
    """
    Return the id of the project's newest task, empty if it has none, None if Wiro doesn't tell.

    Asked once before a Run: it costs a request, and makes a lost answer a question of ids instead of clocks.
    """
    try:
        page, _ = yield from _page(
            outside, 0, min(_FEW, endpoints.MAX_PAGE), patience_seconds=BASELINE_PATIENCE_SECONDS
        )
    except WiroError:
        return None  # the Run that follows says what is wrong, if it is
    if not page:
        return ""
    # The list is asked for newest first; should it come in another order, its largest id is still the newest.
    numbers = [int(task.id) for task in page if task.id.isdecimal()]
    return str(max(numbers)) if numbers else page[0].id or None


def compare(
    outside: Outside, listed: Task, model: str, parameters: Mapping[str, Any]
) -> Flow[tuple[Likeness, Task]]:
    """Compare a listed task with a run; the list abridges, so that in doubt its Detail is asked for."""
    verdict = likeness(listed, model, parameters)
    if verdict is not Likeness.UNCLEAR:
        return verdict, listed
    try:
        task = yield from call(endpoints.get_task(listed.id), outside)
    except WiroNotFoundError:
        return Likeness.UNCLEAR, listed  # a person may find it in the dashboard
    return likeness(task, model, parameters), task


def tasks_since(outside: Outside, baseline: Baseline, known_ids: Container[str]) -> Flow[list[Task]]:
    """
    Return the project's tasks that may have been started after a moment, newest first.

    :param known_ids: tasks that are known to be other runs; they are left out.
    :raises WiroOrphanedRunError: there are too many, or the list can't be searched.
    :raises WiroError: Wiro can't be asked at the moment, or not with this key.
    """
    found: dict[str, Task] = {}
    seen: set[str] = set()
    repeats = 0
    start, limit = 0, endpoints.MAX_PAGE
    for _ in range(MAX_PAGES):
        try:
            page, limit = yield from _page(outside, start, limit)
        except WiroError as error:
            if error.may_retry or isinstance(error, WiroAuthenticationError):
                raise
            raise _unsearchable(f"can't be read: {error}") from error
        # Only an empty page is the end. A short one can be all that Wiro gives at once.
        if not page:
            return list(found.values())
        ids = [task.id for task in page]
        repeats = repeats + 1 if seen.issuperset(ids) else 0
        if repeats == _MOST_REPEATS:
            raise _unsearchable("shows the same tasks on each page")
        numbers = [int(one) for one in ids if one.isdecimal()]
        if numbers != sorted(numbers, reverse=True):
            raise _unsearchable("is not newest first")
        for listed in page:
            if baseline.had(listed):
                return list(found.values())
            if listed.id and listed.id not in known_ids:
                found[listed.id] = listed
        seen.update(ids)
        start += len(page)
        if start >= MAX_LISTED:
            break
    raise WiroOrphanedRunError(
        f"The answer of an earlier Run was lost, and Wiro has started {len(seen)} tasks or more since, too "
        "many to look for it. Look in the dashboard at wiro.ai. on_orphaned_intent='resubmit' starts a new "
        "run."
    )


def _unsearchable(why: str) -> WiroOrphanedRunError:
    return WiroOrphanedRunError(
        "The answer of an earlier Run was lost, and Wiro's task list, where its task would be, "
        f"{why.rstrip('.')}. Look in the dashboard at wiro.ai. on_orphaned_intent='resubmit' starts a new "
        "run."
    )


def _page(outside: Outside, start: int, limit: int, **patience: Any) -> Flow[tuple[tuple[Task, ...], int]]:
    """
    Return a page of the list, empty after its end, and how many tasks were asked for in the end.

    A hundred tasks that show their texts can be more than an answer may have.

    :param patience: as :func:`~airflow_provider_wiro.api.flow.call` takes it.
    """
    while True:
        # What can't be read may have been too large. A page of one task would not show the list's order.
        gives_up_on = (WiroResponseError,) if limit > _SMALLEST_PAGE else ()
        try:
            page = yield from call(
                endpoints.list_tasks(start=start, limit=limit), outside, gives_up_on=gives_up_on, **patience
            )
        except gives_up_on:
            limit = max(_SMALLEST_PAGE, limit // 2)
        except WiroNotFoundError as error:
            if error.http_status == 404:  # a server that isn't Wiro's knows of no tasks either
                raise
            return (), limit  # "There is no task yet."
        else:
            return page, limit

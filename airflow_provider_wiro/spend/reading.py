"""
Reads Wiro's task list once, and adds up what the tasks of a period cost.

The list has the costs, and can leave out fields. The Detail is read only of tasks for which one is missing,
the newest first, and of a bounded number. Memory doesn't grow with the number of tasks.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.flow import Flow, FlowContext, call
from airflow_provider_wiro.api.model_slugs import plain_slug
from airflow_provider_wiro.exceptions import WiroAuthenticationError, WiroError, WiroResponseError
from airflow_provider_wiro.spend.charges import Billing, charge_of
from airflow_provider_wiro.spend.ledger import Ledger, Spend
from airflow_provider_wiro.task_history.walk import MAX_TASKS, walk_down

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.spend.period import Period

#: Of how many tasks the Detail is read.
MAX_DETAILS = 200
#: How much a task's time can differ from its place in the list.
_DISORDER = timedelta(minutes=10)
#: How many failing Details in a row end the reading of Details.
_MOST_FAILURES = 3


def read_spend(
    context: FlowContext,
    period: Period,
    *,
    model: str | None = None,
    project_id: str | None = None,
    check: Callable[[], None] = lambda: None,
    max_tasks: int = MAX_TASKS,
) -> Flow[Spend]:
    """
    Return what was spent on the tasks that were created in a period.

    :param model: count only this model's tasks; in either form of its slug.
    :param project_id: count only this project's tasks; None: all that the key sees.
    :param check: called before each request; what it raises ends the reading.
    :raises WiroResponseError: the list can't be walked, or shows no times.
    :raises WiroUsageError: it has more tasks than are read.
    :raises WiroError: Wiro can't be asked.
    """
    reading = _Reading(period, model, project_id)

    def take(page: Sequence[Task]) -> bool:
        check()
        return reading.take(page)

    check()
    yield from walk_down(context, take, max_tasks=max_tasks)
    failures = 0
    for listed in reading.unclear:
        shown: Task | None = None
        if failures < _MOST_FAILURES:
            check()
            try:
                shown = yield from call(endpoints.get_task(listed.id), context)
                failures = 0
            except WiroAuthenticationError:
                raise
            except WiroError:  # what the list shows has to do, and the result says what is not known
                failures += 1
        reading.add(listed if shown is None else _merged(shown, listed), is_listed=shown is None)
    return reading.spend()


class _Reading:
    """
    Sorts the tasks of the list.

    :ivar unclear: tasks of the period of which the list doesn't show enough, without anything large.
    """

    def __init__(self, period: Period, model: str | None, project_id: str | None) -> None:
        self.unclear: list[Task] = []
        self._period = period
        self._model = model
        self._slug = None if model is None else plain_slug(model)
        self._project_id = project_id
        self._ledger = Ledger()
        self._unattributed = 0
        self._projects: set[str] = set()
        self._last_created: datetime | None = None

    def take(self, page: Sequence[Task]) -> bool:
        """
        Take in the next tasks of the list; return whether there can be more of the period.

        The order is that of ids, and times can differ from it a little: only a page whose tasks are all
        older than the period, by some minutes, is the last.
        """
        times = [task.created_at for task in page if task.created_at is not None]
        goes_on = False
        for task in page:
            # A task without a time is as old as the one before it.
            created = task.created_at or self._last_created or next(iter(times), None)
            if created is None:
                raise WiroResponseError("Wiro's task list doesn't show when its tasks were created.")
            self._last_created = created
            goes_on = goes_on or created >= self._period.since - _DISORDER
            if created not in self._period or not self._may_be_wanted(task):
                continue
            is_unclear = (
                charge_of(task, is_listed=True).billing is Billing.UNKNOWN
                or (self._project_id is not None and task.project_id is None)
                or (self._slug is not None and task.model is None)
            )
            if is_unclear and task.id and len(self.unclear) < MAX_DETAILS:
                self.unclear.append(_bare(task))
            else:
                self.add(task, is_listed=True)
        return goes_on

    def add(self, task: Task, *, is_listed: bool) -> None:
        """
        Count a task, unless it is another model's or project's.

        :param is_listed: only the list shows it.
        """
        if not self._may_be_wanted(task):
            return
        if (self._project_id is not None and task.project_id is None) or (
            self._slug is not None and task.model is None
        ):
            self._unattributed += 1
        if task.project_id is not None and len(self._projects) < 2:
            self._projects.add(task.project_id)
        self._ledger.add(task.model, charge_of(task, is_listed=is_listed))

    def _may_be_wanted(self, task: Task) -> bool:
        """Whether nothing that a task shows speaks against its being of the wanted project and model."""
        if self._project_id is not None and task.project_id not in {None, self._project_id}:
            return False
        return self._slug is None or task.model is None or plain_slug(task.model) == self._slug

    def spend(self) -> Spend:
        """Return the sums."""
        return Spend(
            period=self._period,
            project_id=self._project_id,
            model=self._model,
            by_model=self._ledger.by_model,
            running=self._ledger.running,
            killed=self._ledger.killed,
            unattributed=self._unattributed,
            has_other_projects=self._project_id is None and len(self._projects) > 1,
        )


def _bare(task: Task) -> Task:
    """Return a task without what can be large, or a secret."""
    return replace(task, parameters={}, outputs=(), debug_output="", debug_error="", token=None)


def _merged(shown: Task, listed: Task) -> Task:
    """Return what Detail shows of a task, and of the rest what the list shows."""
    return replace(
        shown,
        model=shown.model or listed.model,
        project_id=shown.project_id or listed.project_id,
        cost_usd=shown.cost_usd if shown.cost_usd is not None else listed.cost_usd,
        exit_code=shown.exit_code if shown.exit_code is not None else listed.exit_code,
        started_at=shown.started_at or listed.started_at,
    )

"""
What becomes of a run that an earlier try may have begun: the rules that keep one from being paid for twice.

Wiro has no idempotency key. So the intent is recorded before a Run is sent, the task's id after it, and a try
that finds a record decides here what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.conversations import look_at_task, stop_task
from airflow_provider_wiro.api.fingerprint import Likeness, likeness
from airflow_provider_wiro.api.flow import Flow, Outside, Pause, call
from airflow_provider_wiro.api.wire import moment
from airflow_provider_wiro.exceptions import (
    WiroConnectionError,
    WiroError,
    WiroNotFoundError,
    WiroOrphanedRunError,
)

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.exceptions import WiroLostRunError

RECORD_VERSION = 1

#: For how long Wiro is asked for its newest task before a Run goes without: a list out of order stops no run.
BASELINE_PATIENCE_SECONDS = 10.0
#: Where that isn't known, a clock has to do. Ours may be wrong, so that all tasks of a day are in doubt.
CLOCK_DOUBT = timedelta(days=1)
#: A Run whose answer was lost may still be on its way; only after this long is "not in the list" believed.
SETTLING = timedelta(seconds=30)
#: A Run that is lost, found not to have started anything, and lost again, is sent this often in one try.
MAX_LOSSES = 3
#: The list is read this far back at most: 50 requests.
MAX_LISTED = 50 * endpoints.MAX_PAGE


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


@dataclass(frozen=True)
class RunRecord:
    """
    The durable record of one run: small, JSON, without a secret.

    :ivar fingerprint: of what was to be run.
    :ivar intended_at: Unix time in seconds, taken before the Run was sent.
    :ivar newest_before: the project's newest task before the Run was sent, empty if it had none; only later
        ones can be this run. None if Wiro didn't tell.
    :ivar wiro_task_id: None until Wiro has answered.
    :ivar lifetime: Airflow's ``max_tries`` of the task instance: a retry keeps it, a Clear raises it.
    :ivar try_number: the try that sent the Run.
    :ivar is_spent: the run's result was returned.
    :ivar earlier_task_ids: tasks of earlier runs of this task instance, which are not to be taken for this
        one.
    """

    fingerprint: str
    intended_at: float
    lifetime: int
    try_number: int
    newest_before: str | None = None
    wiro_task_id: str | None = None
    is_spent: bool = False
    earlier_task_ids: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record as it is stored."""
        return {"version": RECORD_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, stored: object) -> Self:
        """
        Read a stored record.

        :raises WiroOrphanedRunError: it is damaged or of a later version. It is never taken for no record.
        """
        found = stored if isinstance(stored, Mapping) else {}
        task_id, newest = found.get("wiro_task_id"), found.get("newest_before")
        is_whole = (
            found.get("version") == RECORD_VERSION
            and isinstance(found.get("fingerprint"), str)
            and moment(found.get("intended_at")) is not None
            and isinstance(found.get("lifetime"), int)
            and isinstance(found.get("try_number"), int)
            and isinstance(found.get("earlier_task_ids"), list | tuple)
            and (task_id is None or isinstance(task_id, str))
            and (newest is None or isinstance(newest, str))
        )
        if not is_whole:
            raise WiroOrphanedRunError(
                f"Expected the record of a Wiro run, version {RECORD_VERSION}, found {str(stored)[:200]!r}. "
                "Look in the dashboard at wiro.ai whether the run was started, then delete the record."
            )
        return cls(
            found["fingerprint"],
            float(found["intended_at"]),
            found["lifetime"],
            found["try_number"],
            newest,
            task_id,
            bool(found.get("is_spent")),
            tuple(map(str, found["earlier_task_ids"])),
        )

    @property
    def known_task_ids(self) -> tuple[str, ...]:
        """
        The tasks of this task instance so far, the latest last; older ones than the last 20 are forgotten.
        """
        latest = () if self.wiro_task_id is None else (self.wiro_task_id,)
        return (*self.earlier_task_ids, *latest)[-20:]

    @property
    def intended_at_moment(self) -> datetime:
        return datetime.fromtimestamp(self.intended_at, tz=UTC)

    @property
    def baseline(self) -> Baseline:
        return Baseline(self.newest_before, self.intended_at_moment)


@dataclass(frozen=True)
class WantedRun:
    """
    What a task wants to run, as far as an earlier run is compared with it.

    :ivar is_listed: False for a run billed to another project, which the key's own task list may not show.
    """

    model: str
    parameters: Mapping[str, Any]
    fingerprint: str
    lifetime: int
    is_listed: bool = True


@dataclass(frozen=True)
class Resumption:
    """
    What to do: follow the task of ``record``, or start a new one if that is None.

    :ivar task: what Wiro showed of it a moment ago.
    :ivar reason: for the log.
    """

    record: RunRecord | None
    task: Task | None
    reason: str


def resume(
    outside: Outside,
    record: RunRecord | None,
    wanted: WantedRun,
    *,
    stops_stale: bool = False,
    resubmits_orphans: bool = False,
) -> Flow[Resumption]:
    """
    Decide about the record an earlier try left.

    :param stops_stale: stop the task of a record that is about another run; otherwise it is left to end.
    :param resubmits_orphans: where it can't be told whether the earlier Run was started, start a new one.
    :raises WiroOrphanedRunError: it can't be told, and ``resubmits_orphans`` is off.
    :raises WiroError: Wiro can't be asked; the record stands.
    """
    if record is None:
        return Resumption(None, None, "there is no earlier run")
    if record.is_spent and record.lifetime != wanted.lifetime:
        return Resumption(None, None, "the earlier run's result was used, and the task was cleared since")
    if record.fingerprint != wanted.fingerprint:
        return (
            yield from _leave_stale(
                outside, record, is_stopped=stops_stale, resubmits_orphans=resubmits_orphans
            )
        )
    if record.wiro_task_id is None:
        return (yield from settle(outside, record, wanted, resubmits_orphans=resubmits_orphans))
    try:
        task = yield from look_at_task(record.wiro_task_id, outside)
    except WiroNotFoundError as error:
        if resubmits_orphans:
            return Resumption(None, None, f"Wiro doesn't know task {record.wiro_task_id} any more")
        raise WiroOrphanedRunError(
            f"An earlier try started Wiro task {record.wiro_task_id}, which this connection's project "
            "doesn't know. Check that the connection is the one it was started with; "
            "on_orphaned_intent='resubmit' starts anew."
        ) from error
    if task.is_terminal and not task.has_succeeded:
        return Resumption(None, task, f"Wiro task {task.id} of an earlier try ended as {task.status}")
    return Resumption(record, task, f"Wiro task {task.id} was started by an earlier try")


def _leave_stale(
    outside: Outside, record: RunRecord, *, is_stopped: bool, resubmits_orphans: bool
) -> Flow[Resumption]:
    """Give up a task that was started with other parameters."""
    what = "an earlier try's run had another model, parameters or files"
    if record.is_spent:
        return Resumption(None, None, what)
    if record.wiro_task_id is None:
        if is_stopped and not resubmits_orphans:
            raise WiroOrphanedRunError(
                f"The answer of an earlier Run was lost, and {what}, so that its task can't be found to be "
                "stopped. Look in the dashboard at wiro.ai. on_orphaned_intent='resubmit' starts a new run."
            )
        return Resumption(
            None, None, f"{what}; its answer was lost, and if Wiro has started it, it is left to end"
        )
    if is_stopped:
        yield from stop_task(record.wiro_task_id, outside)
        return Resumption(None, None, f"{what}; its Wiro task {record.wiro_task_id} was stopped")
    return Resumption(None, None, f"{what}; its Wiro task {record.wiro_task_id} is left to end")


def settle(
    outside: Outside, record: RunRecord, wanted: WantedRun, *, resubmits_orphans: bool = False
) -> Flow[Resumption]:
    """
    Find out what became of a Run whose answer was lost: look for it among the project's latest tasks.

    :raises WiroOrphanedRunError: several tasks fit, or one that doesn't show enough, or there are too many to
        look through; and ``resubmits_orphans`` is off.
    """
    try:
        return (yield from _settle(outside, record, wanted))
    except WiroOrphanedRunError:
        if not resubmits_orphans:
            raise
        reason = "the answer of an earlier Run was lost; on_orphaned_intent says to start anew"
        return Resumption(None, None, reason)


def _settle(outside: Outside, record: RunRecord, wanted: WantedRun) -> Flow[Resumption]:
    # Not from the intent: a Run can leave long after it, when a rate limit makes it wait.
    certain_at = max(outside.now(), record.intended_at_moment) + SETTLING
    attempt = 0
    while True:
        same, unclear = yield from _candidates(outside, record, wanted)
        if len(same) == 1 and not unclear:
            [task] = same
            reason = f"the answer of an earlier Run was lost; it had started Wiro task {task.id}"
            return Resumption(replace(record, wiro_task_id=task.id), None, reason)
        if same or unclear:
            break
        now = outside.now()
        if now >= certain_at and not wanted.is_listed:
            raise WiroOrphanedRunError(
                f"The answer of an earlier Run of {wanted.model} was lost. It bills another project, and may "
                "be missing from this one's list. Look in the dashboard at wiro.ai. "
                "on_orphaned_intent='resubmit' starts a new run."
            )
        if now >= certain_at:
            return Resumption(
                None, None, "the answer of an earlier Run was lost; Wiro has started no task for it"
            )
        attempt += 1
        yield Pause(min(2.0**attempt, (certain_at - now).total_seconds()))
    ids = ", ".join(task.id for task in (*same, *unclear))
    raise WiroOrphanedRunError(
        f"The answer of an earlier Run of {wanted.model} was lost, and it can't be told which task it has "
        f"started, if any: {ids}. Look at them in the dashboard at wiro.ai. on_orphaned_intent='resubmit' "
        "starts a new run."
    )


def never_started(losses: Sequence[WiroLostRunError]) -> WiroConnectionError:
    """Return the error of Runs whose answers were all lost, and of which none has started a task."""
    return WiroConnectionError(
        f"{len(losses)} Runs in a row brought no answer that could be read, and Wiro has started no task for "
        f"any of them. The last time: {losses[-1].__cause__}"
    )


def newest_task_id(outside: Outside) -> Flow[str | None]:
    """
    Return the id of the project's newest task, empty if it has none, None if Wiro doesn't tell.

    Asked once before a Run: it costs a request, and makes a lost answer a question of ids instead of clocks.
    """
    try:
        page = yield from call(
            endpoints.list_tasks(limit=min(20, endpoints.MAX_PAGE)),
            outside,
            patience_seconds=BASELINE_PATIENCE_SECONDS,
        )
    except WiroNotFoundError as error:
        return None if error.http_status == 404 else ""  # "There is no task yet."
    except WiroError:
        return None  # the Run that follows says what is wrong, if it is
    if not page:
        return ""
    # The list is asked for newest first; should it come in another order, its largest id is still the newest.
    numbers = [int(task.id) for task in page if task.id.isdecimal()]
    return str(max(numbers)) if numbers else page[0].id or None


def _candidates(
    outside: Outside, record: RunRecord, wanted: WantedRun
) -> Flow[tuple[list[Task], list[Task]]]:
    """
    Return the tasks that are the run, and those that may be it, of all that were started after the intent.
    """
    same: dict[str, Task] = {}
    unclear: dict[str, Task] = {}
    listed = yield from tasks_since(outside, record.baseline, record.earlier_task_ids)
    for task in listed:
        verdict, seen = yield from compare(outside, task, wanted.model, wanted.parameters)
        if verdict is Likeness.SAME and record.newest_before is not None:
            same[seen.id] = seen
        elif verdict is not Likeness.OTHER:
            unclear[seen.id] = seen
    return list(same.values()), list(unclear.values())


def compare(
    outside: Outside, listed: Task, model: str, parameters: Mapping[str, Any]
) -> Flow[tuple[Likeness, Task]]:
    """Compare a listed task with a run; the list abridges, so that in doubt its Detail is asked for."""
    verdict = likeness(listed, model, parameters)
    if verdict is not Likeness.UNCLEAR:
        return verdict, listed
    task = yield from call(endpoints.get_task(listed.id), outside)
    return likeness(task, model, parameters), task


def tasks_since(outside: Outside, baseline: Baseline, known_ids: Container[str]) -> Flow[list[Task]]:
    """
    Return the project's tasks that may have been started after a moment, newest first.

    :param known_ids: tasks that are known to be other runs; they are left out.
    :raises WiroOrphanedRunError: there are too many, or the list can't be searched.
    """
    found: dict[str, Task] = {}
    for start in range(0, MAX_LISTED, endpoints.MAX_PAGE):
        page = yield from _page(outside, start)
        for listed in page:
            if baseline.had(listed):
                return list(found.values())
            if listed.id and listed.id not in known_ids:
                found[listed.id] = listed
        if len(page) < endpoints.MAX_PAGE:
            return list(found.values())
    raise WiroOrphanedRunError(
        f"The answer of an earlier Run was lost, and Wiro has started more than {MAX_LISTED} tasks since, "
        "too many to look for it. Look in the dashboard at wiro.ai. on_orphaned_intent='resubmit' starts a "
        "new run."
    )


def _page(outside: Outside, start: int) -> Flow[tuple[Task, ...]]:
    try:
        page = yield from call(endpoints.list_tasks(start=start, limit=endpoints.MAX_PAGE), outside)
    except WiroNotFoundError as error:
        if error.http_status == 404:  # a server that isn't Wiro's knows of no tasks either
            raise
        return ()  # "There is no task yet."
    numbers = [int(task.id) for task in page if task.id.isdecimal()]
    if numbers != sorted(numbers, reverse=True):
        raise WiroOrphanedRunError(
            "The answer of an earlier Run was lost, and Wiro's task list is not newest first, so that it "
            "can't be searched. Look in the dashboard at wiro.ai. on_orphaned_intent='resubmit' starts a new "
            "run."
        )
    return page

"""
What becomes of a run that an earlier try may have begun: the rules that keep one from being paid for twice.

Wiro has no idempotency key. So the intent is recorded before a Run is sent, the task's id after it, and a try
that finds a record decides here what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.conversations import look_at_task, stop_task
from airflow_provider_wiro.api.fingerprint import Likeness
from airflow_provider_wiro.api.flow import Flow, Outside, Pause
from airflow_provider_wiro.api.later_tasks import compare, tasks_since
from airflow_provider_wiro.api.outcomes import has_enough_outputs
from airflow_provider_wiro.api.retry import POLL_PATIENCE_SECONDS
from airflow_provider_wiro.exceptions import WiroConnectionError, WiroNotFoundError, WiroOrphanedRunError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.run_record import RunRecord
    from airflow_provider_wiro.exceptions import WiroLostRunError

#: A Run whose answer was lost may still be on its way; only after this long is "not in the list" believed.
SETTLING = timedelta(seconds=30)
#: A Run that is lost, found not to have started anything, and lost again, is sent this often in one try.
MAX_LOSSES = 3


@dataclass(frozen=True)
class WantedRun:
    """
    What a task wants to run, as far as an earlier run is compared with it.

    :ivar min_outputs: a task that succeeded with fewer outputs is not the result that is wanted.
    :ivar is_listed: False for a run billed to another project, which the key's own task list may not show.
    """

    model: str
    parameters: Mapping[str, Any]
    fingerprint: str
    lifetime: int
    is_listed: bool = True
    min_outputs: int | None = None


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
    timeout_seconds: float | None = None,
    patience_seconds: float = POLL_PATIENCE_SECONDS,
) -> Flow[Resumption]:
    """
    Decide about the record an earlier try left.

    :param timeout_seconds: how long the recorded task may take, from its submission; None for any time.
    :param patience_seconds: for how long failing polls of the recorded task are ridden out.
    :param stops_stale: stop the task of a record that is about another run; otherwise it is left to end.
    :param resubmits_orphans: where it can't be told whether the earlier Run was started, start a new one.
    :raises WiroOrphanedRunError: it can't be told, and ``resubmits_orphans`` is off.
    :raises WiroTaskTimeoutError: the recorded task's time is over, and Wiro can't be asked.
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
        # A clock that was set back since would make the time longer.
        started_at = min(record.intended_at_moment, outside.now())
        task = yield from look_at_task(
            record.wiro_task_id,
            outside,
            started_at=started_at,
            deadline=None if timeout_seconds is None else started_at + timedelta(seconds=timeout_seconds),
            patience_seconds=patience_seconds,
        )
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
    if task.is_terminal and not has_enough_outputs(task, wanted.min_outputs):
        return Resumption(None, task, f"Wiro task {task.id} of an earlier try has too few outputs")
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

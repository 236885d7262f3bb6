"""
What becomes of a run that an earlier try may have started: decided from its record, and from what Wiro shows.

A Run whose response was lost is judged by :mod:`~airflow_provider_wiro.recovery.lost_runs`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.operations import look_at_task
from airflow_provider_wiro.api.retry import LOST_RUN_PATIENCE_SECONDS, POLL_PATIENCE_SECONDS
from airflow_provider_wiro.api.run_summary import has_enough_outputs
from airflow_provider_wiro.api.stop_task import stop_task
from airflow_provider_wiro.exceptions import (
    WiroConnectionError,
    WiroError,
    WiroNotFoundError,
    WiroOrphanedRunError,
    WiroUsageError,
)
from airflow_provider_wiro.input_files.sent_files import SentFiles, with_digests
from airflow_provider_wiro.recovery.lost_run_digests import LostRunDigests, find_to_stop
from airflow_provider_wiro.recovery.lost_runs import LostRun, doubt, find_lost
from airflow_provider_wiro.state_files.task_try import was_cleared_since

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.api.flow import Flow, FlowContext
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.exceptions import WiroLostRunError
    from airflow_provider_wiro.recovery.run_record import RunRecord
    from airflow_provider_wiro.recovery.sending import Sending
    from airflow_provider_wiro.state_files.task_try import TaskTry

#: How long a kill asks Wiro again if it can't be asked.
_KILL_PATIENCE_SECONDS = 1.0
#: A Run that is lost, found not to have started anything, and lost again, is sent this often in one try.
MAX_LOSSES = 3


@dataclass(frozen=True)
class RunSpec:
    """
    What a try wants to run, as far as an earlier run is compared with it.

    :ivar fingerprint: of model, parameters and the content of files; empty where ``problem`` says why not.
    :ivar max_tries: Airflow's, of the task instance.
    :ivar task_try: the try.
    :ivar files: as they are sent.
    :ivar references: like ``fingerprint`` with the names of files, which need not be there for that.
    :ivar project_id: the project that the run bills, None for the key's own, whose tasks the key's list
        shows.
    :ivar problem: why the files can't be sent. It matters only where a new Run is needed.
    :ivar patience_seconds: ``[wiro] lost_run_patience``.
    :ivar min_outputs: a task that succeeded with fewer outputs is not the wanted result.
    :ivar inputs: for the record, see :class:`~airflow_provider_wiro.recovery.run_record.RunRecord`.
    """

    model: str
    parameters: Mapping[str, Any]
    fingerprint: str
    max_tries: int
    task_try: TaskTry
    files: SentFiles = field(default_factory=dict, repr=False)
    references: str = ""
    project_id: str | None = None
    problem: WiroError | None = None
    patience_seconds: float = LOST_RUN_PATIENCE_SECONDS
    min_outputs: int | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def is_run_of(self, record: RunRecord) -> bool:
        """
        Whether a record is about this very run.

        :raises WiroError: the files are gone, and the record doesn't have their names.
        """
        if self.problem is None:
            return record.fingerprint == self.fingerprint
        if record.references is None:
            raise self.problem
        return record.references == self.references


@dataclass(frozen=True)
class ResumePolicy:
    """
    What the operator's arguments say about an earlier try's run.

    :ivar stops_stale: stop the task of a record that is about another run; otherwise it is left to end.
    :ivar resubmits_orphans: start a new run where it isn't known whether the earlier Run was started.
    :ivar timeout_seconds: how long the recorded task may take, from its submission; None for any time.
    :ivar patience_seconds: for how long failing polls of the recorded task are repeated.
    """

    stops_stale: bool = False
    resubmits_orphans: bool = False
    timeout_seconds: float | None = None
    patience_seconds: float = POLL_PATIENCE_SECONDS


@dataclass(frozen=True)
class ResumeDecision:
    """
    What to do: follow the task of ``record``, or start a new run if that is None.

    :ivar task: as Wiro showed it a moment ago.
    :ivar reason: for the log.
    :ivar open_seconds: until a lost Run can be certain not to have started anything. Until then nothing may
        be started, and the list has to be searched again. None: it is decided.
    :ivar gives_up: a run that may be billed is given up, since this try wants another one.
    """

    record: RunRecord | None
    task: Task | None
    reason: str
    open_seconds: float | None = None
    gives_up: bool = False


def resume(
    context: FlowContext,
    record: RunRecord | None,
    wanted: RunSpec,
    policy: ResumePolicy,
    *,
    is_of_deleted_dag_run: bool = False,
) -> Flow[ResumeDecision]:
    """
    Decide about the record that an earlier try left.

    :param is_of_deleted_dag_run: the record is of a deleted DAG run with the same id; its run is not resumed.
    :raises WiroOrphanedRunError: it isn't known whether the earlier Run was started, or as which task, and
        ``resubmits_orphans`` is off.
    :raises WiroTaskTimeoutError: the recorded task's time is over, and Wiro can't be asked.
    :raises WiroError: Wiro can't be asked; the record stands.
    """
    if record is None:
        return ResumeDecision(None, None, "there is no earlier run")
    if is_of_deleted_dag_run:
        what = "the record is of an earlier DAG run with the same id, which was deleted"
        return (yield from _leave_stale(context, record, what, policy))
    if record.is_consumed and was_cleared_since(record.written_by, wanted.task_try, wanted.max_tries):
        return ResumeDecision(None, None, "the earlier run's result was used, and the task was cleared since")
    if not wanted.is_run_of(record):
        what = "an earlier try's run had another model, parameters or files"
        return (yield from _leave_stale(context, record, what, policy))
    if record.wiro_task_id is None:
        return (
            yield from resolve_lost_run(context, record, wanted, resubmits_orphans=policy.resubmits_orphans)
        )
    return (yield from _look_at_known(context, record, record.wiro_task_id, wanted, policy))


def check_same_run(record: RunRecord | None, wanted: RunSpec) -> None:
    """
    Make sure that a try, after a pause, wants the run that it has sent before.

    :param record: None if there is none, or of another try: then this says nothing.
    :raises WiroUsageError: it wants another one, which could be paid for beside the first.
    """
    if record is None or record.is_consumed or record.try_number != wanted.task_try.number:
        return
    if not wanted.is_run_of(record):
        raise WiroUsageError(
            "Parameters or files changed during a pause of this try, so the Run that it has sent can't be "
            "matched, and another one could be paid for, too. Nothing was sent. Templates and functions have "
            "to give the same values each time: none may depend on the time of day, or on chance."
        )


def _look_at_known(
    context: FlowContext, record: RunRecord, wiro_task_id: str, wanted: RunSpec, policy: ResumePolicy
) -> Flow[ResumeDecision]:
    """Poll the recorded task once, and decide whether to follow it, return its result or start a new run."""
    limit = policy.timeout_seconds
    # A clock that was set back since would give the task more time.
    started_at = min(record.sending.moment, context.now())
    try:
        task = yield from look_at_task(
            wiro_task_id,
            context,
            deadline=None if limit is None else started_at + timedelta(seconds=limit),
            patience_seconds=policy.patience_seconds,
        )
    except WiroNotFoundError as error:
        if policy.resubmits_orphans:
            return ResumeDecision(None, None, f"Wiro doesn't know task {wiro_task_id} any more")
        raise unknown_task(wiro_task_id) from error
    if task.is_terminal and not task.has_succeeded:
        return ResumeDecision(None, task, f"Wiro task {task.id} of an earlier try ended as {task.status}")
    if task.is_terminal and not has_enough_outputs(task, wanted.min_outputs):
        return ResumeDecision(None, task, f"Wiro task {task.id} of an earlier try has too few outputs")
    return ResumeDecision(record, task, f"Wiro task {task.id} was started by an earlier try")


def unknown_task(wiro_task_id: str) -> WiroOrphanedRunError:
    """Return the error of a task that was started before, and that the connection's project doesn't know."""
    return WiroOrphanedRunError(
        f"Wiro task {wiro_task_id} was started before, but this connection's project doesn't know it. Check "
        "that the connection is the one it was started with; on_orphaned_intent='resubmit' starts a new run."
    )


def _leave_stale(
    context: FlowContext, record: RunRecord, what: str, policy: ResumePolicy
) -> Flow[ResumeDecision]:
    """
    Give up a record's task, which this try doesn't want: stop it, or leave it to end.

    :param what: why, for the log.
    """
    if record.is_consumed:
        return ResumeDecision(None, None, what)
    if record.wiro_task_id is None:
        if policy.stops_stale and not policy.resubmits_orphans:
            raise WiroOrphanedRunError(
                f"The response to an earlier Run was lost, and {what}, so its task can't be found and "
                "stopped. Look in the dashboard at wiro.ai. on_orphaned_intent='resubmit' starts a new run."
            )
        return ResumeDecision(
            None,
            None,
            f"{what}; its response was lost, and if Wiro has started it, it is left to end, and billed",
            gives_up=True,
        )
    if policy.stops_stale:
        yield from stop_task(record.wiro_task_id, context)
        return ResumeDecision(None, None, f"{what}; its Wiro task {record.wiro_task_id} was stopped")
    left = f"{what}; its Wiro task {record.wiro_task_id} is left to end, and billed"
    return ResumeDecision(None, None, left, gives_up=True)


def resolve_lost_run(
    context: FlowContext, record: RunRecord, wanted: RunSpec, *, resubmits_orphans: bool = False
) -> Flow[ResumeDecision]:
    """
    Search once for the task of a Run whose response was lost, or whose sender died.

    :raises WiroOrphanedRunError: it isn't known what became of it, and ``resubmits_orphans`` is off.
    """
    lost = "the response to an earlier Run was lost"
    try:
        found = yield from find_lost(
            context,
            [lost_run(0, record.sending, record, wanted)],
            record.earlier_task_ids,
            own_ids=reversed(record.earlier_task_ids),
            patience_seconds=wanted.patience_seconds,
        )
        if found.doubts:
            raise doubt(wanted.model, found.doubts[0])
    except WiroOrphanedRunError:
        if not resubmits_orphans:
            raise
        return ResumeDecision(None, None, f"{lost}; on_orphaned_intent says to start a new run")
    if found.tasks:
        task = found.seen[found.tasks[0]]
        return ResumeDecision(_found(record, task), None, f"{lost}; it had started Wiro task {task.id}")
    if found.open:
        return ResumeDecision(None, None, f"{lost}; Wiro shows no task of it yet", open_seconds=found.open[0])
    return ResumeDecision(None, None, f"{lost}; Wiro has started no task for it")


def find_lost_run_now(context: FlowContext, record: RunRecord, wanted: RunSpec) -> Flow[str | None]:
    """
    Search once, without any wait, for the task of a Run that is in flight or lost: for a kill.

    :return: the id of the task that certainly is this run's; None if there is none, or in doubt.
    :raises WiroError: Wiro can't be asked.
    """
    found = yield from find_to_stop(
        context,
        [lost_run(0, record.sending, record, wanted)],
        record.earlier_task_ids,
        patience_seconds=wanted.patience_seconds,
        call_patience_seconds=_KILL_PATIENCE_SECONDS,
    )
    return found[0] if found else None


def lost_run(item: int, sending: Sending, record: RunRecord, wanted: RunSpec) -> LostRun:
    """
    Return one sending of a record's run, to be searched for.

    :param item: its name in the findings.
    """
    files = with_digests(wanted.files, record.files)
    return LostRun(
        item, wanted.model, wanted.parameters, record.fingerprint, sending, files, wanted.project_id
    )


def digests_of_run(record: RunRecord, wanted: RunSpec) -> LostRunDigests:
    """Return a record's lost Run in the form in which a trigger may store it."""
    run = lost_run(0, record.sending, record, wanted)
    return LostRunDigests((run,), record.earlier_task_ids, wanted.patience_seconds)


def _found(record: RunRecord, task: Task) -> RunRecord:
    """Return the record of a lost run that was found. Its time counts from when Wiro created its task."""
    found, sending = replace(record, wiro_task_id=task.id), record.sending
    if sending.wiro_at is None or task.created_at is None:
        return found
    late = max(0.0, task.created_at.timestamp() - sending.wiro_at)
    return replace(found, sending=replace(sending, intended_at=sending.intended_at + late))


def never_started(count: int, last: WiroLostRunError | None) -> WiroConnectionError:
    """
    Return the error of Runs whose responses were all lost, and none of which has started a task.

    :param last: how the last one was lost, if this process knows.
    """
    reason = "" if last is None else f" The last time: {last.__cause__}"
    return WiroConnectionError(
        f"{count} Runs in a row brought no readable response, and Wiro has started no task for any of them."
        f"{reason}"
    )

"""
What becomes of a run that an earlier try may have begun: the rules that keep one from being paid for twice.

The intent is recorded before a Run is sent, the task's id after it, and a try that finds a record decides
here what to do about it. A Run whose answer was lost is judged by
:mod:`~airflow_provider_wiro.recovery.lost_runs`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.operations import look_at_task, stop_task
from airflow_provider_wiro.api.retry import LOST_RUN_PATIENCE_SECONDS, POLL_PATIENCE_SECONDS
from airflow_provider_wiro.api.run_summary import has_enough_outputs
from airflow_provider_wiro.exceptions import (
    WiroConnectionError,
    WiroError,
    WiroNotFoundError,
    WiroOrphanedRunError,
)
from airflow_provider_wiro.input_files.sent_files import SentFiles, with_digests
from airflow_provider_wiro.recovery.lost_run_digests import LostRunDigests, find_to_stop
from airflow_provider_wiro.recovery.lost_runs import LostRun, doubt, find_lost
from airflow_provider_wiro.state_files.task_try import TaskTry, was_cleared_since

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.api.flow import Flow, FlowContext
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.exceptions import WiroLostRunError
    from airflow_provider_wiro.recovery.run_record import RunRecord
    from airflow_provider_wiro.recovery.sending import Sending

#: A Run that is lost, found not to have started anything, and lost again, is sent this often in one try.
MAX_LOSSES = 3


@dataclass(frozen=True)
class RunSpec:
    """
    What a task wants to run, as far as an earlier run is compared with it.

    :ivar fingerprint: of model, parameters and the content of files; empty where ``problem`` says why not.
    :ivar files: as they are sent.
    :ivar references: the same of model, parameters and the names of files, which needs no file to be there.
    :ivar project_id: the project that it bills, None for the key's own, whose tasks the key's list shows.
    :ivar problem: why the files can't be sent. It matters only where a new Run is needed.
    :ivar patience_seconds: ``[wiro] lost_run_patience``.
    :ivar min_outputs: a task that succeeded with fewer outputs is not the result that is wanted.
    :ivar task_try: the try that asks; None where only ``lifetime``, Airflow's ``max_tries``, is known.
    """

    model: str
    parameters: Mapping[str, Any]
    fingerprint: str
    lifetime: int
    files: SentFiles = field(default_factory=dict, repr=False)
    references: str = ""
    project_id: str | None = None
    problem: WiroError | None = None
    patience_seconds: float = LOST_RUN_PATIENCE_SECONDS
    min_outputs: int | None = None
    task_try: TaskTry | None = None

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
class ResumeDecision:
    """
    What to do: follow the task of ``record``, or start a new one if that is None.

    :ivar task: what Wiro showed of it a moment ago.
    :ivar reason: for the log.
    :ivar open_for: seconds until a lost Run can be certain not to have started anything; until then nothing
        is to be started, and the list to be looked at again. None: it is settled.
    """

    record: RunRecord | None
    task: Task | None
    reason: str
    open_for: float | None = None


def resume(
    outside: FlowContext,
    record: RunRecord | None,
    wanted: RunSpec,
    *,
    stops_stale: bool = False,
    resubmits_orphans: bool = False,
    is_of_deleted_dag_run: bool = False,
    timeout_seconds: float | None = None,
    patience_seconds: float = POLL_PATIENCE_SECONDS,
) -> Flow[ResumeDecision]:
    """
    Decide about the record an earlier try left.

    :param timeout_seconds: how long the recorded task may take, from its submission; None for any time.
    :param patience_seconds: for how long failing polls of the recorded task are ridden out.
    :param stops_stale: stop the task of a record that is about another run; otherwise it is left to end.
    :param resubmits_orphans: where it can't be told whether the earlier Run was started, start a new one.
    :param is_of_deleted_dag_run: the record is left from a DAG run of the same id; its run is not taken up.
    :raises WiroOrphanedRunError: it can't be told, and ``resubmits_orphans`` is off.
    :raises WiroTaskTimeoutError: the recorded task's time is over, and Wiro can't be asked.
    :raises WiroError: Wiro can't be asked; the record stands.
    """
    if record is None:
        return ResumeDecision(None, None, "there is no earlier run")
    if is_of_deleted_dag_run:
        what = "the record is of an earlier DAG run with the same id, which was deleted"
        return (
            yield from _leave_stale(
                outside, record, what, is_stopped=stops_stale, resubmits_orphans=resubmits_orphans
            )
        )
    now = wanted.task_try or TaskTry(record.try_number)
    if record.is_spent and was_cleared_since(record.written_by, now, wanted.lifetime):
        return ResumeDecision(None, None, "the earlier run's result was used, and the task was cleared since")
    if not wanted.is_run_of(record):
        what = "an earlier try's run had another model, parameters or files"
        return (
            yield from _leave_stale(
                outside, record, what, is_stopped=stops_stale, resubmits_orphans=resubmits_orphans
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
            deadline=None if timeout_seconds is None else started_at + timedelta(seconds=timeout_seconds),
            patience_seconds=patience_seconds,
        )
    except WiroNotFoundError as error:
        if resubmits_orphans:
            return ResumeDecision(None, None, f"Wiro doesn't know task {record.wiro_task_id} any more")
        raise WiroOrphanedRunError(
            f"An earlier try started Wiro task {record.wiro_task_id}, which this connection's project "
            "doesn't know. Check that the connection is the one it was started with; "
            "on_orphaned_intent='resubmit' starts anew."
        ) from error
    if task.is_terminal and not task.has_succeeded:
        return ResumeDecision(None, task, f"Wiro task {task.id} of an earlier try ended as {task.status}")
    if task.is_terminal and not has_enough_outputs(task, wanted.min_outputs):
        return ResumeDecision(None, task, f"Wiro task {task.id} of an earlier try has too few outputs")
    return ResumeDecision(record, task, f"Wiro task {task.id} was started by an earlier try")


def _leave_stale(
    outside: FlowContext, record: RunRecord, what: str, *, is_stopped: bool, resubmits_orphans: bool
) -> Flow[ResumeDecision]:
    """
    Give up a record's task, which this try doesn't want.

    :param what: why, for the log.
    """
    if record.is_spent:
        return ResumeDecision(None, None, what)
    if record.wiro_task_id is None:
        if is_stopped and not resubmits_orphans:
            raise WiroOrphanedRunError(
                f"The answer of an earlier Run was lost, and {what}, so that its task can't be found to be "
                "stopped. Look in the dashboard at wiro.ai. on_orphaned_intent='resubmit' starts a new run."
            )
        return ResumeDecision(
            None, None, f"{what}; its answer was lost, and if Wiro has started it, it is left to end"
        )
    if is_stopped:
        yield from stop_task(record.wiro_task_id, outside)
        return ResumeDecision(None, None, f"{what}; its Wiro task {record.wiro_task_id} was stopped")
    return ResumeDecision(None, None, f"{what}; its Wiro task {record.wiro_task_id} is left to end")


def settle(
    outside: FlowContext, record: RunRecord, wanted: RunSpec, *, resubmits_orphans: bool = False
) -> Flow[ResumeDecision]:
    """
    Look once for the task of a Run whose answer was lost, or whose sender died.

    :raises WiroOrphanedRunError: it can't be told what became of it, and ``resubmits_orphans`` is off.
    """
    run = lost_run(0, record.sending, record, wanted)
    try:
        found = yield from find_lost(
            outside,
            [run],
            record.earlier_task_ids,
            own_ids=reversed(record.earlier_task_ids),
            patience_seconds=wanted.patience_seconds,
        )
        if found.doubts:
            raise doubt(wanted.model, found.doubts[0])
    except WiroOrphanedRunError:
        if not resubmits_orphans:
            raise
        reason = "the answer of an earlier Run was lost; on_orphaned_intent says to start anew"
        return ResumeDecision(None, None, reason)
    if found.tasks:
        task = found.seen[found.tasks[0]]
        reason = f"the answer of an earlier Run was lost; it had started Wiro task {task.id}"
        return ResumeDecision(_found(record, task), None, reason)
    if found.open:
        reason = "the answer of an earlier Run was lost; Wiro shows no task of it yet"
        return ResumeDecision(None, None, reason, open_for=found.open[0])
    return ResumeDecision(
        None, None, "the answer of an earlier Run was lost; Wiro has started no task for it"
    )


def find_lost_run_now(
    outside: FlowContext, record: RunRecord, wanted: RunSpec, *, patience_seconds: float = 1.0
) -> Flow[str | None]:
    """
    Look once, without any wait, for the task of a Run that is in flight or lost: for a kill.

    :param patience_seconds: how long to ask Wiro again if it can't be asked.
    :return: the id of the task that certainly is this run; None if there is none, or in doubt.
    :raises WiroError: Wiro can't be asked.
    """
    found = yield from find_to_stop(
        outside,
        [lost_run(0, record.sending, record, wanted)],
        record.earlier_task_ids,
        patience_seconds=wanted.patience_seconds,
        call_patience_seconds=patience_seconds,
    )
    return found[0] if found else None


def lost_run(item: int, sending: Sending, record: RunRecord, wanted: RunSpec) -> LostRun:
    """
    Return one sending of a record's run, to be looked for.

    :param item: what it is called in the findings.
    """
    files = with_digests(wanted.files, record.files)
    return LostRun(
        item, wanted.model, wanted.parameters, record.fingerprint, sending, files, wanted.project_id
    )


def notes_of(record: RunRecord, wanted: RunSpec) -> LostRunDigests:
    """Return a record's lost Run as a trigger may know it."""
    run = lost_run(0, record.sending, record, wanted)
    return LostRunDigests((run,), record.earlier_task_ids, wanted.patience_seconds)


def _found(record: RunRecord, task: Task) -> RunRecord:
    """
    Return the record of a lost run that was found. Its time counts from when Wiro created its task.
    """
    found = replace(record, wiro_task_id=task.id)
    if record.wiro_at is None or task.created_at is None:
        return found
    late = task.created_at.timestamp() - record.wiro_at
    return replace(found, intended_at=record.intended_at + max(0.0, late))


def never_started(count: int, last: WiroLostRunError | None) -> WiroConnectionError:
    """
    Return the error of Runs whose answers were all lost, and of which none has started a task.

    :param last: how the last one was lost, if this process knows.
    """
    reason = "" if last is None else f" The last time: {last.__cause__}"
    return WiroConnectionError(
        f"{count} Runs in a row brought no answer that could be read, and Wiro has started no task for any "
        f"of them.{reason}"
    )

"""Strays: tasks that an earlier sending of a run has started after all, although the run was sent again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.operations import look_at_task
from airflow_provider_wiro.api.stop_task import stop_task
from airflow_provider_wiro.recovery.lost_runs import STRAY_WINDOW_SECONDS, LostRun, find_lost
from airflow_provider_wiro.recovery.resume import RunSpec, lost_run
from airflow_provider_wiro.recovery.sending import Loss

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from airflow_provider_wiro.api.flow import Flow, FlowContext
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.recovery.run_record import RunRecord


@dataclass(frozen=True)
class Strays:
    """
    Tasks of sendings that had been taken for not started.

    :ivar stopped: those that were still running and are stopped now.
    :ivar ended: those that ended before.
    :ivar doubtful: tasks that may be one, or another equal run's, and are left alone.
    :ivar open_until: until when Wiro may still start one; None if it can't any more.
    """

    stopped: tuple[Task, ...] = ()
    ended: tuple[Task, ...] = ()
    doubtful: tuple[Task, ...] = ()
    open_until: datetime | None = None


def find_strays(
    context: FlowContext,
    earlier: Sequence[LostRun],
    known_ids: Container[str],
    *,
    own_ids: Iterable[str],
    patience_seconds: float,
    resent_after: str | None = None,
) -> Flow[Strays]:
    """
    Search once, after the end of a run that was sent again, for tasks of its earlier sendings; stop them.

    A stop needs more certainty than a search: a later task may be an equal run of another Airflow task, such
    as the next DAG run's. What isn't certain is reported, and left alone. Certain is a task that was there
    when the run was sent again, and was created right after the earlier sending. Where
    ``[wiro] lost_run_patience`` is shorter than the ten minutes for which Wiro may be at work on a Run that
    timed out, the only matching task in these is certain too.

    :param earlier: the earlier sendings, each as an item of its own, in their order.
    :param known_ids: tasks that are known to be other runs.
    :param own_ids: some of them that this project started, the latest first.
    :param patience_seconds: ``[wiro] lost_run_patience``.
    :param resent_after: the project's newest task right before the latest sending; None if not known.
    :raises WiroOrphanedRunError: the list can't be searched.
    :raises WiroError: Wiro can't be asked.
    """
    found = yield from find_lost(
        context,
        earlier,
        known_ids,
        own_ids=own_ids,
        patience_seconds=patience_seconds,
        window_seconds=STRAY_WINDOW_SECONDS,
    )
    stopped: list[Task] = []
    ended: list[Task] = []
    doubtful = {id_: found.seen[id_] for ids in found.doubts.values() for id_ in ids}
    uncertain: list[LostRun] = []
    next_baselines = [*(run.sending.newest_before for run in earlier[1:]), resent_after]
    for run, next_baseline in zip(earlier, next_baselines, strict=True):
        wiro_task_id = found.tasks.get(run.item)
        if wiro_task_id is None:
            uncertain.append(run)
            continue
        task = yield from look_at_task(wiro_task_id, context)
        is_early = patience_seconds < STRAY_WINDOW_SECONDS and run.sending.loss is not Loss.CUT_OFF
        if not (is_early or _was_there_before(run, task, next_baseline)):
            doubtful[task.id] = task
            uncertain.append(run)
        elif task.is_terminal:
            ended.append(task)
        else:
            yield from stop_task(wiro_task_id, context, is_running=not task.is_queued)
            after = yield from look_at_task(wiro_task_id, context)
            (stopped if after.is_cancelled else ended).append(after)
    open_until = _open_until(uncertain, context.now(), patience_seconds)
    return Strays(tuple(stopped), tuple(ended), tuple(doubtful.values()), open_until)


def _was_there_before(run: LostRun, task: Task, next_baseline: str | None) -> bool:
    """
    Whether a task was there when the run was sent again, though not listed yet, and came right after ``run``.
    """
    if next_baseline is None or not (next_baseline.isdecimal() and task.id.isdecimal()):
        return False
    return int(task.id) <= int(next_baseline) and run.sending.was_right_before(task)


def _open_until(uncertain: Sequence[LostRun], now: datetime, patience_seconds: float) -> datetime | None:
    """Return until when one of these sendings, whose tasks aren't certain, may still start one."""
    ends = [
        run.sending.moment
        + timedelta(seconds=run.sending.latest_seconds(max(STRAY_WINDOW_SECONDS, patience_seconds)))
        for run in uncertain
    ]
    return max((end for end in ends if end > now), default=None)


def billed(found: Strays) -> Iterator[tuple[str, str | None]]:
    """
    Yield the id and the cost in USD of each task that Wiro bills for the run, or may.

    The cost is None where it is not known yet, or where the task may as well be another Airflow task's.
    """
    for task in (*found.ended, *found.stopped):
        has_run = task.has_succeeded or (task.is_cancelled and task.started_at is not None)
        cost = task.cost_usd if task.cost_usd != "0" else None
        if has_run or cost is not None:
            yield task.id, cost
    for task in found.doubtful:
        yield task.id, None


def earlier_sendings(record: RunRecord, wanted: RunSpec) -> list[LostRun]:
    """Return the sendings of a record's run that were taken for not started, for :func:`find_strays`."""
    return [lost_run(number, sending, record, wanted) for number, sending in enumerate(record.lost_sendings)]


def stray_warnings(found: Strays, what: str) -> Iterator[str]:
    """
    Yield a log line for each fact about tasks of earlier sendings.

    :param what: what was sent again, such as "this run".
    """
    for task in found.stopped:
        yield (
            f"An earlier sending of {what} had started Wiro task {task.id} after all. It was still running "
            f"and is stopped now; cost: {_cost(task)}."
        )
    for task in found.ended:
        yield (
            f"An earlier sending of {what} had started Wiro task {task.id} after all, so that {what} may be "
            f"paid for twice. It ended as {task.status}; cost: {_cost(task)}."
        )
    if found.doubtful:
        listed = ", ".join(f"{task.id} ({task.status}, cost: {_cost(task)})" for task in found.doubtful)
        yield (
            f"{_capital(what)} was sent more than once, and these Wiro tasks may be of an earlier sending or "
            f"equal runs of other Airflow tasks: {listed}. They are left alone. Look at them in the "
            "dashboard at wiro.ai."
        )
    if found.open_until is not None:
        yield (
            f"{_capital(what)} was sent more than once, and until {found.open_until:%H:%M} UTC Wiro may "
            "still start a task for an earlier sending. Nothing here would notice it: look in the dashboard "
            "at wiro.ai then."
        )


def unknown_strays_warning(what: str, error: Exception) -> str:
    """Return a log line for a search that failed. The arguments are like those of :func:`stray_warnings`."""
    return (
        f"{what} was sent more than once, and it is not known whether an earlier sending has started a task "
        f"as well: {error}"
    )


def _capital(what: str) -> str:
    return what[:1].upper() + what[1:]


def _cost(task: Task) -> str:
    return f"{task.cost_usd} USD" if task.cost_usd not in {None, "0"} else "not known yet"

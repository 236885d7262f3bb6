"""After the end of a run that was sent again: whether an earlier sending has started a task after all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.conversations import look_at_task, stop_task
from airflow_provider_wiro.api.lost_runs import STRAY_WINDOW_SECONDS, LostRun, find_lost
from airflow_provider_wiro.api.resume import WantedRun, lost_run

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from airflow_provider_wiro.api.flow import Flow, Outside
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.run_record import RunRecord


@dataclass(frozen=True)
class Strays:
    """
    Tasks of sendings that had been taken for not started.

    :ivar stopped: those that were still running and are stopped now.
    :ivar ended: those that ended before.
    :ivar doubtful: tasks that may be one.
    """

    stopped: tuple[Task, ...] = ()
    ended: tuple[Task, ...] = ()
    doubtful: tuple[Task, ...] = ()


def find_strays(
    outside: Outside,
    earlier: Sequence[LostRun],
    known_ids: Container[str],
    *,
    own_ids: Iterable[str],
    patience_seconds: float,
) -> Flow[Strays]:
    """
    Look once, after the end of a run that was sent again, whether an earlier sending started a task too.

    :param earlier: the earlier sendings, each as an item of its own.
    :param known_ids: tasks that are known to be other runs.
    :param own_ids: some of them that this project started, the latest first.
    :param patience_seconds: ``[wiro] lost_run_patience``.
    :raises WiroOrphanedRunError: the list can't be searched.
    :raises WiroError: Wiro can't be asked.
    """
    found = yield from find_lost(
        outside,
        earlier,
        known_ids,
        own_ids=own_ids,
        patience_seconds=patience_seconds,
        window_seconds=STRAY_WINDOW_SECONDS,
    )
    stopped: list[Task] = []
    ended: list[Task] = []
    for wiro_task_id in dict.fromkeys(found.tasks.values()):
        task = yield from look_at_task(wiro_task_id, outside)
        if task.is_terminal:
            ended.append(task)
            continue
        yield from stop_task(wiro_task_id, outside, is_running=not task.is_queued)
        after = yield from look_at_task(wiro_task_id, outside)
        (stopped if after.is_cancelled else ended).append(after)
    doubtful = dict.fromkeys(id_ for ids in found.doubts.values() for id_ in ids)
    return Strays(tuple(stopped), tuple(ended), tuple(found.seen[id_] for id_ in doubtful))


def billed(found: Strays) -> Iterator[tuple[str, str | None]]:
    """Yield the id and the cost in USD, None if not known yet, of each task that Wiro bills."""
    for task in (*found.ended, *found.stopped):
        has_run = task.has_succeeded or (task.is_cancelled and task.started_at is not None)
        cost = task.cost_usd if task.cost_usd != "0" else None
        if has_run or cost is not None:
            yield task.id, cost


def earlier_sendings(record: RunRecord, wanted: WantedRun) -> list[LostRun]:
    """Return the sendings of a record's run that were taken for not started, for :func:`find_strays`."""
    return [lost_run(number, sending, record, wanted) for number, sending in enumerate(record.lost_sendings)]


def stray_warnings(found: Strays, what: str) -> Iterator[str]:
    """
    Yield what a log has to say about tasks of earlier sendings.

    :param what: was sent again.
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
            f"An earlier sending of {what} may have started one of these Wiro tasks: {listed}. Look at them "
            "in the dashboard at wiro.ai."
        )


def _cost(task: Task) -> str:
    return f"{task.cost_usd} USD" if task.cost_usd not in {None, "0"} else "not known yet"

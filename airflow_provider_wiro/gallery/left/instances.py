"""The task instances of this provider in some DAG runs: few columns of each, by a fixed number of queries."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, and_, cast, func, or_, select

from airflow_provider_wiro.gallery.left.dag_tasks import tasks_of_versions
from airflow_provider_wiro.gallery.left.json_text import read_json
from airflow_provider_wiro.gallery.left.rows import DagTask, Instance, InstanceKey, Kind
from airflow_provider_wiro.gallery.left.stored_tasks import CLASSES, kind_of_class
from airflow_provider_wiro.gallery.left.tables import task_instance, xcom
from airflow_provider_wiro.gallery.left.values import in_each_run
from airflow_provider_wiro.gallery.left.wiro_task_ids import wiro_task_id_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from airflow_provider_wiro.gallery.left.dag_tasks import DagTasks
    from airflow_provider_wiro.gallery.left.rows import DagRunRow

#: How many task instances are looked at for one page, of all tasks together.
MOST_INSTANCES = 50_000
#: XComs in which operators note the Wiro task before its result is there.
_ID_KEYS = ("wiro_task_url", "wiro_task_id")
#: A longer one is none of theirs.
_LONGEST_ID = 2_000
#: Results that are read for the Wiro task that they name, and the characters of each.
_MOST_RESULTS = 1_000
_LONGEST_RESULT = 16_384
#: More names than this are not listed in a query.
_MOST_NAMES = 500


def instances_of(session: Session, runs: Sequence[DagRunRow], *, first: int | None = None) -> list[Instance]:
    """
    Return the task instances of this provider's tasks in DAG runs of one DAG, in the order of the DAG.

    :param first: only those with a map index below this; None: all.
    """
    if not runs:
        return []
    tasks = _tasks_of(session, runs)
    query = _query(runs)
    if len(tasks.task_ids) <= _MOST_NAMES:
        # Another provider's tasks can have far more task instances than this one's.
        query = query.where(
            or_(
                task_instance.c.task_id.in_(sorted(tasks.task_ids)),
                task_instance.c.operator.in_(sorted(CLASSES)),
            )
        )
    if first is not None:
        query = query.where(task_instance.c.map_index < first)
    known = _of_provider(tasks, session.execute(query.limit(MOST_INSTANCES)).all())
    wiro_task_ids = _wiro_task_ids(session, runs, {task.task_id for _, task in known}, first)
    found = [_instance(row, task, wiro_task_ids) for row, task in known]
    found = _with_ids_of_results(session, runs, found)
    return sorted(found, key=lambda one: (one.task.order, one.key.task_id, one.key.map_index))


def find_instances(session: Session, run: DagRunRow, key: InstanceKey) -> list[Instance]:
    """
    Return a task instance; if there is none with map index -1, all of the mapped task.

    :return: none if its task is none of this provider's. What links name isn't read.
    :raises LookupError: there is no such task instance.
    """
    query = _query([run]).where(task_instance.c.task_id == key.task_id)
    if key.map_index >= 0:
        query = query.where(task_instance.c.map_index == key.map_index)
    rows = session.execute(query.limit(MOST_INSTANCES)).all()
    if not rows:
        raise LookupError(f"DAG run {key.run_id!r} has no task instance {key.task_id!r} [{key.map_index}].")
    exact = [row for row in rows if row.map_index == key.map_index] or rows
    tasks = tasks_of_versions(session, run.dag_id, {row.dag_version_id for row in exact} - {None})
    found = [_instance(row, task, {}) for row, task in _of_provider(tasks, exact)]
    return sorted(found, key=lambda one: one.key.map_index)


def count_of(
    session: Session, runs: Sequence[DagRunRow], task_ids: Collection[str], first: int
) -> dict[str, int]:
    """Return, for each DAG run, how many task instances of tasks have this map index or a higher one."""
    table = task_instance.c
    rows = session.execute(
        select(table.run_id, func.count())
        .where(
            table.dag_id == runs[0].dag_id,
            table.run_id.in_([run.run_id for run in runs]),
            table.task_id.in_(sorted(task_ids)),
            table.map_index >= first,
        )
        .group_by(table.run_id)
    )
    return {row[0]: row[1] for row in rows}


def _with_ids_of_results(
    session: Session, runs: Sequence[DagRunRow], instances: list[Instance]
) -> list[Instance]:
    """Return the task instances, with the Wiro tasks of results that no link leads to: reused ones."""
    without = [
        one.key
        for one in instances
        if one.kind is Kind.RUN and one.state == "success" and one.wiro_task_id is None
    ][:_MOST_RESULTS]
    if not without:
        return instances
    numbers, run_ids = {run.run_id: run.id for run in runs}, {run.id: run.run_id for run in runs}
    as_text = cast(xcom.c.value, Text)
    of_these = or_(
        *(and_(xcom.c.dag_run_id == numbers[run_id], one) for run_id, one in in_each_run(xcom, without))
    )
    query = select(xcom.c.dag_run_id, xcom.c.task_id, xcom.c.map_index, as_text).where(
        of_these, xcom.c.key == "return_value", func.length(as_text) <= _LONGEST_RESULT
    )
    found = {}
    for run, task_id, map_index, value in session.execute(query):
        summary = read_json(value)
        returned = summary.get("wiro_task_id") if isinstance(summary, dict) else None
        found[InstanceKey(run_ids[run], task_id, map_index)] = wiro_task_id_in("wiro_task_id", returned)
    return [replace(one, wiro_task_id=found.get(one.key, one.wiro_task_id)) for one in instances]


def _query(runs: Sequence[DagRunRow]) -> Select[Any]:
    table = task_instance.c
    return select(
        table.run_id,
        table.task_id,
        table.map_index,
        table.state,
        table.next_method,
        table.try_number,
        table.operator,
        table.rendered_map_index,
        table.dag_version_id,
    ).where(table.dag_id == runs[0].dag_id, table.run_id.in_([run.run_id for run in runs]))


def _tasks_of(session: Session, runs: Sequence[DagRunRow]) -> DagTasks:
    """Return the tasks of the versions of the DAG by which these DAG runs ran."""
    table = task_instance.c
    versions = session.scalars(
        select(table.dag_version_id)
        .where(table.dag_id == runs[0].dag_id, table.run_id.in_([run.run_id for run in runs]))
        .distinct()
    )
    return tasks_of_versions(session, runs[0].dag_id, set(versions) - {None})


def _of_provider(tasks: DagTasks, rows: Sequence[Any]) -> list[tuple[Any, DagTask]]:
    known = []
    for row in rows:
        task = tasks.find(row.dag_version_id, row.task_id) or _task_by_class(row)
        if task is not None:
            known.append((row, task))
    return known


def _instance(row: Any, task: DagTask, wiro_task_ids: Mapping[InstanceKey, str]) -> Instance:
    key = InstanceKey(row.run_id, row.task_id, row.map_index)
    label = row.rendered_map_index or None
    # After a deferral Airflow schedules and queues it once more, although it has long begun.
    is_resumed = row.next_method is not None and row.state in {"scheduled", "queued"}
    state = "running" if is_resumed else row.state
    return Instance(key, task, state, row.try_number, label, wiro_task_ids.get(key))


def _task_by_class(row: Any) -> DagTask | None:
    """Return the task of a DAG that is no longer stored."""
    kind = kind_of_class(row.operator)
    return None if kind is None else DagTask(row.task_id, kind)


def _wiro_task_ids(
    session: Session, runs: Sequence[DagRunRow], task_ids: Iterable[str], first: int | None
) -> Mapping[InstanceKey, str]:
    names = sorted(task_ids)
    if not names:
        return {}
    run_ids = {run.id: run.run_id for run in runs}
    as_text = cast(xcom.c.value, Text)
    query = select(xcom.c.dag_run_id, xcom.c.task_id, xcom.c.map_index, xcom.c.key, as_text).where(
        xcom.c.dag_run_id.in_(run_ids), xcom.c.key.in_(_ID_KEYS), func.length(as_text) <= _LONGEST_ID
    )
    if len(names) <= _MOST_NAMES:
        query = query.where(xcom.c.task_id.in_(names))
    if first is not None:
        query = query.where(xcom.c.map_index < first)
    found: dict[InstanceKey, str] = {}
    for run, task_id, map_index, key, value in session.execute(query.limit(2 * MOST_INSTANCES)):
        wiro_task_id = wiro_task_id_in(key, read_json(value))
        place = InstanceKey(run_ids[run], task_id, map_index)
        # The link's is that of the latest run; both are the same where both are there.
        if wiro_task_id and (key == "wiro_task_url" or place not in found):
            found[place] = wiro_task_id
    return found

"""Which tasks of a DAG are of this provider, by the DAG as Airflow has stored it, in each of its versions."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from airflow_provider_wiro.gallery.left.stored_tasks import tasks_in
from airflow_provider_wiro.gallery.left.tables import serialized_dag

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.orm import Session

    from airflow_provider_wiro.gallery.left.rows import DagTask

#: How many versions of a DAG are read for one page, which has up to ten DAG runs.
_MOST_VERSIONS = 12
#: How many versions of DAGs a process remembers: only their tasks of this provider.
_MOST_REMEMBERED = 256

_remembered: dict[tuple[str, str], Mapping[str, DagTask]] = {}
_lock = Lock()


@dataclass(frozen=True)
class DagTasks:
    """
    The tasks of this provider in versions of a DAG: another version can have other operators and arguments.

    :ivar by_version: Airflow's id of a version → task id → task; the newest version first.
    """

    by_version: Mapping[Any, Mapping[str, DagTask]]

    @property
    def task_ids(self) -> set[str]:
        """Of all of these versions."""
        return {task_id for tasks in self.by_version.values() for task_id in tasks}

    def find(self, version: Any, task_id: str) -> DagTask | None:
        """Return a task as a version has it, or else, if that version isn't known, as the newest has it."""
        if version in self.by_version:
            return self.by_version[version].get(task_id)
        return next((tasks[task_id] for tasks in self.by_version.values() if task_id in tasks), None)


def tasks_of_versions(session: Session, dag_id: str, versions: Collection[Any] = ()) -> DagTasks:
    """
    Return the tasks of this provider.

    :param versions: Airflow's ids of versions of the DAG; none: the newest ones.
    """
    table = serialized_dag.c
    query = select(table.id, table.dag_hash, table.dag_version_id).where(table.dag_id == dag_id)
    if versions:
        query = query.where(table.dag_version_id.in_(list(versions)))
    listed = session.execute(query.order_by(table.created_at.desc()).limit(_MOST_VERSIONS)).all()
    missing = [one.id for one in listed if (str(one.id), one.dag_hash) not in _remembered]
    read = _read(session, missing)
    found: dict[Any, Mapping[str, DagTask]] = {}
    for one in listed:
        key = (str(one.id), one.dag_hash)
        if key not in _remembered and one.id in read:
            _remember(key, tasks_in(read[one.id]))
        found[one.dag_version_id] = _remembered.get(key, {})
    return DagTasks(found)


def _read(session: Session, ids: list[Any]) -> dict[Any, Any]:
    if not ids:
        return {}
    table = serialized_dag.c
    rows = session.execute(select(table.id, table.data, table.data_compressed).where(table.id.in_(ids)))
    return {row.id: _data(row.data, row.data_compressed) for row in rows}


def _data(data: Any, compressed: bytes | None) -> Any:
    if compressed:
        return json.loads(zlib.decompress(compressed))
    return json.loads(data) if isinstance(data, str) else data


def _remember(key: tuple[str, str], tasks: Mapping[str, DagTask]) -> None:
    with _lock:
        while len(_remembered) >= _MOST_REMEMBERED:
            _remembered.pop(next(iter(_remembered)))
        _remembered[key] = tasks

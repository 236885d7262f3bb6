"""
DAG runs: one, and the latest of a DAG that have results.

Each is of exactly the DAG that is asked for: MySQL takes an id with spaces after it for the same, the auth
manager doesn't.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select

from airflow_provider_wiro.gallery.left.rows import DagRunRow
from airflow_provider_wiro.gallery.left.tables import dag_run, xcom

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

_COLUMNS = (
    dag_run.c.id,
    dag_run.c.dag_id,
    dag_run.c.run_id,
    dag_run.c.state,
    dag_run.c.logical_date,
    dag_run.c.start_date,
    dag_run.c.run_after,
)
#: How many DAG runs are looked through at a time for results, and how often.
_WINDOW = 200
_WINDOWS = 5


def find_dag_run(session: Session, dag_id: str, run_id: str) -> DagRunRow:
    """
    Return a DAG run.

    :raises LookupError: there is none.
    """
    found = session.execute(
        select(*_COLUMNS).where(dag_run.c.dag_id == dag_id, dag_run.c.run_id == run_id)
    ).first()
    if found is None or found.dag_id != dag_id:
        raise LookupError(f"DAG {dag_id!r} has no run {run_id!r}.")
    return DagRunRow(*found)


def latest_with_results(
    session: Session, dag_id: str, task_ids: Collection[str], keys: Sequence[str], at: str, most: int
) -> tuple[list[DagRunRow], str | None]:
    """
    Return the latest DAG runs in which one of these tasks has left an XCom, newest first.

    :param keys: of XComs that count as a result.
    :param at: where the page begins: the ``at`` that was returned for it, or empty.
    :param most: how many are returned.
    :return: they, and the ``at`` of the next page; None if no older runs have any. A page can have fewer,
        also none, and a next page: a DAG can have ten thousand runs without results.
    """
    found: list[DagRunRow] = []
    last = _position(session, dag_id, at)
    if at and last is None:
        return [], None
    for _ in range(_WINDOWS):
        rows = session.execute(_window(dag_id, last))
        window = [DagRunRow(*row) for row in rows if row.dag_id == dag_id]
        having = _with_results(session, [run.id for run in window], task_ids, keys)
        for run in window:
            if run.id in having:
                if len(found) == most:
                    return found, str(found[-1].id)
                found.append(run)
        if len(window) < _WINDOW:
            return found, None
        last = window[-1]
    return found, str(last.id) if last is not None else None


def _position(session: Session, dag_id: str, at: str) -> DagRunRow | None:
    """Return the DAG run after which a page begins."""
    if not at.isdecimal() or len(at) > 18:
        return None
    row = session.execute(
        select(*_COLUMNS).where(dag_run.c.id == int(at), dag_run.c.dag_id == dag_id)
    ).first()
    return None if row is None else DagRunRow(*row)


def _window(dag_id: str, last: DagRunRow | None) -> Select[Any]:
    query = select(*_COLUMNS).where(dag_run.c.dag_id == dag_id)
    if last is not None:
        query = query.where(
            or_(
                dag_run.c.run_after < last.run_after,
                and_(dag_run.c.run_after == last.run_after, dag_run.c.id < last.id),
            )
        )
    return query.order_by(dag_run.c.run_after.desc(), dag_run.c.id.desc()).limit(_WINDOW)


def _with_results(
    session: Session, ids: Sequence[int], task_ids: Collection[str], keys: Sequence[str]
) -> set[int]:
    if not ids or not task_ids:
        return set()
    # For each DAG run by itself, so that its XComs are found by their primary key.
    left = select(xcom.c.key).where(
        xcom.c.dag_run_id == dag_run.c.id, xcom.c.task_id.in_(sorted(task_ids)), xcom.c.key.in_(keys)
    )
    return set(session.scalars(select(dag_run.c.id).where(dag_run.c.id.in_(ids), left.exists())))

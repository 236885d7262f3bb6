"""The values that task instances have left: XComs and rendered arguments, read for the few of one page."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, and_, cast, func, or_, select

from airflow_provider_wiro.gallery.left.json_text import read_json
from airflow_provider_wiro.gallery.left.rows import InstanceKey, Values
from airflow_provider_wiro.gallery.left.stored_elsewhere import read_stored
from airflow_provider_wiro.gallery.left.tables import rendered_fields, xcom

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.orm import Session

    from airflow_provider_wiro.gallery.left.rows import DagRunRow

#: XComs of this provider's operators that a page shows something of.
KEYS = (
    "return_value",
    "wiro_error",
    "progress",
    "wiro_task_url",
    "wiro_s3_url",
    "wiro_storage_url",
    "wiro_manifest_url",
)
#: Bytes of one value, and of all values of a page: an LLM's answer can have some MB.
LONGEST = 4 * 1024**2
_MOST_BYTES = 48 * 1024**2


def values_of(
    session: Session, runs: Sequence[DagRunRow], keys: Collection[InstanceKey]
) -> Mapping[InstanceKey, Values]:
    """
    Return what these task instances have left. Values that are too large are named as unread.

    :param runs: the DAG runs of one DAG, in which they are.
    """
    if not keys:
        return {}
    xcoms, unread = _xcoms(session, runs, keys)
    rendered = _rendered(session, runs[0].dag_id, keys)
    return {key: Values(xcoms.get(key, {}), rendered.get(key), unread.get(key, {})) for key in keys}


def _xcoms(
    session: Session, runs: Sequence[DagRunRow], keys: Collection[InstanceKey]
) -> tuple[dict[InstanceKey, dict[str, Any]], dict[InstanceKey, dict[str, str]]]:
    numbers, run_ids = {run.run_id: run.id for run in runs}, {run.id: run.run_id for run in runs}
    as_text = cast(xcom.c.value, Text)
    columns = xcom.c.dag_run_id, xcom.c.task_id, xcom.c.map_index, xcom.c.key
    of_these = or_(
        *(and_(xcom.c.dag_run_id == numbers[run_id], one) for run_id, one in in_each_run(xcom, keys))
    )
    wanted = select(*columns, func.length(as_text)).where(of_these, xcom.c.key.in_(KEYS))
    sized = sorted(session.execute(wanted), key=lambda row: row[4] or 0)
    longest = _longest_that_fits([row[4] or 0 for row in sized])
    found: dict[InstanceKey, dict[str, Any]] = defaultdict(dict)
    unread: dict[InstanceKey, dict[str, str]] = defaultdict(dict)
    for run, task_id, map_index, key, size in sized:
        if (size or 0) > longest:
            unread[InstanceKey(run_ids[run], task_id, map_index)][key] = (
                f"It has {size:,} characters, too many for this page."
            )
    rows = session.execute(
        select(*columns, as_text).where(of_these, xcom.c.key.in_(KEYS), func.length(as_text) <= longest)
    )
    for run, task_id, map_index, key, text in rows:
        place = InstanceKey(run_ids[run], task_id, map_index)
        value, problem = read_stored(read_json(text), runs[0].dag_id, place, key, LONGEST)
        if problem:
            unread[place][key] = problem
        else:
            found[place][key] = value
    return found, unread


def _longest_that_fits(sizes: Sequence[int]) -> int:
    """
    Return the size up to which values are read, so that all that are read fit into memory.

    :param sizes: of all values, ascending.
    """
    longest, left = 0, _MOST_BYTES
    for size, same in groupby(sizes):
        left -= size * sum(1 for _ in same)
        if size > LONGEST or left < 0:
            break
        longest = size
    return longest


def _rendered(
    session: Session, dag_id: str, keys: Collection[InstanceKey]
) -> dict[InstanceKey, Mapping[str, Any]]:
    table = rendered_fields.c
    as_text = cast(table.rendered_fields, Text)
    of_these = or_(*(and_(table.run_id == run_id, one) for run_id, one in in_each_run(rendered_fields, keys)))
    rows = session.execute(
        select(table.run_id, table.task_id, table.map_index, as_text).where(
            table.dag_id == dag_id,
            table.task_id.in_(sorted({key.task_id for key in keys})),
            table.run_id.in_(sorted({key.run_id for key in keys})),
            of_these,
            func.length(as_text) <= LONGEST,
        )
    )
    found: dict[InstanceKey, Mapping[str, Any]] = {}
    for run_id, task_id, map_index, text in rows:
        value = read_json(text)
        if isinstance(value, dict):
            found[InstanceKey(run_id, task_id, map_index)] = value
    return found


def in_each_run(table: Table, keys: Iterable[InstanceKey]) -> Iterable[tuple[str, ColumnElement[bool]]]:
    """Return, for each DAG run and task, the condition that a row is one of these."""
    indexes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for key in keys:
        indexes[key.run_id, key.task_id].append(key.map_index)
    for (run_id, task_id), listed in indexes.items():
        yield run_id, and_(table.c.task_id == task_id, table.c.map_index.in_(sorted(listed)))

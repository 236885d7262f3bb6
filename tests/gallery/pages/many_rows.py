"""Many rows in Airflow's database: copies of those that a real DAG run has left, with other ids."""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, insert, select, text

from airflow_provider_wiro.gallery.left.tables import dag_run, rendered_fields, task_instance, xcom

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Table
    from sqlalchemy.orm import Session


class Rows:
    """
    A DAG run that is a copy of a real one, and further rows like its own.

    All of it is committed, since the gallery ends the transaction of what it reads, and removed at the end.

    :param base: the id of the real DAG run.
    """

    def __init__(self, session: Session, base: str) -> None:
        self._session = session
        self.base = base
        self.run_id = f"copy_{uuid.uuid4().hex}"
        self._run_ids = [self.run_id]
        self.run = dict(session.execute(select(dag_run).where(dag_run.c.run_id == base)).mappings().one())
        later = timedelta(minutes=1)
        self._insert(
            dag_run,
            [
                {
                    **{name: value for name, value in self.run.items() if name != "id"},
                    "run_id": self.run_id,
                    "logical_date": self.run["logical_date"] + later,
                    "run_after": self.run["run_after"] + later,
                }
            ],
        )
        number = session.scalar(select(dag_run.c.id).where(dag_run.c.run_id == self.run_id))
        for table, changes in ((task_instance, {}), (xcom, {"dag_run_id": number}), (rendered_fields, {})):
            found = session.execute(select(table).where(table.c.run_id == base)).mappings().all()
            rows = [{**row, **changes, "run_id": self.run_id} for row in found]
            if table is task_instance:
                rows = [{**row, "id": self._id(row)} for row in rows]
            self._insert(table, rows)

    def remove(self) -> None:
        """Remove the DAG runs, with all that is theirs."""
        self._session.rollback()
        for table in (xcom, rendered_fields, task_instance, dag_run):
            self._session.execute(table.delete().where(table.c.run_id.in_(self._run_ids)))
        self._session.commit()

    def execute(self, statement: str, **values: Any) -> None:
        """Change something of the DAG run, which the statement knows as ``:run_id``."""
        self._session.execute(text(statement), {"run_id": self.run_id, **values})
        self._session.commit()

    def copy_instance(self, task_id: str, map_indexes: Iterable[int], **changes: Any) -> None:
        """Add task instances like the first one of a task."""
        like = self._one(task_instance, task_id)
        self._insert(
            task_instance,
            [{**like, "id": self._id(like), "map_index": index, **changes} for index in map_indexes],
        )

    def copy_runs(self, count: int) -> list[str]:
        """Add DAG runs that began a minute earlier each, without task instances."""
        like = {name: value for name, value in self.run.items() if name != "id"}
        made = []
        for number in range(1, count + 1):
            minutes = timedelta(minutes=number)
            when = {name: self.run[name] - minutes for name in ("logical_date", "run_after")}
            made.append({**like, **when, "run_id": f"earlier_{number}_{self.run_id}"})
        self._insert(dag_run, made)
        self._run_ids += [one["run_id"] for one in made]
        return [one["run_id"] for one in made]

    def instances_for(self, run_ids: Iterable[str], task_id: str) -> None:
        """Add a task instance like the first one of a task to DAG runs."""
        like = self._one(task_instance, task_id)
        self._insert(task_instance, [{**like, "id": self._id(like), "run_id": run_id} for run_id in run_ids])

    def xcoms(
        self, task_id: str, key: str, values: Iterable[tuple[int, Any]], *, run_id: str | None = None
    ) -> None:
        """Set XComs: map index and value."""
        run_id = run_id or self.run_id
        number = self._session.scalar(select(dag_run.c.id).where(dag_run.c.run_id == run_id))
        listed = list(values)
        self._session.execute(
            xcom.delete().where(
                xcom.c.dag_run_id == number,
                xcom.c.task_id == task_id,
                xcom.c.key == key,
                xcom.c.map_index.in_([index for index, _ in listed]),
            )
        )
        shared = {
            "dag_run_id": number,
            "dag_id": self.run["dag_id"],
            "run_id": run_id,
            "task_id": task_id,
            "key": key,
            "timestamp": self.run["run_after"],
        }
        self._insert(
            xcom,
            [{**shared, "map_index": index, "value": json.dumps(value)} for index, value in listed],
        )

    def rendered(self, task_id: str, values: Iterable[tuple[int, dict[str, Any]]]) -> None:
        """Set rendered fields: map index and fields."""
        shared = {"dag_id": self.run["dag_id"], "run_id": self.run_id, "task_id": task_id}
        listed = list(values)
        self._session.execute(
            rendered_fields.delete().where(
                rendered_fields.c.run_id == self.run_id,
                rendered_fields.c.task_id == task_id,
                rendered_fields.c.map_index.in_([index for index, _ in listed]),
            )
        )
        self._insert(
            rendered_fields,
            [{**shared, "map_index": index, "rendered_fields": fields} for index, fields in listed],
        )

    def _one(self, table: Table, task_id: str | None = None) -> dict[str, Any]:
        query = select(table).where(table.c.run_id == self.run_id)
        if task_id is not None:
            query = query.where(table.c.task_id == task_id).order_by(table.c.map_index)
        return dict(self._session.execute(query).mappings().first() or {})

    def _id(self, like: dict[str, Any]) -> Any:
        new = uuid.uuid4()
        return str(new) if isinstance(like["id"], str) else new

    def _insert(self, table: Table, rows: list[dict[str, Any]]) -> None:
        if rows:
            self._session.execute(insert(table), rows)
        self._session.commit()


@contextmanager
def statements(session: Session) -> Iterator[list[str]]:
    """Collect the statements that are sent to the database."""
    sent: list[str] = []
    engine = session.get_bind()

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)

"""MySQL takes an id with spaces after it for the id without them. Rights were asked for the one with them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, event, insert, select
from sqlalchemy.orm import Session

from airflow_provider_wiro.gallery.left.dag_runs import find_dag_run, latest_with_results
from airflow_provider_wiro.gallery.left.tables import dag_run, xcom

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.airflow

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
RUN = {
    "dag_id": "pictures",
    "run_id": "one",
    "state": "success",
    "run_type": "manual",
    "run_after": NOON,
    "log_template_id": 1,
}
RESULT = {"dag_id": "pictures", "run_id": "one", "task_id": "draw", "key": "return_value", "value": "7"}


@pytest.fixture
def session() -> Iterator[Session]:
    """A database with one DAG run, which compares the ids of DAGs as MySQL does."""
    engine = create_engine("sqlite://")
    event.listen(engine, "before_cursor_execute", _pad, retval=True)
    for table in (dag_run, xcom):
        table.create(engine)
    with Session(engine) as made:
        made.execute(insert(dag_run), [RUN])
        number = made.scalar(select(dag_run.c.id))
        made.execute(insert(xcom), [{**RESULT, "dag_run_id": number, "map_index": -1, "timestamp": NOON}])
        yield made
    engine.dispose()


def _pad(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
    return statement.replace("dag_id = ?", "dag_id = ? COLLATE RTRIM"), parameters


def test_the_database_takes_the_longer_id_for_the_dag_s(session: Session) -> None:
    assert session.scalar(select(dag_run.c.run_id).where(dag_run.c.dag_id == "pictures ")) == "one"


def test_a_run_is_one_of_exactly_the_dag_that_was_asked_for(session: Session) -> None:
    assert find_dag_run(session, "pictures", "one").dag_id == "pictures"
    with pytest.raises(LookupError):
        find_dag_run(session, "pictures ", "one")


def test_so_are_the_latest_runs(session: Session) -> None:
    def latest(dag_id: str, at: str = "") -> list[str]:
        runs, _ = latest_with_results(session, dag_id, ["draw"], ["return_value"], at, 10)
        return [run.run_id for run in runs]

    assert latest("pictures") == ["one"]
    assert latest("pictures ") == []

"""A DAG file changes, and each of its runs is shown as the version has it by which it ran."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.models.dag_version import DagVersion
from sqlalchemy import insert, select, update

from airflow_provider_wiro.gallery import reading
from airflow_provider_wiro.gallery.left.dag_runs import find_dag_run
from airflow_provider_wiro.gallery.left.instances import instances_of
from airflow_provider_wiro.gallery.left.rows import Kind
from airflow_provider_wiro.gallery.left.tables import serialized_dag, task_instance
from tests.gallery.pages.many_rows import statements
from tests.gallery.pages.test_many_rows import DAG_ID, LAND, RUN, moto_url, rows, run_id, s3, session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.orm import Session

    from tests.gallery.pages.many_rows import Rows

__all__ = ["moto_url", "rows", "run_id", "s3", "session"]

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

versions: Any = DagVersion.__table__


@pytest.fixture
def add_version(session: Session) -> Iterator[Callable[[Callable[[str], str]], Any]]:
    """Store a newer version of the DAG, whose text is changed by a function; return its id."""
    added: list[tuple[Any, Any]] = []

    def add(changed: Callable[[str], str]) -> Any:
        newest = session.execute(
            select(serialized_dag)
            .where(serialized_dag.c.dag_id == DAG_ID)
            .order_by(serialized_dag.c.created_at.desc())
        )
        stored = dict(newest.mappings().first() or {})
        version = dict(
            session.execute(select(versions).where(versions.c.id == stored["dag_version_id"]))
            .mappings()
            .one()
        )
        one, two = uuid.uuid4(), uuid.uuid4()
        of_text = isinstance(stored["id"], str)
        ids: tuple[Any, Any] = (str(one), str(two)) if of_text else (one, two)
        later = timedelta(seconds=1 + len(added))
        session.execute(
            insert(versions),
            [{**version, "id": ids[0], "version_number": version["version_number"] + 1}],
        )
        session.execute(
            insert(serialized_dag),
            [
                {
                    **stored,
                    "id": ids[1],
                    "dag_version_id": ids[0],
                    "dag_hash": uuid.uuid4().hex,
                    "created_at": stored["created_at"] + later,
                    "data": json.loads(changed(json.dumps(stored["data"]))),
                }
            ],
        )
        session.commit()
        added.append(ids)
        return ids[0]

    yield add
    session.rollback()
    session.execute(
        update(task_instance)
        .values(dag_version_id=None)
        .where(task_instance.c.dag_version_id.in_([one for one, _ in added]))
    )
    session.execute(serialized_dag.delete().where(serialized_dag.c.id.in_([two for _, two in added])))
    session.execute(versions.delete().where(versions.c.id.in_([one for one, _ in added])))
    session.commit()


def run_by(session: Session, run_id: str, version: Any) -> None:
    session.execute(
        update(task_instance).where(task_instance.c.run_id == run_id).values(dag_version_id=version)
    )
    session.commit()


def test_each_run_has_the_connection_of_its_own_version(
    rows: Rows, session: Session, add_version: Callable[[Callable[[str], str]], Any]
) -> None:
    newer = add_version(
        lambda text: text.replace('"s3_bucket": ', '"aws_conn_id": "elsewhere", "s3_bucket": ')
    )
    run_by(session, rows.run_id, newer)
    runs = [find_dag_run(session, DAG_ID, one) for one in (rows.run_id, rows.base)]

    found = {
        one.key.run_id: one.task.arguments.get("aws_conn_id")
        for one in instances_of(session, runs)
        if one.kind is Kind.TRANSFER
    }

    assert found == {rows.run_id: "elsewhere", rows.base: "aws_default"}


def test_a_task_that_was_renamed_has_its_former_runs_on_the_page_of_the_dag(
    rows: Rows, session: Session, add_version: Callable[[Callable[[str], str]], Any]
) -> None:
    add_version(lambda text: text.replace("shots.picture", "shots.scene").replace("shots.land", "shots.keep"))

    shown = reading.dag_gallery(session, DAG_ID)

    assert {rows.run_id, rows.base} <= {run.run_id for run in shown.runs}
    assert {card.task_id for run in shown.runs for section in run.sections for card in section.cards} == {RUN}


def test_another_provider_s_task_instances_are_not_read(rows: Rows, session: Session) -> None:
    rows.copy_instance("shots.subjects", range(3, 2_000))

    with statements(session) as sent:
        found = instances_of(session, [find_dag_run(session, DAG_ID, rows.run_id)])

    assert {one.key.task_id for one in found} == {RUN, LAND}
    assert len(sent) < 8

"""The tables of Airflow's database that the gallery reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from airflow.models.dagrun import DagRun
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.sql import FromClause


def _table(of: FromClause) -> Table:
    return cast("Table", of)


# Tables and not Airflow's classes: nothing is loaded that isn't named, such as a DAG run for each XCom.
dag_run = _table(DagRun.__table__)
task_instance = _table(TaskInstance.__table__)
xcom = _table(XComModel.__table__)
rendered_fields = _table(RenderedTaskInstanceFields.__table__)
serialized_dag = _table(SerializedDagModel.__table__)

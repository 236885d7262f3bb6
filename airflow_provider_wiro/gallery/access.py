"""
Who may see what: Airflow's auth manager decides, for exactly the DAG that a path names.

Without postponed annotations: FastAPI reads them when a route is made.
"""

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, get_user, requires_access_dag
from fastapi import Depends, HTTPException, Request

#: A page shows a DAG run's state, its task instances with their rendered fields, and what is in their XComs.
_ENTITIES = (DagAccessEntity.RUN, DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)
#: Airflow's columns of ids are no wider.
_LONGEST_ID = 250
#: Airflow's API takes it for all DAGs, or all runs of one.
_ALL = "~"


def may_see(request: Request, user: GetUserDep, dag_id: str) -> bool:
    """Return whether a user may see what the gallery shows of another DAG than the path's."""
    if not _can_be(dag_id):
        return False
    try:
        for entity in _ENTITIES:
            requires_access_dag(method="GET", access_entity=entity, param_dag_id=dag_id)(request, user)
    except HTTPException:
        return False
    return True


def _names_one_dag(request: Request, _user: GetUserDep) -> None:
    """
    Refuse a path that names no single DAG, or whose ids Airflow can't have.

    It comes before the auth manager is asked, which takes `~` for all DAGs, but after the user is known.
    """
    ids = [value for name, value in request.path_params.items() if name.endswith("_id")]
    if not all(_can_be(each) for each in ids):
        raise HTTPException(404)


def _can_be(id_of_airflow: str) -> bool:
    is_possible = 0 < len(id_of_airflow) <= _LONGEST_ID and id_of_airflow.isprintable()
    return is_possible and id_of_airflow != _ALL


#: Of each route that shows something of a DAG. Its path has to have `dag_id`.
SEES_THE_DAG = [
    Depends(_names_one_dag),
    *(Depends(requires_access_dag(method="GET", access_entity=entity)) for entity in _ENTITIES),
]

#: Of each route that shows nothing of any DAG.
IS_SIGNED_IN = [Depends(get_user)]

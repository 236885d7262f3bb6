"""
What the gallery shows of DAG runs, read from Airflow's database: the entries for the routes.

Each is given a session for reading only, and rolls it back as soon as all rows are read: a slow store must
not keep connections of Airflow's database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.gallery.left.dag_runs import find_dag_run
from airflow_provider_wiro.gallery.left.instances import find_instances
from airflow_provider_wiro.gallery.left.rows import InstanceKey
from airflow_provider_wiro.gallery.pages.dag_page import read_dag_page
from airflow_provider_wiro.gallery.pages.outputs import read_output
from airflow_provider_wiro.gallery.pages.page_parts import Building
from airflow_provider_wiro.gallery.pages.run_page import read_run_page, read_task_page
from airflow_provider_wiro.gallery.settings import serves_all_media

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_provider_wiro.gallery.landed_output import LandedOutput
    from airflow_provider_wiro.gallery.page import Gallery


def run_gallery(session: Session, dag_id: str, run_id: str, at: str = "") -> Gallery:
    """
    Return what the page of a DAG run shows.

    :param at: the page of its single runs, as a section names it.
    :raises LookupError: there is no such DAG run.
    """
    return read_run_page(session, dag_id, run_id, at, Building())


def task_gallery(
    session: Session, dag_id: str, run_id: str, task_id: str, map_index: int, at: str = ""
) -> Gallery:
    """
    Return what the page of a task instance shows: nothing, if its task is none of this provider's.

    :param map_index: -1 if it isn't mapped; of a mapped task -1 is all of its task instances.
    :param at: the page of its section, as the section names it.
    :raises LookupError: there is no such task instance.
    """
    return read_task_page(session, dag_id, InstanceKey(run_id, task_id, map_index), at, Building())


def dag_gallery(session: Session, dag_id: str, at: str = "") -> Gallery:
    """
    Return what the page of a DAG shows: its latest runs that have results, newest first.

    :param at: older runs, as :attr:`~airflow_provider_wiro.gallery.page.Gallery.next` names them.
    """
    return read_dag_page(session, dag_id, at, Building())


def media_origins(
    session: Session, dag_id: str, run_id: str | None = None, task_id: str | None = None, map_index: int = -1
) -> tuple[str, ...]:
    """
    Return where the media of a page come from beside the API server, for its Content-Security-Policy.

    No manifest is read for it, so it can lack one that the page's JSON names: then the page is loaded again.

    :param run_id: None: the page of the DAG.
    :param task_id: None: the page of the DAG run.
    :raises LookupError: there is no such DAG run, or task instance.
    """
    if serves_all_media():
        run = None if run_id is None else find_dag_run(session, dag_id, run_id)
        if run is not None and task_id is not None:
            find_instances(session, run, InstanceKey(run.run_id, task_id, map_index))
        return ()
    building = Building(manifests=0)
    if run_id is None:
        return read_dag_page(session, dag_id, "", building).origins
    if task_id is None:
        return read_run_page(session, dag_id, run_id, "", building).origins
    return read_task_page(session, dag_id, InstanceKey(run_id, task_id, map_index), "", building).origins


def find_output(
    session: Session, dag_id: str, run_id: str, task_id: str, map_index: int, place: str, index: int
) -> LandedOutput:
    """
    Return an output that a task instance's result names.

    :param place: ``-`` of its own result, an item's number from 0 of its batch manifest, ``b`` and the byte
        at which the line of its export's manifest begins.
    :param index: its position among the files there, from 0.
    :raises LookupError: the result names no such output.
    """
    return read_output(session, dag_id, InstanceKey(run_id, task_id, map_index), place, index)

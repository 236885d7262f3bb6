"""The page of a DAG: its latest DAG runs that have results, each with its first cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.gallery.left.dag_runs import latest_with_results
from airflow_provider_wiro.gallery.left.dag_tasks import tasks_of_versions
from airflow_provider_wiro.gallery.left.instances import count_of, instances_of
from airflow_provider_wiro.gallery.left.rows import Kind
from airflow_provider_wiro.gallery.left.values import values_of
from airflow_provider_wiro.gallery.pages.page_parts import Building, gallery_run, refresh_seconds, split
from airflow_provider_wiro.gallery.pages.run_sections import GroupPage, runs_section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from airflow_provider_wiro.gallery.cards.groups import Group
    from airflow_provider_wiro.gallery.left.rows import DagRunRow, Instance
    from airflow_provider_wiro.gallery.page import Gallery, GalleryRun, Section

#: DAG runs a page, cards of the single runs of each, batches and exports of each, and cards of these.
MOST_RUNS = 10
MOST_CARDS = 12
_MOST_LISTS = 3
#: XComs of which one makes a DAG run worth showing.
_RESULTS = ("return_value", "wiro_error", "wiro_task_url", "progress")


def read_dag_page(session: Session, dag_id: str, at: str, building: Building) -> Gallery:
    """Return the page of a DAG, see :func:`~airflow_provider_wiro.gallery.reading.dag_gallery`."""
    # Of older versions, too: a task that was renamed has left results under its former name.
    task_ids = tasks_of_versions(session, dag_id).task_ids
    runs, next_page = latest_with_results(session, dag_id, task_ids, _RESULTS, at, MOST_RUNS)
    of_run: dict[str, list[Instance]] = {run.run_id: [] for run in runs}
    instances = instances_of(session, runs, first=MOST_CARDS)
    for one in instances:
        of_run[one.key.run_id].append(one)
    parts = {run_id: split(listed) for run_id, listed in of_run.items()}
    more = _further(session, runs, of_run)
    keys = [
        key
        for groups, lists in parts.values()
        for key in (
            *(one.key for group in groups[:MOST_CARDS] for one in group.members),
            *(one.key for one in lists[:_MOST_LISTS]),
        )
    ]
    values = values_of(session, runs, keys)
    session.rollback()  # from here on S3 may be waited for, so the connection goes back to Airflow's pool
    building.see_buckets(instances, values)
    shown: list[GalleryRun] = []
    for run in runs:
        groups, lists = parts[run.run_id]
        sections: list[Section] = []
        if groups:
            page = _first_groups(groups, more.get(run.run_id, 0))
            sections.append(runs_section(run, page, values, building.rules, building.origins, pages=False))
        sections += building.lists(run, lists[:_MOST_LISTS], values, MOST_CARDS)
        shown.append(gallery_run(run, sections))
    cards = sum(len(section.cards) for run in shown for section in run.sections)
    refresh = refresh_seconds(any(run.is_on_its_way for run in runs), cards)
    return building.gallery(dag_id, shown, refresh=refresh, next_page=next_page)


def _first_groups(groups: Sequence[Group], more: int) -> GroupPage:
    """
    Return the first groups of a DAG run.

    :param more: how many runs of models were not read. Then a mapped transfer can be of one of these.
    """
    whole = [
        one for one in groups if not (more and one.first.kind is not Kind.RUN and one.first.task.follows)
    ]
    return GroupPage(whole[:MOST_CARDS], 1, len(whole) + more)


def _further(
    session: Session, runs: Sequence[DagRunRow], of_run: dict[str, list[Instance]]
) -> dict[str, int]:
    """Return how many runs of models each DAG run has beyond the task instances that were read."""
    last = MOST_CARDS - 1
    task_ids = {
        one.key.task_id
        for instances in of_run.values()
        for one in instances
        if one.kind is Kind.RUN and one.key.map_index == last
    }
    return count_of(session, runs, task_ids, MOST_CARDS) if task_ids else {}

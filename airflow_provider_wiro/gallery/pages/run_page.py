"""The pages of a DAG run and of a task instance."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_wiro.gallery.cards.states import instance_state, is_over
from airflow_provider_wiro.gallery.left.dag_runs import find_dag_run
from airflow_provider_wiro.gallery.left.instances import find_instances, instances_of
from airflow_provider_wiro.gallery.left.rows import InstanceKey, Kind, Values
from airflow_provider_wiro.gallery.left.values import values_of
from airflow_provider_wiro.gallery.pages.list_sections import list_section
from airflow_provider_wiro.gallery.pages.page_parts import (
    MOST_LISTS,
    Building,
    gallery_run,
    refresh_seconds,
    split,
)
from airflow_provider_wiro.gallery.pages.run_sections import GroupPage, progress_of, runs_section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from airflow_provider_wiro.gallery.left.rows import DagRunRow, Instance
    from airflow_provider_wiro.gallery.page import Gallery


def read_run_page(session: Session, dag_id: str, run_id: str, at: str, building: Building) -> Gallery:
    """Return the page of a DAG run, see :func:`~airflow_provider_wiro.gallery.reading.run_gallery`."""
    run = find_dag_run(session, dag_id, run_id)
    instances = instances_of(session, [run])
    groups, lists = split(instances)
    page = GroupPage.at(groups, at)
    keys = [*page.keys, *(one.key for one in lists[:MOST_LISTS])]
    values = values_of(session, [run], keys)
    session.rollback()  # from here on S3 may be waited for, so the connection goes back to Airflow's pool
    building.see_buckets(instances, values)
    sections = []
    if groups:
        progress = progress_of(run, groups)
        sections.append(runs_section(run, page, values, building.rules, building.origins, progress=progress))
    sections += building.lists(run, lists, values)
    cards = len(page.groups) + sum(len(section.cards) for section in sections)
    refresh = refresh_seconds(run.is_on_its_way, cards)
    return building.gallery(dag_id, [gallery_run(run, sections)], refresh=refresh)


def read_task_page(session: Session, dag_id: str, key: InstanceKey, at: str, building: Building) -> Gallery:
    """Return the page of a task instance, see :func:`~airflow_provider_wiro.gallery.reading.task_gallery`."""
    run = find_dag_run(session, dag_id, key.run_id)
    found = find_instances(session, run, key)
    if not found:
        return building.gallery(dag_id, [gallery_run(run, [])], refresh=None)
    if found[0].kind in {Kind.BATCH, Kind.EXPORT}:
        return _list_page(session, run, found, at, building)
    instances = instances_of(session, [run])
    groups, _ = split(instances)
    own = [group for group in groups if group.has(key.task_id, key.map_index)]
    page = GroupPage.at(own, at)
    values = values_of(session, [run], page.keys)
    session.rollback()
    building.see_buckets(instances, values)
    progress = progress_of(run, own)
    sections = []
    if own:
        section = runs_section(
            run, page, values, building.rules, building.origins, progress=progress, task_id=key.task_id
        )
        name = found[0].name if len(found) == 1 else key.task_id
        sections.append(replace(section, id=name, title=name, task_id=key.task_id, map_index=key.map_index))
    is_waiting = run.is_on_its_way and progress is not None
    refresh = refresh_seconds(is_waiting or (run.is_on_its_way and not own), len(page.groups))
    return building.gallery(dag_id, [gallery_run(run, sections)], refresh=refresh)


def _list_page(
    session: Session, run: DagRunRow, found: Sequence[Instance], at: str, building: Building
) -> Gallery:
    values = values_of(session, [run], [one.key for one in found[:MOST_LISTS]])
    session.rollback()
    building.see_buckets(found, values)
    if len(found) == 1:
        left = values.get(found[0].key, Values())
        reads = building.manifests > 0
        sections = [list_section(run, found[0], left, building.rules, building.origins, at=at, reads=reads)]
    else:
        sections = building.lists(run, found, values)
    states = [instance_state(one.state, is_on_its_way=run.is_on_its_way) for one in found]
    cards = sum(len(section.cards) for section in sections)
    refresh = refresh_seconds(not all(map(is_over, states)), cards)
    return building.gallery(run.dag_id, [gallery_run(run, sections)], refresh=refresh)

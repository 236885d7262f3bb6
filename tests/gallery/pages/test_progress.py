"""How far batches and runs are: what is over has nothing queued and nothing running any more."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wiro.gallery.cards.groups import groups_of
from airflow_provider_wiro.gallery.left.rows import Kind
from airflow_provider_wiro.gallery.page import Progress
from airflow_provider_wiro.gallery.pages.list_sections import list_section
from airflow_provider_wiro.gallery.pages.origins import Origins
from airflow_provider_wiro.gallery.pages.page_parts import MOST_LISTS, Building
from airflow_provider_wiro.gallery.pages.run_sections import progress_of
from tests.gallery.cards.made import ENDED, ON_ITS_WAY, RULES, instance, left

NOTED = {"total": 30, "queued": 21, "running": 4, "ended": 1, "done": 3, "failed": 1, "at": "2026-11-27"}
COUNTED = {
    "model": "owner/model",
    "total": 3,
    "succeeded": 2,
    "failed": 0,
    "not_run": 1,
    "manifest_uri": "s3://bucket/m.jsonl",
}


def progress(state: str, *, run: Any = ON_ITS_WAY, **xcoms: Any) -> Progress | None:
    batch = instance("shots", Kind.BATCH, state)
    origins = Origins(lambda uri, conn_id: None)
    return list_section(run, batch, left(**xcoms), RULES, origins, reads=False).progress


@pytest.mark.parametrize("state", ["running", "deferred", "up_for_retry"])
def test_a_batch_on_its_way_has_what_it_has_noted_last(state: str) -> None:
    found = progress(state, progress=NOTED)

    assert found == Progress(30, queued=21, running=5, done=3, failed=1, at="2026-11-27")


@pytest.mark.parametrize("state", ["failed", "success", "removed"])
def test_of_a_batch_that_was_stopped_nothing_is_queued_or_running(state: str) -> None:
    found = progress(state, progress=NOTED)

    assert found == Progress(30, done=3, failed=1, not_done=26, at="2026-11-27")


def test_nor_when_its_dag_run_is_over() -> None:
    found = progress("deferred", run=ENDED, progress=NOTED)

    assert found == Progress(30, done=3, failed=1, not_done=26, at="2026-11-27")


def test_items_that_a_budget_has_left_out_are_not_queued() -> None:
    found = progress("success", return_value=COUNTED)

    assert found == Progress(3, done=2, not_done=1)


def test_runs_that_were_skipped_are_not_done() -> None:
    states = ["success", "skipped", "upstream_failed", "failed", "queued"]
    instances = [instance(f"draw_{number}", state=state) for number, state in enumerate(states)]

    found = progress_of(ON_ITS_WAY, groups_of(instances))

    assert found == Progress(5, queued=1, done=1, failed=1, not_done=2)


@pytest.mark.parametrize(
    ("count", "note"),
    [
        (MOST_LISTS + 1, "1 more batch or export is on the page of its own task."),
        (MOST_LISTS + 2, "2 more batches and exports are on the pages of their own tasks."),
    ],
)
def test_batches_beyond_those_shown_are_counted(count: int, note: str) -> None:
    batches = [instance("shots", Kind.BATCH, map_index=index) for index in range(count)]

    assert Building(RULES, manifests=0).lists(ENDED, batches, {})[-1].note == note

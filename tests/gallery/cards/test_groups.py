"""Which task instances are one card."""

from __future__ import annotations

import time

import pytest

from airflow_provider_wiro.gallery.cards.groups import groups_of
from airflow_provider_wiro.gallery.left.rows import Instance, Kind
from tests.gallery.cards.made import instance, transfer


def names(instances: list[Instance]) -> list[list[str]]:
    return [[one.name for one in group.members] for group in groups_of(instances)]


def test_a_run_its_sensor_and_its_transfer_are_one() -> None:
    run = instance(wiro_task_id="1")
    sensor = instance("wait", Kind.SENSOR, wiro_task_id="1", order=1, follows=True)
    land = transfer(wiro_task_id="1", order=2)

    assert names([run, sensor, land]) == [["generate", "wait", "land"]]


def test_mapped_transfers_belong_to_the_runs_that_they_landed_whatever_their_index() -> None:
    runs = [instance(map_index=index, wiro_task_id=str(index)) for index in range(3)]
    # The second run failed, so the transfers' indexes are others than the runs'.
    landed = [transfer(map_index=0, wiro_task_id="0"), transfer(map_index=1, wiro_task_id="2")]

    assert names([*runs, *landed]) == [
        ["generate[0]", "land[0]"],
        ["generate[1]"],
        ["generate[2]", "land[1]"],
    ]


def test_runs_that_reused_one_result_each_have_their_own_transfer() -> None:
    runs = [instance(map_index=index, wiro_task_id="1") for index in range(2)]
    landed = [transfer(map_index=index, wiro_task_id="1") for index in (1, 0)]

    assert names([*runs, *landed]) == [["generate[0]", "land[0]"], ["generate[1]", "land[1]"]]


def test_groups_are_in_the_order_of_the_dag() -> None:
    late, early = instance("b", order=5), instance("a", order=2, map_index=1)

    assert names([late, instance("a", order=2, map_index=0), early]) == [["a[0]"], ["a[1]"], ["b"]]


@pytest.mark.parametrize(
    "state", [None, "scheduled", "queued", "running", "upstream_failed", "skipped", "removed"]
)
def test_a_transfer_that_has_landed_nothing_has_no_card_beside_its_run_s(state: str | None) -> None:
    assert names([instance(), transfer(state)]) == [["generate"]]


@pytest.mark.parametrize("state", [None, "scheduled", "queued", "upstream_failed"])
def test_a_cleared_transfer_has_no_card_for_the_wiro_task_that_it_landed_before(state: str | None) -> None:
    """Airflow deletes its XComs when it begins, and the run before it has another Wiro task by then."""
    run = instance(state="running", wiro_task_id="2")
    assert names([run, transfer(state, wiro_task_id="1")]) == [["generate"]]


@pytest.mark.parametrize("state", [None, "queued"])
def test_a_transfer_that_was_cleared_alone_stays_on_its_run_s_card(state: str | None) -> None:
    assert names([instance(wiro_task_id="1"), transfer(state, wiro_task_id="1")]) == [["generate", "land"]]


@pytest.mark.parametrize("state", ["failed", "up_for_retry"])
def test_a_transfer_that_failed_before_it_knew_its_wiro_task_has_one(state: str) -> None:
    assert names([instance(), transfer(state)]) == [["generate"], ["land"]]


def test_a_transfer_without_a_run_before_it_has_a_card_from_the_start() -> None:
    assert names([transfer(None, follows=False)]) == [["land"]]


def test_batches_and_exports_are_no_cards() -> None:
    assert names([instance("b", Kind.BATCH), instance("e", Kind.EXPORT)]) == []


def test_many_transfers_of_one_wiro_task_make_no_giant_card_and_take_no_time() -> None:
    many = [transfer(map_index=index, wiro_task_id="1", follows=False) for index in range(5_000)]
    runs = [instance(map_index=index, wiro_task_id="1") for index in range(5_000)]
    started_at = time.process_time()

    groups = groups_of([*runs, *many])

    assert time.process_time() - started_at < 2
    assert max(len(group.members) for group in groups) == 2
    assert sum(len(group.members) for group in groups) == 10_000
    crowd = groups_of([runs[0], *many[:100]])
    assert max(len(group.members) for group in crowd) <= 7
    assert sum(len(group.members) for group in crowd) == 101

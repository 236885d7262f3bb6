"""The state of a batch, built from journal entries: the same live as replayed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.batch_state import BatchState
from airflow_provider_wiro.batch.state.entries import read_begin
from airflow_provider_wiro.batch.state.items import Attempt, ItemState
from airflow_provider_wiro.batch.state.task_ids import TaskIdSet
from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from airflow_provider_wiro.recovery.sending import Sending

ATTEMPT = Attempt("digest", Sending(1000.0, "2220"), 1)


def record(*journal: dict[str, Any], total: int = 3, try_number: int = 1, **settings: Any) -> BatchState:
    made = BatchState(total, try_number=try_number, **settings)
    for entry in journal:
        made.apply(json.loads(json.dumps(entry)))
    return made


STARTED = (entries.run_intended(0, ATTEMPT), entries.run_accepted(0, "2221"))


def test_an_item_goes_from_its_intent_over_its_task_to_its_end() -> None:
    states = []
    found = record()
    for entry in (*STARTED, entries.item_done(0, (4, 2), cost="0.5", size=7)):
        found.apply(entry)
        states.append(found.item_state(0))

    assert states == [ItemState.INTENDED, ItemState.RUNNING, ItemState.DONE]
    assert (found.result_location(0), found.costs.total_usd, found.total_bytes, found.attempts) == (
        (4, 2),
        "0.5",
        7,
        {},
    )
    assert (found.count(ItemState.DONE), found.count(ItemState.PENDING), found.runs_sent(0)) == (1, 2, 1)
    assert not found.is_over


def test_a_cost_that_is_not_known_makes_the_sum_unknown_until_it_is() -> None:
    two = (entries.run_intended(1, ATTEMPT), entries.run_accepted(1, "2222"))
    journal = (
        *STARTED,
        entries.item_done(0, (1, 0), cost=None, size=None),
        *two,
        entries.item_done(1, (1, 1), cost="0.25", size=None),
    )
    costs = record(*journal).costs
    assert (costs.total_usd, costs.known_usd, costs.unknown) == (None, "0.25", 1)
    assert list(costs.unknown_ids) == ["2221"]

    for late in (
        entries.cost_learned("2221", "0.5"),
        entries.cost_learned("7", "9"),
    ):  # no run with id 7 is counted
        journal = (*journal, late, late)
    costs = record(*journal).costs
    assert (costs.total_usd, costs.unknown, costs.learned) == ("0.75", 0, {"2221": "0.5"})


def test_a_run_that_succeeded_in_vain_is_on_the_bill_in_this_try_and_in_the_next() -> None:
    in_vain = entries.item_retried(0, 1, is_billed=True, cost="0.1")
    for_good = entries.item_failed(0, (1, 0), 1, may_retry=True, is_billed=True, cost="0.2")
    second = (entries.run_intended(0, ATTEMPT), entries.run_accepted(0, "2222"))

    for try_number, state in ((1, ItemState.FAILED), (2, ItemState.PENDING)):
        found = record(*STARTED, in_vain, *second, for_good, try_number=try_number)
        assert (found.item_state(0), found.costs.total_usd) == (state, "0.3")
    unknown = record(*STARTED, entries.item_retried(0, 1, is_billed=True))
    assert list(unknown.costs.unknown_ids) == ["2221"]


def test_a_journal_of_the_version_before_is_read_as_it_was() -> None:
    kept = {**entries.item_failed(0, (1, 0), 1, may_retry=False, keeps_task=True, cost="0.1")}
    plain = {**entries.item_failed(0, (1, 0), 1, may_retry=False)}
    for entry, total in ((kept, "0.1"), (plain, "0")):
        del entry["is_billed"]
        assert record(*STARTED, entry).costs.total_usd == total


def test_a_failure_whose_result_is_lost_keeps_its_task() -> None:
    kept = entries.item_failed(0, (4, 0), 1, may_retry=False, keeps_task=True, is_billed=True, cost="0.1")
    found = record(*STARTED, kept, existing_shards={3})
    assert (found.item_state(0), found.attempts[0].wiro_task_id) == (ItemState.RUNNING, "2221")
    assert found.costs.total_usd == "0"


def test_a_run_that_was_not_started_leaves_its_item_as_it_was() -> None:
    found = record(entries.run_intended(0, ATTEMPT), entries.run_not_started(0))

    assert (found.item_state(0), found.runs_sent(0), found.attempts) == (ItemState.PENDING, 0, {})


def test_failures_count_for_the_try_they_happened_in() -> None:
    journal = (*STARTED, entries.item_retried(0, 1))

    assert (record(*journal).failures(0), record(*journal).item_state(0)) == (1, ItemState.PENDING)
    assert record(*journal, try_number=2).failures(0) == 0
    assert record(*journal, try_number=2).runs_sent(0) == 1


def test_a_permanently_failed_item_is_pending_again_in_the_next_try() -> None:
    journal = (*STARTED, entries.item_failed(0, (1, 0), 1, may_retry=True))

    assert record(*journal).item_state(0) is ItemState.FAILED
    assert record(*journal).may_retry
    assert record(*journal, try_number=2).item_state(0) is ItemState.PENDING


@pytest.mark.parametrize(
    ("journal", "state"),
    [(STARTED, ItemState.RUNNING), (STARTED[:1], ItemState.INTENDED)],
    ids=["its task", "its lost run"],
)
def test_the_next_try_polls_a_paid_task_again_and_starts_no_other(
    journal: tuple[dict[str, Any], ...], state: ItemState
) -> None:
    whole = (
        *journal,
        entries.item_failed(0, (1, 0), 1, may_retry=False, keeps_task=True, is_billed=True, cost="0.1"),
    )

    assert record(*whole).item_state(0) is ItemState.FAILED
    assert record(*whole).costs.total_usd == "0.1"
    again = record(*whole, try_number=2)
    assert (again.item_state(0), again.costs.total_usd) == (state, "0")
    assert again.attempts[0].fingerprint == "digest"


def test_an_item_whose_result_is_lost_is_polled_again() -> None:
    journal = (*STARTED, entries.item_done(0, (4, 2), cost="0.5", size=7))

    found = record(*journal, existing_shards={3})

    assert (found.item_state(0), found.costs.total_usd) == (ItemState.RUNNING, "0")
    assert found.attempts[0].wiro_task_id == "2221"
    assert record(*journal, existing_shards={4}).item_state(0) is ItemState.DONE


def test_a_task_that_is_followed_again_has_its_full_timeout() -> None:
    found = record(*STARTED, entries.timeout_restarted(0, 5000.0), try_number=3)

    assert (found.attempts[0].sending.intended_at, found.attempts[0].try_number) == (5000.0, 3)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"what": "unheard of", "item": 0},
        {"what": "id", "item": 0},
        {"what": "id", "item": 0, "id": ""},
        {"what": "id", "item": 1, "id": "2221"},
        {"what": "gone", "item": 3},
        {"what": "gone", "item": -1},
        {"what": "gone", "item": "0"},
        {"what": "intent", "item": 0},
        {"what": "intent", "item": 0, "fingerprint": 7, "newest_before": "", "at": 1.0, "try": 1},
        {"what": "done", "item": 0, "place": [1], "cost": None, "bytes": None},
        {"what": "done", "item": 0, "place": [1, 0], "cost": "much", "bytes": None},
        {"what": "spent", "lifetime": None, "summary": {}},
    ],
    ids=repr,
)
def test_an_unknown_entry_is_an_error(entry: dict[str, Any]) -> None:
    with pytest.raises(WiroOrphanedRunError, match="Expected an entry of a batch's journal"):
        record(STARTED[0], entry)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"what": "gone"},
        {**entries.batch_started("digest", 3), "version": 2},
        {**entries.batch_started("d", 3), "total": "3"},
    ],
    ids=repr,
)
def test_a_journal_with_another_first_entry_is_an_error(entry: dict[str, Any]) -> None:
    with pytest.raises(WiroOrphanedRunError):
        read_begin(entry)
    assert read_begin(entries.batch_started("digest", 3)) == ("digest", 3)


def test_ids_are_recognized_in_any_order_and_form() -> None:
    given = ["10", "2", "9223372036854775807", "99999999999999999999", "007", "a-1", "²", "2", "10", "0"]
    ids = TaskIdSet()
    for id_ in given:
        ids.add(id_)

    assert all(id_ in ids for id_ in given)
    assert not [id_ for id_ in ("7", "1", "", "a", None, 10, "99999999999999999998") if id_ in ids]
    assert sorted(ids) == sorted(set(given))
    assert ids.largest == "9223372036854775807"
    assert TaskIdSet().largest is None


def test_ten_thousand_finished_items_take_a_few_bytes_each() -> None:
    import sys
    import tracemalloc

    tracemalloc.start()
    found = BatchState(10_000, try_number=1)
    for item in range(10_000):
        found.apply(entries.run_intended(item, ATTEMPT))
        found.apply(entries.run_accepted(item, str(10**9 + item)))
        found.apply(entries.item_done(item, (item // 100, item % 100), cost="0.01", size=1))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size / 10_000 < 64
    assert sys.getsizeof(found.attempts) < 10_000

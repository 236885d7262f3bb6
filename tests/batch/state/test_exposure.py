"""What a batch may still have to pay, from the entries of its journal: the same live as replayed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.batch_state import BatchState
from airflow_provider_wiro.batch.state.items import Attempt
from airflow_provider_wiro.exceptions import WiroLostRunError, WiroOrphanedRunError
from airflow_provider_wiro.recovery.sending import Sending

UP_TO_1 = Attempt("digest", Sending(1000.0, "2220"), 1, max_usd=Decimal("1"))
INTENT = entries.run_intended(0, UP_TO_1)
STARTED = (INTENT, entries.run_accepted(0, "2221"))


def committed(*journal: dict[str, Any], try_number: int = 1, **settings: Any) -> str:
    state = BatchState(3, try_number=try_number, **settings)
    for entry in journal:
        state.apply(json.loads(json.dumps(entry)))
    return str(state.committed_usd.normalize())


def test_a_run_counts_with_its_upper_end_from_its_intent_to_its_end() -> None:
    done = entries.item_done(0, (1, 0), cost="0.25", size=None)
    assert [committed(*journal) for journal in ((), (INTENT,), STARTED, (*STARTED, done))] == [
        "0",
        "1",
        "1",
        "0.25",
    ]


def test_a_run_that_ended_without_a_cost_counts_until_it_is_read() -> None:
    ended = (*STARTED, entries.item_done(0, (1, 0), cost=None, size=None))

    assert committed(*ended) == "1"
    assert committed(*ended, entries.cost_learned("2221", "0.5")) == "0.5"


@pytest.mark.parametrize("is_now", [True, False])
def test_a_failed_run_is_free_one_that_failed_and_is_billed_is_not(is_now: bool) -> None:
    def failed(**bill: Any) -> str:
        entry = entries.item_failed(0, (1, 0), 1, may_retry=True, **bill)
        return committed(*STARTED, entry, try_number=1 if is_now else 2)

    assert failed() == "0"
    assert failed(is_billed=True, cost="0.7") == "0.7"
    assert failed(is_billed=True) == "1"
    assert failed(keeps_task=True) == "1"  # it may be running


def test_a_run_that_is_repeated_is_paid_for_if_it_was_billed() -> None:
    assert committed(*STARTED, entries.item_retried(0, 1)) == "0"
    assert committed(*STARTED, entries.item_retried(0, 1, is_billed=True)) == "1"
    assert committed(*STARTED, entries.item_retried(0, 1, is_billed=True, cost="0.1")) == "0.1"
    assert committed(*STARTED, entries.item_retried(0, 1, keeps_task=True)) == "1"


def test_a_run_that_certainly_started_nothing_is_free_a_task_that_vanished_is_not() -> None:
    assert committed(INTENT, entries.run_not_started(0)) == "0"
    assert committed(*STARTED, entries.run_not_started(0, may_be_billed=True)) == "1"


def test_a_lost_run_counts_beside_its_repetition_until_it_was_checked_once_more() -> None:
    lost = (
        INTENT,
        entries.run_lost(0, UP_TO_1.sending.lose(WiroLostRunError("no response"), 1.0, 1.0)),
        entries.lost_run_not_started(0, 1),
    )
    again = (*lost, *STARTED, entries.item_done(0, (1, 0), cost="0.5", size=None))

    assert committed(*lost) == "1"
    assert committed(*again) == "1.5"
    assert committed(*again, entries.strays_checked(0)) == "0.5"
    assert committed(*again, entries.strays_checked(0, is_certain=False)) == "1.5"
    stray = entries.task_billed("2219", None, Decimal("1"))
    assert committed(*again, stray, entries.strays_checked(0)) == "1.5"
    learned = entries.cost_learned("2219", "0.2")
    assert committed(*again, stray, entries.strays_checked(0), learned) == "0.7"


def test_what_earlier_inputs_have_spent_stays_spent() -> None:
    assert committed(entries.foreign_tasks(["7"], Decimal("2.5"))) == "2.5"


def test_a_journal_without_estimates_counts_what_is_known() -> None:
    plain = Attempt("digest", Sending(1000.0, "2220"), 1)
    intent = entries.run_intended(0, plain)

    assert "max_usd" not in intent
    assert committed(intent) == "0"


@pytest.mark.parametrize("amount", ["NaN", "-1", "much", [], "Infinity"])
def test_a_damaged_amount_is_a_damaged_journal(amount: Any) -> None:
    with pytest.raises(WiroOrphanedRunError):
        committed({**INTENT, "max_usd": amount})


@pytest.mark.parametrize(
    "entry",
    [
        entries.run_not_started(0, may_be_billed=True),
        entries.item_failed(0, (1, 0), 1, may_retry=True, keeps_task=True),
    ],
    ids=["vanished", "may be running"],
)
def test_what_counts_for_good_is_no_known_cost(entry: dict[str, Any]) -> None:
    state = BatchState(1, try_number=1)
    for one in (*STARTED, entry):
        state.apply(one)
    assert state.committed_usd == 1
    assert (state.costs.total_usd, state.costs.unknown) == (None, 1)


def test_a_lost_run_that_may_still_start_a_task_is_no_known_cost() -> None:
    state = BatchState(1, try_number=1)
    for one in (INTENT, entries.lost_run_not_started(0, 1), *STARTED):
        state.apply(one)
    state.apply(entries.item_done(0, (1, 0), cost="0.5", size=None))
    state.apply(entries.strays_checked(0, is_certain=False))
    assert (state.costs.total_usd, state.costs.known_usd, state.costs.unknown) == (None, "0.5", 1)

"""Which item is submitted next: each that is pending, and none that is in hand."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from airflow_provider_wiro.batch.item_queue import ItemQueue
from airflow_provider_wiro.batch.journal.recorder import BatchRecorder
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.batch_state import BatchState
from airflow_provider_wiro.batch.state.items import Attempt, ItemState
from airflow_provider_wiro.recovery.sending import Sending
from tests.operators.fakes import FakeLog


def queue_of(total: int) -> ItemQueue:
    state = BatchState(total, try_number=1)
    recorder: Any = SimpleNamespace(state=state, note=state.apply, unkept=[], unkept_items=set())
    settings: Any = SimpleNamespace(fails_fast=True, log=FakeLog())
    return ItemQueue(settings, None, recorder)  # type: ignore[arg-type]


async def test_an_item_that_is_begun_again_is_not_begun_a_second_time_when_its_turn_comes() -> None:
    """Between its being chosen and its intent being durable it is pending, and in hand. (Paid twice.)"""
    found = queue_of(4)
    found.state.apply(entries.run_intended(2, Attempt("digest", Sending(1.0, ""), 1)))
    found.requeue(2)  # Wiro has started nothing for it
    chosen = []
    while (item := found.next_item()) is not None:
        found.active.add(item)
        chosen.append(item)

    assert chosen == [2, 0, 1, 3]


async def test_what_is_put_back_comes_before_what_never_was_begun() -> None:
    found = queue_of(3)
    assert found.next_item() == 0
    found.active.add(0)
    found.requeue_first(0)

    assert [found.next_item(), found.next_item(), found.next_item(), found.next_item()] == [0, 1, 2, None]


async def test_an_item_that_has_failed_for_good_is_not_begun_when_its_turn_comes() -> None:
    """Its result is written some seconds later, in a thread; until then the state shows it as pending."""
    state = BatchState(3, try_number=2)
    settings: Any = SimpleNamespace(
        fails_fast=False, log=FakeLog(), now=time.monotonic, try_number=2, max_item_retries=0
    )
    chosen_meanwhile = []

    class Shards:
        def take_number(self) -> int:
            return 0

        def write(self, number: int, results: list[dict[str, Any]]) -> None:
            chosen_meanwhile.append((number, len(results), found.next_item()))

    class Journal:
        def note(self, entry: dict[str, Any]) -> None:
            assert entry["what"] in {"intent", "not_started", "failed"}

        async def write(self, *noted: dict[str, Any]) -> None:
            assert not noted

    inputs: Any = SimpleNamespace(name="item {}".format, shown=lambda item: "")
    with ThreadPoolExecutor(1) as executor:
        recorder = BatchRecorder(settings, state, Journal(), Shards(), executor)  # type: ignore[arg-type]
        found = ItemQueue(settings, inputs, recorder)
        for item in (1, 2):  # an earlier try has failed with them, and has lost what it sent after that
            state.apply(entries.run_intended(item, Attempt("digest", Sending(1.0, ""), 1)))
            found.requeue(item, was_lost=True)
            assert found.next_item() == item
            found.give_up(item, "The budget doesn't allow it.")
        assert found.next_item() == 0
        found.requeue_first(0)
        assert found.next_item() == 0
        assert found.next_item() is None
        await recorder.keep()
        assert found.next_item() is None

    assert chosen_meanwhile == [(0, 2, None)]
    assert (state.count(ItemState.FAILED), state.count(ItemState.PENDING)) == (2, 1)

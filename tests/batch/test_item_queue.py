"""Which item is submitted next: each that is pending, and none that is in hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from airflow_provider_wiro.batch.item_queue import ItemQueue
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.batch_state import BatchState
from airflow_provider_wiro.batch.state.items import Attempt
from airflow_provider_wiro.recovery.sending import Sending
from tests.operators.fakes import FakeLog


def queue_of(total: int) -> ItemQueue:
    state = BatchState(total, try_number=1)
    recorder: Any = SimpleNamespace(state=state, note=state.apply, unkept=[])
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

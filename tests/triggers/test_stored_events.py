"""A trigger finds out when Airflow has stored its events, which Airflow before 3.3 doesn't say."""

from __future__ import annotations

import asyncio
import random
import threading
from contextlib import suppress

import pytest

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.triggers import wiro_events
from tests.waiting import only_in_this_thread

#: How often the triggerer's child process sends events; a second in Airflow.
SYNC_SECONDS = 0.01


class FakeTriggerer:
    """
    Airflow's triggerer: the child sends events once a second, in order with other requests; the parent
    answers a batch of requests, and stores the events of that batch before it reads the next one.
    """

    def __init__(self, seconds_to_store: float) -> None:
        self.fired: list[int] = []
        self.stored: list[int] = []
        self._seconds_to_store = seconds_to_store
        self._requests: list[tuple[list[int], asyncio.Future[None]]] = []
        self._has_requests = asyncio.Event()

    async def ask(self, events: list[int] | None = None) -> None:
        answered = asyncio.get_running_loop().create_future()
        self._requests.append((events or [], answered))
        self._has_requests.set()
        await answered

    async def child(self) -> None:
        while True:
            events, self.fired = self.fired, []
            await self.ask(events)
            await asyncio.sleep(SYNC_SECONDS)

    async def parent(self) -> None:
        while True:
            await self._has_requests.wait()
            self._has_requests.clear()
            batch, self._requests = self._requests, []
            for _, answered in batch:
                answered.set_result(None)
            for event in [event for events, _ in batch for event in events]:
                await asyncio.sleep(self._seconds_to_store)
                self.stored.append(event)


@pytest.mark.parametrize("seconds_to_store", [0.0, 0.002, 0.02])
async def test_the_wait_ends_after_the_events_are_stored_however_slow_airflow_is(
    monkeypatch: pytest.MonkeyPatch, seconds_to_store: float
) -> None:
    triggerer = FakeTriggerer(seconds_to_store)
    monkeypatch.setattr(version_compat, "_SYNC_SECONDS", 2 * SYNC_SECONDS)
    monkeypatch.setattr(version_compat, "_ask_supervisor", triggerer.ask)
    running = [asyncio.create_task(triggerer.child()), asyncio.create_task(triggerer.parent())]
    for turn in range(8):
        await asyncio.sleep(random.random() * SYNC_SECONDS)
        events = list(range(10 * turn, 10 * turn + 10))
        triggerer.fired += events
        await version_compat.wait_until_events_are_stored()
        assert set(events) <= set(triggerer.stored)
    for task in running:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_where_the_triggerer_does_not_answer_the_wait_ends_after_some_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []

    async def refuse() -> None:
        raise RuntimeError("no supervisor")

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(version_compat, "_ask_supervisor", refuse)
    monkeypatch.setattr(asyncio, "sleep", only_in_this_thread(sleep, asyncio.sleep))
    await version_compat.wait_until_events_are_stored()

    assert sum(waits) == 4.0


@pytest.mark.skipif(wiro_events._EVENT_TRIGGER is None, reason="Airflow 2 has no supervisor")
async def test_a_cancelled_wait_leaves_its_request_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow before 3.2 takes a response that nobody reads for that to the next request, and ends."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    asked, answers, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(**_: object) -> dict[str, object]:
        asked.set()
        answers.wait(10)
        ended.set()
        return {}

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(slow))
    waiting = asyncio.create_task(version_compat.wait_until_the_triggerer_answers())
    while not asked.is_set():  # noqa: ASYNC110  set in another thread
        await asyncio.sleep(0.01)
    (request,) = version_compat._ASKING
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    assert not request.cancelled()
    answers.set()
    await request

    assert ended.is_set()
    assert not version_compat._ASKING

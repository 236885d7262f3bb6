"""While a batch is deferred, its trigger logs each minute how far it is, and writes changes as an XCom."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.triggers import batch_progress, wiro_batch
from airflow_provider_wiro.triggers.batch_progress import DeferredProgress, ProgressCounts
from airflow_provider_wiro.triggers.wiro_batch import WiroBatchTrigger
from tests.operators.fakes import FakeLog, one_event
from tests.triggers.test_wiro_batch_trigger import made, running, submitted
from tests.triggers.test_wiro_trigger import cancelled, says, stopping_works_like_3_3, until

if TYPE_CHECKING:
    from collections.abc import Callable

BEFORE = ProgressCounts(total=10, done=2, failed=1, running=3, ended=0, queued=4)


class Writes:
    """The XComs that a trigger has written."""

    def __init__(self) -> None:
        self.values: list[dict[str, Any]] = []
        self.error: Exception | None = None

    async def __call__(self, task_instance: Any, key: str, value: dict[str, Any]) -> None:
        assert key == "progress"
        if self.error is not None:
            raise self.error
        self.values.append(json.loads(json.dumps(value)))


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> Writes:
    found = Writes()
    monkeypatch.setattr(wiro_batch, "write_xcom_async", found)
    return found


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch, task_log: FakeLog) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "0.05")
    monkeypatch.setattr(batch_progress, "SECONDS_BETWEEN", 0.05)
    monkeypatch.setattr(WiroBatchTrigger, "log", property(lambda _: task_log))


def without_time(value: dict[str, Any]) -> dict[str, Any]:
    return {name: count for name, count in value.items() if name != "at"}


def test_the_counts_add_up_whatever_happens() -> None:
    for counts in (BEFORE, BEFORE.with_ended(2), BEFORE.with_ended(99), BEFORE.stopped()):
        parts = counts.done + counts.failed + counts.running + counts.ended + counts.queued
        assert parts == counts.total == 10
        assert ProgressCounts.from_json(json.loads(json.dumps(counts.to_json()))) == counts
    assert (BEFORE.stopped().running, BEFORE.with_ended(2).running) == (0, 1)


def test_the_xcom_says_when_it_was_written() -> None:
    assert BEFORE.at(1795770829.9) == {**BEFORE.to_json(), "at": "2026-11-27T09:13:49+00:00"}


def test_a_sentence_says_how_far_it_is() -> None:
    assert str(BEFORE) == "2 of 10 done, 1 failed, 3 running, 4 queued."
    assert str(BEFORE.with_ended(2)) == "2 of 10 done, 1 failed, 1 running, 2 ended and soon read, 4 queued."
    assert str(ProgressCounts(12000, 0, 0, 1000, 0, 11000)) == (
        "0 of 12,000 done, 0 failed, 1,000 running, 11,000 queued."
    )


async def test_a_deferred_batch_logs_each_minute_and_writes_what_has_changed(
    wiro: WiroEmulator, writes: Writes, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiro_batch, "GATHERING_SECONDS", 1.0)
    wiro.inject(Fault("stuck_running", times=9))
    before = ProgressCounts(total=10, done=0, failed=0, running=10, ended=0, queued=0)

    await one_event(made(submitted(10), progress=before.to_json()))

    assert "0 of 10 done, 0 failed, 10 running, 0 queued." in task_log.lines
    assert "0 of 10 done, 0 failed, 9 running, 1 ended and soon read, 0 queued." in task_log.lines
    assert [without_time(value) for value in writes.values] == [before.with_ended(1).to_json()]


async def test_nothing_is_written_while_nothing_changes_and_the_log_goes_by_the_minute(
    writes: Writes, task_log: FakeLog
) -> None:
    lines = await reported(lambda: 0, writes, task_log, lines=3)

    assert set(lines) == {str(BEFORE)}
    assert writes.values == []


async def test_each_change_is_written_once(writes: Writes, task_log: FakeLog) -> None:
    ended = iter([0, 1, 1, 2, 2, 2])

    await reported(lambda: next(ended, 2), writes, task_log, lines=6)

    assert [without_time(value) for value in writes.values] == [
        BEFORE.with_ended(1).to_json(),
        BEFORE.with_ended(2).to_json(),
    ]


async def test_where_no_xcom_can_be_written_the_log_says_so_once_and_continues(
    writes: Writes, task_log: FakeLog
) -> None:
    writes.error = RuntimeError("no such message")
    ended = iter(range(100))

    await reported(lambda: min(next(ended), 3), writes, task_log, lines=5)

    refusals = [line for line in task_log.lines if "can't be written as an XCom" in line]
    assert refusals == [
        "How far the batch is can't be written as an XCom from here: RuntimeError('no such message')"
    ]


async def test_an_event_waits_for_a_write_that_is_under_way(task_log: FakeLog) -> None:
    gate, written = threading.Event(), []

    async def write(value: dict[str, Any]) -> None:
        await asyncio.to_thread(gate.wait)
        written.append(value)

    progress = DeferredProgress(BEFORE, lambda: 1, write, time.time, task_log)
    progress.begin()
    await until(lambda: bool(task_log.lines))
    progress.stop()
    settling = asyncio.create_task(progress.settle())
    await asyncio.sleep(0.05)
    assert not settling.done()
    gate.set()
    await settling

    assert len(written) == 1


async def test_a_batch_that_a_user_has_stopped_shows_nothing_as_running(
    wiro: WiroEmulator, writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "30")  # it is cancelled before it can fire
    stopping_works_like_3_3(monkeypatch)
    says(monkeypatch, "failed")
    wiro.inject(Fault("stuck_running", times=3))
    trigger = made(submitted(3), progress=BEFORE.to_json())
    task = await running(trigger)

    await trigger.on_kill()
    await cancelled(task)

    assert without_time(writes.values[-1]) == BEFORE.stopped().to_json()
    assert writes.values[-1]["running"] == 0


async def test_a_trigger_that_moves_to_another_triggerer_writes_nothing_more(
    wiro: WiroEmulator, writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping_works_like_3_3(monkeypatch)
    says(monkeypatch, "deferred")
    wiro.inject(Fault("stuck_running", times=3))
    trigger = made(submitted(3), progress=BEFORE.to_json())
    task = await running(trigger)

    await trigger.on_kill()
    await cancelled(task)

    assert writes.values == []


async def test_dag_test_without_a_task_instance_writes_no_xcom(
    wiro: WiroEmulator, writes: Writes, task_log: FakeLog
) -> None:
    trigger = made(submitted(1), progress=BEFORE.to_json())
    trigger.task_instance = None

    assert (await one_event(trigger))["status"] == "success"

    assert writes.values == []


def test_the_counts_are_stored_with_the_trigger_and_an_earlier_row_has_none() -> None:
    stored = made(["1"], progress=BEFORE.to_json()).serialize()[1]

    assert WiroBatchTrigger(**stored).progress == BEFORE.to_json()
    assert "progress" not in made(["1"]).serialize()[1]


async def reported(ended: Callable[[], int], writes: Writes, task_log: FakeLog, *, lines: int) -> list[str]:
    """Report until the log has this many lines about the batch."""
    progress = DeferredProgress(
        BEFORE, ended, lambda value: writes(None, "progress", value), time.time, task_log
    )

    def found() -> list[str]:
        return [line for line in task_log.lines if " of 10 done" in line]

    progress.begin()
    await until(lambda: len(found()) >= lines)
    progress.stop()
    await progress.settle()
    return found()

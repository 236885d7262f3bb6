"""WiroBatchTrigger: one event when enough has ended, and a stop of all its tasks when a user ends it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.api import polling
from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.triggers import wiro_batch
from airflow_provider_wiro.triggers.wiro_batch import BatchOutcome, WiroBatchTrigger
from tests.operators.fakes import CANCELLED, RETRO, SMALL, FakeLog, one_event
from tests.triggers.test_wiro_trigger import Ti, cancelled, says, stopping_works_like_3_3, until

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch, task_log: FakeLog) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "0.05")
    monkeypatch.setattr(wiro_batch, "GATHERING_SECONDS", 0.3)
    monkeypatch.setattr(WiroBatchTrigger, "log", property(lambda _: task_log))


def submitted(count: int) -> list[str]:
    return [WiroHook().run_model(RETRO, SMALL).wiro_task_id for _ in range(count)]


def made(ids: Sequence[str], **settings: Any) -> WiroBatchTrigger:
    defaults: dict[str, Any] = {
        "wiro_task_ids": ids,
        "started_at": [time.time()] * len(ids),
        "deferred_at": time.time(),
        "poll_interval": 0.02,
        "try_number": 1,
    }
    trigger = WiroBatchTrigger(**{**defaults, **settings})
    trigger.task_instance = Ti()  # type: ignore[assignment]  # as the triggerer does
    return trigger


async def test_the_event_has_the_ids_that_have_ended_and_nothing_else(wiro: WiroEmulator) -> None:
    ids = submitted(3)

    event = await one_event(made(ids))

    assert (event["status"], event["try_number"]) == ("success", 1)
    assert set(event) == {"status", "ended", "try_number"}
    assert event["ended"]
    assert set(event["ended"]) <= set(ids)


async def test_a_quarter_of_the_runs_is_worth_a_worker_at_once(wiro: WiroEmulator) -> None:
    wiro.inject(Fault("stuck_running", times=3))
    ids = submitted(4)
    began = time.monotonic()

    event = await one_event(made(ids, wake_at=time.time() + 60))

    assert event["ended"] == [ids[3]]
    assert time.monotonic() - began < 20


async def test_fewer_are_gathered_for_a_while(wiro: WiroEmulator) -> None:
    wiro.inject(Fault("stuck_running", times=9))
    ids = submitted(10)
    deferred_at = time.time()

    event = await one_event(made(ids, deferred_at=deferred_at))

    assert event["ended"] == [ids[9]]
    assert time.time() >= deferred_at + 0.3


async def test_the_end_of_one_of_thousands_does_not_visit_all_the_others(
    task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`asyncio.wait` adds a callback to each task it waits for, each time."""
    added = 0

    class Counting(asyncio.Task[Any]):
        def add_done_callback(self, *args: Any, **kwargs: Any) -> None:
            nonlocal added
            added += 1
            super().add_done_callback(*args, **kwargs)

    async def end_in_turn(_: str, wiro_task_id: str, *args: Any, **kwargs: Any) -> None:
        for _turn in range(int(wiro_task_id)):
            await asyncio.sleep(0)

    monkeypatch.setattr("airflow_provider_wiro.triggers.wiro_batch.watch_task", end_in_turn)
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "0.5")
    trigger = made([str(number) for number in range(200)])
    asyncio.get_running_loop().set_task_factory(
        lambda loop, coroutine, **settings: Counting(coroutine, loop=loop, **settings)
    )

    event = await one_event(trigger)

    assert len(event["ended"]) == 200
    assert added <= 3 * 200


async def test_the_event_has_all_that_have_ended_also_those_of_the_last_moment(
    task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()

    async def end_together(*args: Any, **kwargs: Any) -> None:
        await gate.wait()

    monkeypatch.setattr("airflow_provider_wiro.triggers.wiro_batch.watch_task", end_together)
    telling = asyncio.create_task(one_event(made([str(n) for n in range(100)], deferred_at=time.time() - 60)))
    await asyncio.sleep(0)
    gate.set()

    assert len((await telling)["ended"]) == 100


async def test_it_fires_at_its_moment_whatever_has_ended(wiro: WiroEmulator) -> None:
    wiro.inject(Fault("stuck_running", times=2))
    ids = submitted(2)

    assert (await one_event(made(ids, wake_at=time.time() + 0.2)))["ended"] == []
    assert (await one_event(made([], wake_at=time.time() + 0.2)))["ended"] == []


async def test_a_task_that_cannot_be_followed_is_left_to_the_worker(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "0.5")
    monkeypatch.setattr(polling, "NOT_YET_SECONDS", 0.1)
    [known] = submitted(1)
    long_ago = time.time() - 3600

    event = await one_event(made([known, "99999"], started_at=[long_ago, long_ago]))

    assert "99999" in event["ended"]


async def test_what_is_stored_of_it_is_json_without_a_secret_and_makes_the_same_trigger(
    wiro: WiroEmulator,
) -> None:
    first = made(["1", "2"], wake_at=5.0, watch="poll", cancel_on_kill=False, lost=3)
    path, kwargs = first.serialize()

    assert path == "airflow_provider_wiro.triggers.wiro_batch.WiroBatchTrigger"
    assert WiroBatchTrigger(**json.loads(json.dumps(kwargs))).serialize() == first.serialize()
    assert kwargs["lost"] == 3
    connection = json.loads(wiro.connection)
    assert connection["password"] not in json.dumps(kwargs)


def test_a_row_of_the_version_before_makes_the_same_trigger() -> None:
    kwargs = {"wiro_task_ids": ["7", "3"], "started_at": [20.0, 10.0], "deferred_at": 30.0}

    trigger = WiroBatchTrigger(**json.loads(json.dumps(kwargs)))

    assert (trigger.wiro_task_ids, trigger.started_at) == (["7", "3"], [20.0, 10.0])
    assert trigger.lost == 0


async def test_an_event_names_no_more_ids_than_airflows_row_has_room_for(
    task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def end(*args: Any, **kwargs: Any) -> None:
        return

    monkeypatch.setattr("airflow_provider_wiro.triggers.wiro_batch.watch_task", end)

    event = await one_event(made([str(n) for n in range(2000)], deferred_at=time.time() - 60))

    assert event == {
        "status": "success",
        "message": "2,000 runs have ended.",
        "ended": [],
        "try_number": 1,
    }
    outcome = BatchOutcome.from_event(event)
    assert (outcome.is_failure, outcome.ended) == (False, [])


async def test_a_triggerer_that_is_refused_says_so_and_the_worker_follows_the_batch(
    wiro: WiroEmulator,
) -> None:
    """Its key is another one, or its address isn't allowed: it would be refused the next time as well."""
    ids = submitted(2)
    wiro.inject(
        Fault("api_error", endpoint="Task/Detail", status=401, message="No.", times=None),
        Fault("api_error", endpoint="Task/List", status=401, message="No.", times=None),
    )

    outcome = BatchOutcome.from_event(await one_event(made(ids)))

    assert outcome.is_failure
    assert "The triggerer can't follow Wiro task" in outcome.message


async def running(trigger: WiroBatchTrigger) -> asyncio.Task[Any]:
    task = asyncio.create_task(one_event(trigger))
    await until(lambda: len(trigger._seen_running) == len(trigger.wiro_task_ids))
    return task


async def test_on_kill_stops_all_tasks_of_a_task_instance_that_a_user_has_ended(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "30")  # it is cancelled before it can fire
    stopping_works_like_3_3(monkeypatch)
    asked = says(monkeypatch, "failed")
    wiro.inject(Fault("stuck_running", times=5))
    trigger = made(submitted(5))
    task = await running(trigger)

    await trigger.on_kill()
    await cancelled(task)

    assert asked == [Ti()]
    assert [found.status for found in wiro.tasks] == [CANCELLED] * 5
    assert "Stopped 5 Wiro tasks, as its Airflow task was stopped." in task_log


@pytest.mark.parametrize(("state", "is_said"), [("failed", True), ("deferred", False)])
@pytest.mark.parametrize("count", [0, 2])
async def test_on_kill_says_that_lost_runs_may_have_started_tasks_that_it_cannot_know(
    wiro: WiroEmulator,
    task_log: FakeLog,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    is_said: bool,
    count: int,
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "30")  # it is cancelled before it can fire
    stopping_works_like_3_3(monkeypatch)
    says(monkeypatch, state)
    wiro.inject(Fault("stuck_running", times=2))
    trigger = made(submitted(count), lost=3, wake_at=time.time() + 3600)
    task = await running(trigger)

    await trigger.on_kill()
    await cancelled(task)

    assert wiro.counts.tasks_stopped == (count if is_said else 0)
    assert ("The responses to 3 Runs were lost." in task_log) is is_said


async def test_a_move_to_another_triggerer_stops_nothing(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping_works_like_3_3(monkeypatch)
    says(monkeypatch, "deferred")
    wiro.inject(Fault("stuck_running", times=2))
    trigger = made(submitted(2))
    task = await running(trigger)

    await trigger.on_kill()
    await cancelled(task)

    assert wiro.counts.tasks_stopped == 0
    assert (
        "This trigger moves to another triggerer; 2 Wiro tasks are left running "
        "(the Airflow task is deferred)." in task_log
    )


@pytest.mark.parametrize("state", ["running", "queued", "scheduled", "up_for_retry", "restarting", None])
async def test_a_batch_that_another_triggerer_has_taken_over_is_not_stopped(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch, state: str | None
) -> None:
    """A triggerer that was frozen finds its triggers gone; by then the batch may be between two deferrals."""
    stopping_works_like_3_3(monkeypatch)
    says(monkeypatch, state)
    wiro.inject(Fault("stuck_running", times=2))
    trigger = made(submitted(2))
    task = await running(trigger)

    await trigger.on_kill()
    await cancelled(task)

    assert wiro.counts.tasks_stopped == 0
    assert "This trigger moves to another triggerer; 2 Wiro tasks are left running" in task_log


async def test_cancel_on_kill_off_leaves_all_running(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = says(monkeypatch, "failed")
    wiro.inject(Fault("stuck_running", times=2))

    await made(submitted(2), cancel_on_kill=False).on_kill()

    assert (asked, wiro.counts.tasks_stopped) == ([], 0)


async def test_a_triggerer_out_of_order_is_no_reason_to_lose_sight_of_paid_tasks(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: str) -> Any:
        raise RuntimeError("no secrets backend")

    monkeypatch.setattr(version_compat, "get_connection_async", broken)

    event = await one_event(made(["1"]))

    assert (event["status"], event["message"]) == ("error", "RuntimeError in the triggerer.")


@pytest.mark.parametrize(
    "event",
    [None, {}, {"status": "success"}, {"status": "?", "ended": []}, {"status": "error", "ended": [1]}],
)
def test_what_is_no_event_of_it_is_an_error(event: Any) -> None:
    with pytest.raises(WiroUsageError, match="Expected the event of a WiroBatchTrigger"):
        BatchOutcome.from_event(event)

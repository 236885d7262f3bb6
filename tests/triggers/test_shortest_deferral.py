"""No trigger fires sooner than a lagging scheduler needs, and a kill meanwhile stops only what still runs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.hooks import flow_context
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.triggers.base import WiroTrigger
from airflow_provider_wiro.triggers.shortest_deferral import (
    SHORTEST_DEFERRAL_SECONDS,
    shortest_deferral_seconds,
)
from airflow_provider_wiro.triggers.wiro import WiroPauseTrigger, WiroTaskTrigger
from airflow_provider_wiro.triggers.wiro_batch import WiroBatchTrigger
from tests.hooks.test_clock_steps import WallClock
from tests.operators.fakes import CANCELLED, DONE, RETRO, SMALL, FakeLog, one_event
from tests.triggers.test_wiro_trigger import Ti, cancelled, says, stopping_works_like_3_3, until
from tests.waiting import only_in_this_thread

Made = Callable[..., WiroTrigger]

SHORTEST = 0.6
HOUR = 3600.0


@pytest.fixture(autouse=True)
def _log(monkeypatch: pytest.MonkeyPatch, task_log: FakeLog) -> None:
    monkeypatch.setattr(WiroTrigger, "log", property(lambda _: task_log), raising=False)


@pytest.fixture
def lasting(monkeypatch: pytest.MonkeyPatch, wiro: WiroEmulator) -> None:
    """Let a deferral last at least so long."""
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", str(SHORTEST))


def ended() -> str:
    """Return the id of a Wiro task that has ended."""
    hook = WiroHook()
    wiro_task_id = hook.run_model(RETRO, SMALL).wiro_task_id
    hook.wait_for_task(wiro_task_id, poll_interval=0.02)
    return wiro_task_id


def for_task(**settings: Any) -> WiroTrigger:
    return WiroTaskTrigger(**{"wiro_task_id": ended(), "poll_interval": 0.02, **settings})


def for_pause(**settings: Any) -> WiroTrigger:
    return WiroPauseTrigger(until=time.time(), **settings)


def for_batch(**settings: Any) -> WiroTrigger:
    return WiroBatchTrigger(wiro_task_ids=[ended()], started_at=[time.time()], poll_interval=0.02, **settings)


KINDS = pytest.mark.parametrize("make", [for_task, for_pause, for_batch], ids=["run", "slot", "batch"])


def in_triggerer(trigger: WiroTrigger) -> WiroTrigger:
    """Return the trigger as a triggerer makes it, from what Airflow has stored of it."""
    _, kwargs = trigger.serialize()
    again = type(trigger)(**json.loads(json.dumps(kwargs)))
    again.task_instance = Ti()  # type: ignore[assignment]
    return again


@KINDS
@pytest.mark.usefixtures("lasting")
async def test_an_event_comes_at_the_soonest_after_the_shortest_deferral(make: Made) -> None:
    made = make()

    event = await one_event(in_triggerer(made))

    assert event["status"] == "success"
    assert time.time() >= made.deferred_at + SHORTEST


@KINDS
@pytest.mark.usefixtures("lasting")
async def test_a_restart_of_the_triggerer_does_not_renew_it(make: Made) -> None:
    made = make(deferred_at=time.time() - SHORTEST)
    began = time.monotonic()

    event = await one_event(in_triggerer(in_triggerer(made)))

    assert event["status"] == "success"
    assert time.monotonic() - began < SHORTEST


@KINDS
async def test_it_is_twenty_seconds_unless_configured(
    make: Made, wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL")
    slept: list[float] = []
    wait = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await wait(0)

    made = make()
    monkeypatch.setattr(asyncio, "sleep", only_in_this_thread(sleep, wait))
    trigger = in_triggerer(made)
    trigger._now = lambda: made.deferred_at
    monkeypatch.setattr(trigger, "_wait", lambda: wait(0, {"status": "success"}))

    assert await one_event(trigger) == {"status": "success", "try_number": None}
    assert SHORTEST_DEFERRAL_SECONDS == 20
    assert slept == [pytest.approx(SHORTEST_DEFERRAL_SECONDS, abs=1)]


@KINDS
@pytest.mark.usefixtures("lasting")
async def test_a_clock_that_runs_ahead_on_the_worker_holds_no_event_for_longer(make: Made) -> None:
    began = time.monotonic()

    await one_event(in_triggerer(make(deferred_at=time.time() + HOUR)))

    assert SHORTEST <= time.monotonic() - began < HOUR


@pytest.mark.parametrize(
    "make",
    [
        lambda at, until: WiroPauseTrigger(until=until, deferred_at=at),
        lambda at, until: WiroBatchTrigger(wiro_task_ids=[], started_at=[], wake_at=until, deferred_at=at),
    ],
    ids=["slot", "batch"],
)
async def test_a_clock_that_was_set_back_since_the_deferral_delays_no_event(
    make: Callable[[float, float], WiroTrigger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "0.1")
    deferred_at, began = time.time() + HOUR, time.monotonic()

    await asyncio.wait_for(one_event(in_triggerer(make(deferred_at, deferred_at + SHORTEST))), 20)

    assert time.monotonic() - began >= SHORTEST * 0.9


@pytest.mark.parametrize("step", [-HOUR, HOUR], ids=["back", "ahead"])
@pytest.mark.parametrize(
    "make",
    [
        lambda until: WiroPauseTrigger(until=until),
        lambda until: WiroBatchTrigger(wiro_task_ids=[], started_at=[], wake_at=until),
    ],
    ids=["slot", "batch"],
)
async def test_a_step_of_the_clock_neither_delays_nor_hastens_an_event(
    make: Callable[[float], WiroTrigger], step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "0.1")
    monkeypatch.setattr(flow_context, "datetime", WallClock)
    monkeypatch.setattr(WallClock, "ahead", timedelta(0))
    trigger = in_triggerer(make(time.time() + SHORTEST))
    began = time.monotonic()
    running = asyncio.create_task(one_event(trigger))
    await until(lambda: trigger._not_before > 0)
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + step)
    monkeypatch.setattr(WallClock, "ahead", timedelta(seconds=step))

    await asyncio.wait_for(running, 30)

    assert time.monotonic() - began > SHORTEST - 0.3


@KINDS
@pytest.mark.usefixtures("lasting")
async def test_without_a_scheduler_nothing_is_held_back(make: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dag.test()` runs a trigger without a task instance."""
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "240")

    assert (await asyncio.wait_for(one_event(make()), 30))["status"] == "success"


@pytest.mark.usefixtures("lasting")
@pytest.mark.parametrize(
    ("path", "stored"),
    [
        (WiroPauseTrigger, {"until": 5.0, "try_number": 1}),
        (WiroTaskTrigger, {"wiro_task_id": "2221", "try_number": 1, "deadline": 5.0}),
        (WiroBatchTrigger, {"wiro_task_ids": [], "started_at": [], "deferred_at": 5.0, "wake_at": 6.0}),
    ],
)
async def test_a_row_of_the_version_before_can_still_be_read(path: Any, stored: dict[str, Any]) -> None:
    trigger = path(**stored)
    trigger.task_instance = Ti()

    assert (await one_event(trigger))["status"] in {"success", "timeout"}


@pytest.mark.parametrize("wrong", ["-1", "nan", "inf", "241", "soon"])
def test_a_setting_that_is_no_time_is_reported_by_the_worker(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", wrong)

    with pytest.raises(WiroUsageError, match=r"\[wiro\] shortest_deferral has to be seconds"):
        shortest_deferral_seconds()


async def test_a_setting_that_is_no_time_costs_a_triggerer_no_task(
    task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "soon")

    event = await one_event(in_triggerer(for_pause(deferred_at=1.0)))

    assert event["status"] == "success"
    assert "Using 20 s." in task_log


# A kill while the event is held back.


async def held(trigger: WiroTrigger, task_log: FakeLog) -> asyncio.Task[Any]:
    """Run a trigger, and return once it holds its event back."""
    running = asyncio.create_task(one_event(trigger))
    await until(lambda: "Resuming the Airflow task in" in task_log)
    return running


@pytest.fixture
def long_lasting(monkeypatch: pytest.MonkeyPatch, wiro: WiroEmulator) -> None:
    stopping_works_like_3_3(monkeypatch)
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "240")


@pytest.mark.usefixtures("long_lasting")
async def test_a_kill_after_the_end_of_the_wiro_task_stops_nothing(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "failed")
    trigger = in_triggerer(for_task())
    running = await held(trigger, task_log)

    await trigger.on_kill()
    await cancelled(running)

    assert wiro.counts.requests["Task/Cancel"] + wiro.counts.requests["Task/Kill"] == 0
    assert [task.status for task in wiro.tasks] == [DONE]


@pytest.mark.usefixtures("long_lasting")
async def test_a_kill_after_the_deadline_stops_the_wiro_task(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event of a timeout is held back, and the Wiro task runs."""
    says(monkeypatch, "failed")
    wiro.inject(Fault("stuck_running"))
    wiro_task_id = WiroHook().run_model(RETRO, SMALL).wiro_task_id
    trigger = in_triggerer(WiroTaskTrigger(wiro_task_id=wiro_task_id, deadline=time.time() - 1))
    running = await held(trigger, task_log)

    await trigger.on_kill()
    await cancelled(running)

    assert [task.status for task in wiro.tasks] == [CANCELLED]


@pytest.mark.usefixtures("long_lasting")
async def test_a_kill_of_a_batch_stops_also_what_the_trigger_could_not_follow(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "failed")
    wiro.inject(Fault("stuck_in_queue", times=2))
    ids = [WiroHook().run_model(RETRO, SMALL).wiro_task_id for _ in range(2)]

    async def unreachable(*_: Any, **__: Any) -> None:
        raise WiroUsageError("this triggerer can't")

    monkeypatch.setattr("airflow_provider_wiro.triggers.wiro_batch.watch_task", unreachable)
    trigger = in_triggerer(WiroBatchTrigger(wiro_task_ids=ids, started_at=[time.time()] * 2))
    running = asyncio.create_task(one_event(trigger))
    await until(lambda: "can't be followed here" in task_log)

    await trigger.on_kill()
    await cancelled(running)

    assert [task.status for task in wiro.tasks] == [CANCELLED] * 2


@pytest.mark.usefixtures("long_lasting")
async def test_a_kill_of_a_batch_out_of_order_stops_its_tasks(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "failed")
    wiro.inject(Fault("stuck_running"))
    wiro_task_id = WiroHook().run_model(RETRO, SMALL).wiro_task_id
    ask = version_compat.get_connection_async
    broken = [True]

    async def get_connection(conn_id: str) -> Any:
        if broken:
            raise RuntimeError("no secrets backend")
        return await ask(conn_id)

    monkeypatch.setattr(version_compat, "get_connection_async", get_connection)
    trigger = in_triggerer(WiroBatchTrigger(wiro_task_ids=[wiro_task_id], started_at=[time.time()]))
    running = await held(trigger, task_log)
    broken.clear()

    await trigger.on_kill()
    await cancelled(running)

    assert [task.status for task in wiro.tasks] == [CANCELLED]

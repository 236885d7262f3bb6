"""WiroTaskTrigger: one event, an absolute end, and a stop only when a user has ended the Airflow task."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from dataclasses import dataclass
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.triggers.cancellation import is_abandoned
from airflow_provider_wiro.triggers.wiro import WiroPauseTrigger, WiroTaskTrigger
from tests.operators.fakes import CANCELLED, DONE, RETRO, SMALL, FakeLog, one_event
from tests.waiting import until


@dataclass
class Ti:
    dag_id: str = "dag"
    run_id: str = "run"
    task_id: str = "generate"
    map_index: int = -1


def submitted(*faults: Fault, wiro: WiroEmulator) -> str:
    wiro.inject(*faults)
    return WiroHook().run_model(RETRO, SMALL).wiro_task_id


def made(wiro_task_id: str, **settings: Any) -> WiroTaskTrigger:
    trigger = WiroTaskTrigger(
        **{"wiro_task_id": wiro_task_id, "poll_interval": 0.02, "try_number": 1, **settings}
    )
    trigger.task_instance = Ti()  # type: ignore[assignment]  # as the triggerer does
    return trigger


def says(monkeypatch: pytest.MonkeyPatch, answer: str | Exception | None) -> list[Any]:
    """Let Airflow say in which state the task instance is; return whom it was asked about."""
    asked = []

    async def task_instance_state(task_instance: Any) -> str | None:
        asked.append(task_instance)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(version_compat, "task_instance_state", task_instance_state)
    return asked


async def started(trigger: WiroTaskTrigger) -> asyncio.Task[Any]:
    """Run a trigger as the triggerer does, and return once it has polled its task."""
    running = asyncio.create_task(one_event(trigger))
    await until(lambda: trigger._is_running is not None)
    return running


async def cancelled(running: asyncio.Task[Any]) -> None:
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


# The event.


@pytest.mark.parametrize(
    ("faults", "status"),
    [
        ((), "success"),
        ((Fault("exit_code"),), "error"),
        ((Fault("fatal_error", seconds=0.5),), "success"),
        ((Fault("fatal_error", then="exit", seconds=0.5),), "error"),
        ((Fault("fatal_error", then="cancel", seconds=0.5),), "cancelled"),
        ((Fault("no_exit_code"), Fault("no_outputs")), "error"),
        ((Fault("no_exit_code"),), "success"),
        ((Fault("cancelled_by_hand"),), "cancelled"),
    ],
    ids=["success", "failed", "requeued", "exited", "given up", "nothing", "outputs", "cancelled"],
)
async def test_each_end_is_one_event_with_ids_only(
    wiro: WiroEmulator, task_log: FakeLog, faults: tuple[Fault, ...], status: str
) -> None:
    wiro_task_id = submitted(*faults, wiro=wiro)

    event = await one_event(made(wiro_task_id))

    assert event == {"status": status, "wiro_task_id": wiro_task_id, "try_number": 1}


async def test_a_deadline_that_passes_is_a_timeout_and_stops_nothing(
    wiro: WiroEmulator, task_log: FakeLog
) -> None:
    wiro_task_id = submitted(Fault("stuck_running"), wiro=wiro)

    event = await one_event(made(wiro_task_id, deadline=time.time() + 0.2))

    assert (event["status"], event["wiro_task_id"]) == ("timeout", wiro_task_id)
    assert "last status: task_output" in event["message"]
    assert wiro.counts.tasks_stopped == 0


async def test_a_restart_of_the_triggerer_does_not_renew_the_deadline(
    wiro: WiroEmulator, task_log: FakeLog
) -> None:
    wiro_task_id = submitted(Fault("stuck_running"), wiro=wiro)
    first = made(wiro_task_id, deadline=time.time() + 0.25)
    await cancelled(await started(first))
    path, kwargs = first.serialize()
    again = made(**json.loads(json.dumps(kwargs)))

    assert (await one_event(again))["status"] == "timeout"

    assert path == "airflow_provider_wiro.triggers.wiro.WiroTaskTrigger"
    assert again.serialize() == first.serialize()


async def test_a_trigger_first_waits_since_the_worker_has_just_polled(
    wiro: WiroEmulator, task_log: FakeLog
) -> None:
    wiro_task_id = submitted(wiro=wiro)
    running = asyncio.create_task(one_event(made(wiro_task_id, poll_interval=0.2)))
    await asyncio.sleep(0.1)

    assert wiro.counts.requests["Task/Detail"] == 0
    assert (await running)["status"] == "success"
    assert wiro.counts.requests["Task/Detail"] == 1


async def test_an_unknown_status_is_no_end(wiro: WiroEmulator, task_log: FakeLog) -> None:
    wiro_task_id = submitted(Fault("unknown_status", forever=True), wiro=wiro)

    event = await one_event(made(wiro_task_id, deadline=time.time() + 0.2))

    assert event["status"] == "timeout"
    assert sum("'task_warp', which this version doesn't know" in line for line in task_log.lines) == 1


async def test_a_bad_day_of_wiros_is_ridden_out(wiro: WiroEmulator, task_log: FakeLog) -> None:
    wiro_task_id = submitted(wiro=wiro)
    for kind in ("server_error", "html", "drop_before", "drop_after", "truncated", "empty"):
        wiro.inject(Fault(kind, endpoint="Task/Detail"))

    assert (await one_event(made(wiro_task_id)))["status"] == "success"


async def test_what_cannot_be_ridden_out_is_an_error_and_not_a_crash(
    wiro: WiroEmulator, task_log: FakeLog
) -> None:
    wiro_task_id = submitted(wiro=wiro)
    wiro.inject(
        Fault("api_error", endpoint="Task/Detail", status=401, message="Project authorization is not valid.")
    )

    event = await one_event(made(wiro_task_id))

    assert event["status"] == "error"
    assert "authorization" in event["message"]


async def test_no_secret_and_no_token_is_in_what_airflow_keeps(wiro: WiroEmulator, task_log: FakeLog) -> None:
    trigger = made(submitted(wiro=wiro))

    kept = json.dumps([trigger.serialize(), await one_event(trigger), task_log.lines, repr(trigger)])

    for secret in (wiro.tasks[0].token, "emulator-key", "emulator-secret"):
        assert secret not in kept


async def test_nothing_is_left_open(wiro: WiroEmulator, task_log: FakeLog) -> None:
    await one_event(made(submitted(wiro=wiro)))
    await cancelled(await started(made(submitted(Fault("stuck_running"), wiro=wiro))))
    gc.collect()  # an unclosed session would warn, and a warning fails a test here

    await until(lambda: wiro.counts.open_connections <= 2)  # the two blocking hooks' own


# A kill, as Airflow 3.3 does it: on_kill on the trigger.


def stopping_works_like_3_3(monkeypatch: pytest.MonkeyPatch) -> None:
    async def on_kill(self: BaseTrigger) -> None:
        """Do nothing, as Airflow's own."""

    if not hasattr(BaseTrigger, "on_kill"):
        monkeypatch.setattr(BaseTrigger, "on_kill", on_kill, raising=False)


@pytest.mark.parametrize("where", ["stuck_in_queue", "stuck_running"])
async def test_on_kill_stops_the_task_of_a_task_instance_that_a_user_has_ended(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    stopping_works_like_3_3(monkeypatch)
    asked = says(monkeypatch, "failed")
    trigger = made(submitted(Fault(where), wiro=wiro))
    running = await started(trigger)

    await trigger.on_kill()
    await cancelled(running)

    assert asked == [Ti()]
    assert [task.status for task in wiro.tasks] == [CANCELLED]
    assert wiro.counts.tasks_stopped == 1
    assert "as its Airflow task was stopped" in task_log


async def test_on_kill_stops_nothing_when_the_trigger_is_merely_moved(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow 3.3.2 calls it on a reassignment as well."""
    stopping_works_like_3_3(monkeypatch)
    says(monkeypatch, "deferred")
    trigger = made(submitted(Fault("stuck_running"), wiro=wiro))
    running = await started(trigger)

    await trigger.on_kill()
    await cancelled(running)

    assert wiro.counts.tasks_stopped == 0
    assert "This trigger moves to another triggerer" in task_log


@pytest.mark.parametrize("state", ["success", "failed", "skipped", "upstream_failed", "removed"])
def test_an_end_of_the_airflow_task_says_that_nobody_follows(state: str) -> None:
    assert is_abandoned(state, is_recorded=True)


@pytest.mark.parametrize("state", [None, "scheduled", "queued", "running", "restarting", "up_for_retry"])
def test_after_a_clear_the_next_try_follows_only_a_run_that_is_recorded(
    state: str | None,
) -> None:
    assert not is_abandoned(state, is_recorded=True)
    assert is_abandoned(state, is_recorded=False)
    assert not is_abandoned("deferred", is_recorded=False)


async def test_on_kill_stops_a_cleared_task_that_no_later_try_would_find(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping_works_like_3_3(monkeypatch)
    says(monkeypatch, "queued")
    trigger = made(submitted(Fault("stuck_running"), wiro=wiro), is_recorded=False)
    running = await started(trigger)

    await trigger.on_kill()
    await cancelled(running)

    assert [task.status for task in wiro.tasks] == [CANCELLED]


async def test_on_kill_stops_nothing_when_airflow_cannot_tell(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, RuntimeError("no API server"))
    trigger = made(submitted(Fault("stuck_running"), wiro=wiro))

    await trigger.on_kill()

    assert wiro.counts.tasks_stopped == 0
    assert "Could not stop Wiro task 2221; it may still run." in task_log


async def test_cancel_on_kill_off_leaves_the_task_running_and_says_so(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = says(monkeypatch, "failed")
    trigger = made(submitted(Fault("stuck_running"), wiro=wiro), cancel_on_kill=False)

    await trigger.on_kill()

    assert (asked, wiro.counts.tasks_stopped) == ([], 0)
    assert "left running (cancel_on_kill=False)" in task_log


async def test_on_kill_continues_when_airflow_cancels_it_again_a_second_later(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "failed")
    trigger = made(submitted(Fault("stuck_in_queue"), wiro=wiro))
    wiro.inject(Fault("slow", endpoint="Task/Cancel", delay_seconds=0.2))
    killing = asyncio.create_task(trigger.on_kill())
    await until(lambda: wiro.counts.requests["Task/Cancel"] == 1)

    await cancelled(killing)
    gc.collect()  # nobody but the trigger's module holds the stop now

    await until(lambda: "as its Airflow task was stopped" in task_log)
    assert [task.status for task in wiro.tasks] == [CANCELLED]


async def test_on_kill_after_the_event_does_nothing(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = says(monkeypatch, "failed")
    trigger = made(submitted(wiro=wiro))
    await one_event(trigger)

    await trigger.on_kill()

    assert asked == []
    assert [task.status for task in wiro.tasks] == [DONE]


async def test_a_cancelled_trigger_leaves_the_stop_to_on_kill_where_airflow_has_one(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping_works_like_3_3(monkeypatch)
    asked = says(monkeypatch, "failed")

    await cancelled(await started(made(submitted(Fault("stuck_running"), wiro=wiro))))

    assert (asked, wiro.counts.tasks_stopped) == ([], 0)


# The same before Airflow 3.3, which only cancels.


@pytest.fixture
def legacy(monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(BaseTrigger, "on_kill"):
        monkeypatch.delattr(BaseTrigger, "on_kill")


@pytest.mark.usefixtures("legacy")
async def test_a_cancelled_trigger_stops_the_task_of_a_task_instance_that_a_user_has_ended(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "failed")

    await cancelled(await started(made(submitted(Fault("stuck_running"), wiro=wiro))))

    assert [task.status for task in wiro.tasks] == [CANCELLED]


@pytest.mark.usefixtures("legacy")
async def test_a_cancelled_trigger_that_is_merely_moved_stops_nothing(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "deferred")

    await cancelled(await started(made(submitted(Fault("stuck_running"), wiro=wiro))))

    assert wiro.counts.tasks_stopped == 0


@pytest.mark.usefixtures("legacy")
async def test_a_trigger_that_is_cancelled_twice_stops_the_task_all_the_same(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "failed")
    running = await started(made(submitted(Fault("stuck_running"), wiro=wiro)))
    wiro.inject(Fault("slow", endpoint="Task/Kill", delay_seconds=0.2))
    running.cancel()
    await until(lambda: wiro.counts.requests["Task/Cancel"] + wiro.counts.requests["Task/Kill"] > 0)

    await cancelled(running)

    await until(lambda: "as its Airflow task was stopped" in task_log)
    assert [task.status for task in wiro.tasks] == [CANCELLED]


@pytest.mark.usefixtures("legacy")
async def test_dag_test_which_cancels_without_a_task_instance_stops_nothing(
    wiro: WiroEmulator, task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = says(monkeypatch, "failed")
    trigger = made(submitted(Fault("stuck_running"), wiro=wiro))
    trigger.task_instance = None

    await cancelled(await started(trigger))

    assert (asked, wiro.counts.tasks_stopped) == ([], 0)


# The pause.


async def test_a_pause_ends_at_its_moment() -> None:
    trigger = WiroPauseTrigger(until=time.time() + 0.1, try_number=3)
    path, kwargs = trigger.serialize()
    again = WiroPauseTrigger(**json.loads(json.dumps(kwargs)))

    assert path == "airflow_provider_wiro.triggers.wiro.WiroPauseTrigger"
    assert await one_event(again) == {"status": "success", "try_number": 3}
    assert time.time() >= trigger.until


async def test_a_pause_that_is_over_ends_at_once() -> None:
    async with asyncio.timeout(5):
        assert (await one_event(WiroPauseTrigger(until=0.0)))["try_number"] is None


@pytest.mark.parametrize(
    ("state", "warns"), [("failed", True), ("deferred", False), (RuntimeError("no API server"), True)]
)
async def test_ending_the_wait_for_a_lost_run_says_what_cannot_be_stopped(
    task_log: FakeLog, monkeypatch: pytest.MonkeyPatch, state: Any, warns: bool
) -> None:
    stopping_works_like_3_3(monkeypatch)
    monkeypatch.setattr(WiroPauseTrigger, "log", property(lambda _: task_log))
    says(monkeypatch, state)
    _, kwargs = WiroPauseTrigger(until=time.time() + 60, lost_model="o/m", lost_at=1795420800.0).serialize()
    trigger = WiroPauseTrigger(**json.loads(json.dumps(kwargs)))
    trigger.task_instance = Ti()  # type: ignore[assignment]

    await trigger.on_kill()

    assert ("The response to a Run of o/m, sent at 2026-11-23 08:00:00 UTC, was lost" in task_log) is warns
    assert ("can't be stopped from here. Look in the dashboard at wiro.ai." in task_log) is warns

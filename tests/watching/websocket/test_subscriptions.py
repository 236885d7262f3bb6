"""Push: ends are received over Wiro's WebSocket, and no task depends on it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.polling import Polling
from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.triggers.wiro import WiroTaskTrigger
from airflow_provider_wiro.watching.watcher import watch_task
from airflow_provider_wiro.watching.websocket import subscriptions
from tests.operators.fakes import RETRO, SMALL, FakeLog, one_event

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task

pytestmark = pytest.mark.usefixtures("task_log")

#: Tasks this old are polled every 27 s: what is known sooner came in a message.
AN_HOUR_AGO = timedelta(hours=1)


def stuck(wiro: WiroEmulator, count: int) -> list[str]:
    wiro.inject(Fault("stuck_running", times=count))
    with WiroHook() as hook:
        return [hook.run_model(RETRO, SMALL).wiro_task_id for _ in range(count)]


def ended(wiro: WiroEmulator, ids: list[str]) -> None:
    wiro.inject(*(Fault("cancelled_by_hand", task_id=wiro_task_id) for wiro_task_id in ids))


def following(wiro_task_id: str, **settings: Any) -> asyncio.Task[Task]:
    polling = settings.pop("polling", Polling(datetime.now(UTC) - AN_HOUR_AGO))
    return asyncio.create_task(
        watch_task("wiro_default", wiro_task_id, polling, **{"watch": "websocket", **settings})
    )


async def registered(wiro: WiroEmulator, count: int) -> None:
    for _ in range(500):
        if wiro.counts.socket_registrations >= count:
            await asyncio.sleep(0.5)  # polls after a registration are done by then
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{wiro.counts.socket_registrations} of {count} are registered")


@pytest.mark.parametrize("watch", ["auto", "websocket"])
async def test_an_end_is_received_and_costs_one_poll(wiro: WiroEmulator, watch: str) -> None:
    ids = stuck(wiro, 30)
    waits = [following(one, watch=watch) for one in ids]
    await registered(wiro, 30)
    looks_before = wiro.counts.requests["Task/Detail"]
    sockets = wiro.counts.open_sockets
    began = time.monotonic()
    ended(wiro, ids)

    tasks = await asyncio.gather(*waits)

    assert all(task.is_cancelled for task in tasks)
    assert time.monotonic() - began < 20.0  # the next poll was due after 27 s
    assert wiro.counts.requests["Task/Detail"] - looks_before == 30
    assert sockets == 1


async def test_a_language_models_long_snapshots_keep_no_other_end_from_being_received(
    wiro: WiroEmulator,
) -> None:
    wiro.inject(Fault("long_snapshots", message_bytes=3 * 2**20))
    ids = stuck(wiro, 5)
    waits = [following(one) for one in ids]
    await registered(wiro, 5)
    with WiroHook() as hook:
        verbose = hook.run_model("openai/gpt-5-nano", {"prompt": "hello"}).wiro_task_id
    ended_first = await following(verbose)
    ended(wiro, ids)

    assert ended_first.has_succeeded
    assert all(task.is_cancelled for task in await asyncio.gather(*waits))
    assert wiro.counts.requests["socket"] == 1


async def test_registrations_that_are_not_relied_on_yet_cost_no_poll(wiro: WiroEmulator) -> None:
    wiro.inject(Fault("silent_socket", times=None))
    ids = stuck(wiro, 10)
    waits = [following(one) for one in ids]
    await registered(wiro, 10)
    looks = wiro.counts.requests["Task/List"] + wiro.counts.requests["Task/Detail"]
    for wait in waits:
        wait.cancel()
    await asyncio.wait(waits)

    assert looks == 1


async def test_a_token_that_the_list_does_not_show_is_asked_for(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = endpoints.list_tasks

    def abridged(**page: int) -> endpoints.ApiCall[tuple[Task, ...]]:
        call = listed(**page)
        return replace(call, read=lambda found: tuple(replace(task, token=None) for task in call.read(found)))

    monkeypatch.setattr(endpoints, "list_tasks", abridged)
    ids = stuck(wiro, 10)
    waits = [following(one) for one in ids]
    await registered(wiro, 10)
    ended(wiro, ids)

    assert all(task.is_cancelled for task in await asyncio.gather(*waits))
    assert wiro.counts.requests["Task/List"] > 0


async def test_poll_opens_no_websocket(wiro: WiroEmulator) -> None:
    [one] = stuck(wiro, 1)
    wait = following(one, watch="poll", polling=Polling(datetime.now(UTC), None, 0.05))
    await asyncio.sleep(0.5)
    ended(wiro, [one])
    await wait

    assert wiro.counts.socket_registrations == 0
    assert wiro.counts.requests["socket"] == 0


async def test_auto_registers_up_to_its_limit_and_polls_the_rest(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "MAX_AUTO", 3)
    ids = stuck(wiro, 8)
    waits = [following(one, watch="auto", polling=Polling(datetime.now(UTC), None, 0.1)) for one in ids]
    await registered(wiro, 3)
    ended(wiro, ids)

    assert all(task.is_cancelled for task in await asyncio.gather(*waits))
    assert wiro.counts.socket_registrations == 3


async def test_a_token_goes_to_no_other_server_than_wiros(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `host` of its own without a `websocket_url` has no WebSocket that we know of."""
    connection = json.loads(os.environ["AIRFLOW_CONN_WIRO_DEFAULT"])
    extra = {name: value for name, value in connection["extra"].items() if name != "websocket_url"}
    monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", json.dumps({**connection, "extra": extra}))
    [one] = stuck(wiro, 1)
    wait = following(one, polling=Polling(datetime.now(UTC), None, 0.05))
    await asyncio.sleep(0.5)
    ended(wiro, [one])

    assert (await wait).is_cancelled
    assert wiro.counts.requests["socket"] == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault("server_error", endpoint="socket", forever=True),
        Fault("drop_before", endpoint="socket", forever=True),
        Fault("silent_socket", forever=True),
        Fault("missing_end", forever=True),
    ],
    ids=["refused", "dropped", "silent", "end not told"],
)
async def test_without_push_the_tasks_are_polled(wiro: WiroEmulator, fault: Fault) -> None:
    wiro.inject(fault)
    with WiroHook() as hook:
        ids = [hook.run_model(RETRO, SMALL).wiro_task_id for _ in range(5)]
    interval = Polling(datetime.now(UTC), None, 0.1)

    tasks = await asyncio.gather(*(following(one, polling=interval) for one in ids))

    assert all(task.has_succeeded for task in tasks)


async def test_progress_is_logged_by_the_trigger(wiro: WiroEmulator, task_log: FakeLog) -> None:
    [wiro_task_id] = stuck(wiro, 1)
    trigger = WiroTaskTrigger(wiro_task_id=wiro_task_id, poll_interval=0.01, watch="websocket")
    event = asyncio.create_task(one_event(trigger))
    for _ in range(500):
        if f"Wiro task {wiro_task_id}: task_output (running)" in task_log:
            break
        await asyncio.sleep(0.02)
    ended(wiro, [wiro_task_id])

    assert (await event)["status"] == "cancelled"
    assert f"Wiro task {wiro_task_id}: task_output (running)" in task_log
    assert wiro.tasks[0].token not in "".join(task_log.lines)


async def test_after_the_last_one_nothing_is_left_open(wiro: WiroEmulator) -> None:
    ids = stuck(wiro, 3)
    waits = [following(one) for one in ids]
    await registered(wiro, 3)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)

    for _ in range(300):
        if not wiro.counts.open_connections and not wiro.counts.open_sockets:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a connection stays open")

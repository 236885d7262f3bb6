"""The watcher: all that wait on one connection in one event loop share it, and none disturbs another."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import os
import time
import weakref
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.api.polling import Polling
from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.exceptions import WiroAuthenticationError, WiroTaskTimeoutError
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook, WiroHook
from airflow_provider_wiro.triggers.wiro import WiroTaskTrigger
from airflow_provider_wiro.triggers.wiro_batch import WiroBatchTrigger
from airflow_provider_wiro.watching import watcher as watchers
from airflow_provider_wiro.watching.scheduler import PollScheduler
from airflow_provider_wiro.watching.watcher import watch_task
from tests.operators.fakes import RETRO, SMALL
from tests.waiting import until

if TYPE_CHECKING:
    from airflow_provider_wiro.triggers.base import WiroTrigger

pytestmark = pytest.mark.usefixtures("task_log")


def submitted(count: int) -> list[str]:
    with WiroHook() as hook:
        return [hook.run_model(RETRO, SMALL).wiro_task_id for _ in range(count)]


def stop(wiro: WiroEmulator, wiro_task_id: str) -> None:
    wiro.inject(Fault("cancelled_by_hand", task_id=wiro_task_id))


def watching(wiro_task_id: str, **settings: Any) -> asyncio.Task[Task]:
    """Follow a task by polling it every twentieth of a second."""
    polling = Polling(datetime.now(UTC), settings.pop("deadline", None), 0.05)
    return asyncio.create_task(
        watch_task("wiro_default", wiro_task_id, polling, **{"watch": "poll", **settings})
    )


def nobody_is_left() -> bool:
    return not watchers._WATCHERS.get(asyncio.get_running_loop())


async def test_all_tasks_of_a_connection_share_its_session_and_its_pages(wiro: WiroEmulator) -> None:
    wiro.inject(Fault("stuck_running", times=40))
    ids = submitted(40)
    waits = [watching(one) for one in ids]
    await until(lambda: wiro.counts.requests["Task/List"] > 2)
    looks = wiro.counts.requests
    sockets = wiro.counts.open_connections
    for one in ids:
        stop(wiro, one)

    assert all(task.is_cancelled for task in await asyncio.gather(*waits))
    assert looks["Task/Detail"] <= 5
    assert sockets <= watchers.MAX_REQUESTS + 1
    assert wiro.counts.requests["Task/Detail"] <= 40 + 5
    assert nobody_is_left()


async def test_a_wait_keeps_nothing_of_a_tasks_detail(wiro: WiroEmulator, monkeypatch: Any) -> None:
    """With prompts of a megabyte, a thousand waits would keep a gigabyte."""
    seen: list[weakref.ref[Task]] = []
    read = Task.from_wire.__func__  # type: ignore[attr-defined]

    def remember(cls: type[Task], item: Any) -> Task:
        task: Task = read(cls, item)
        seen.append(weakref.ref(task))
        return task

    monkeypatch.setattr(Task, "from_wire", classmethod(remember))
    wiro.inject(Fault("stuck_running", times=3))
    ids = submitted(3)
    single = WiroTaskTrigger(wiro_task_id=ids[0], poll_interval=0.05, watch="poll")
    batch = WiroBatchTrigger(wiro_task_ids=ids[1:], started_at=[time.time()] * 2, poll_interval=0.05)

    async def fired(trigger: WiroTrigger) -> None:
        await anext(trigger.run())

    waits = [asyncio.create_task(fired(trigger)) for trigger in (single, batch)]
    await until(lambda: len(seen) > 12)
    gc.collect()
    kept = [ref for ref in seen[:-3] if ref() is not None]
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)

    assert kept == []


async def test_many_that_end_together_are_asked_for_over_no_more_than_32_sockets(wiro: WiroEmulator) -> None:
    wiro.inject(Fault("stuck_running", times=50))
    ids = submitted(50)
    for one in ids:
        stop(wiro, one)
    wiro.inject(Fault("slow", endpoint="Task/Detail", delay_seconds=0.5, times=None))
    waits = [watching(one) for one in ids]
    sockets = 0
    while not all(wait.done() for wait in waits):
        sockets = max(sockets, wiro.counts.open_connections)
        await asyncio.sleep(0.02)

    assert 32 <= sockets <= 33  # the list's own may not be closed yet


async def test_the_connection_is_read_once_for_all(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    get = WiroAsyncHook.get_wiro_connection

    async def counted(self: WiroAsyncHook) -> Any:
        if self._connection is None:
            read.append(self.wiro_conn_id)
        return await get(self)

    monkeypatch.setattr(WiroAsyncHook, "get_wiro_connection", counted)
    await asyncio.gather(*(watching(one) for one in submitted(20)))

    assert read == ["wiro_default"]


async def test_a_cancelled_wait_disturbs_no_other_and_the_last_one_closes_the_session(
    wiro: WiroEmulator,
) -> None:
    wiro.inject(Fault("stuck_running", times=10))
    stuck = [watching(one) for one in submitted(10)]
    alive = watching(submitted(1)[0])
    await asyncio.sleep(0.1)
    for wait in stuck:
        wait.cancel()
    ends = await asyncio.gather(*stuck, return_exceptions=True)

    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    assert (await alive).has_succeeded
    assert nobody_is_left()
    await _until_closed(wiro)
    gc.collect()  # an unclosed session would warn, and a warning fails a test here


async def test_the_last_one_closes_the_session_also_when_it_is_cancelled_twice(wiro: WiroEmulator) -> None:
    wiro.inject(Fault("stuck_running"))
    wait = watching(submitted(1)[0])
    await asyncio.sleep(0.1)
    wait.cancel()
    await asyncio.sleep(0)
    wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait

    await _until_closed(wiro)
    gc.collect()


async def test_a_wait_that_times_out_disturbs_no_other(wiro: WiroEmulator) -> None:
    wiro.inject(Fault("stuck_running"))
    stuck, well = submitted(2)
    late = watching(stuck, deadline=datetime.now(UTC) + timedelta(seconds=0.2))

    assert (await watching(well)).has_succeeded
    with pytest.raises(WiroTaskTimeoutError, match="last status: task_output"):
        await late


async def test_a_rate_limit_of_a_day_leaves_the_last_poll_at_the_deadline(wiro: WiroEmulator) -> None:
    wiro.inject(Fault("stuck_running"))
    [one] = submitted(1)
    wiro.inject(Fault("rate_limit", endpoint="Task/Detail", retry_after=86_400))
    wait = watching(one, deadline=datetime.now(UTC) + timedelta(seconds=1.5))
    await asyncio.sleep(0.5)
    stop(wiro, one)

    assert (await wait).is_cancelled
    assert wiro.counts.requests["Task/Detail"] == 2


async def test_an_error_without_a_reason_and_a_task_that_is_not_known_yet_are_ridden_out(
    wiro: WiroEmulator,
) -> None:
    [one] = submitted(1)
    wiro.inject(
        Fault("api_error", endpoint="Task/Detail", times=2),
        Fault("api_error", endpoint="Task/Detail", code=0, message="task-not-founded", times=2),
    )

    assert (await watching(one)).has_succeeded


async def test_a_bug_of_one_that_waits_ends_its_own_wait_only(wiro: WiroEmulator) -> None:
    def breaks(_: Task) -> None:
        raise ZeroDivisionError

    one, other = submitted(2)
    broken, well = watching(one, observe=breaks), watching(other)

    with pytest.raises(ZeroDivisionError):
        await broken
    assert (await well).has_succeeded
    assert nobody_is_left()


@pytest.mark.parametrize("where", ["due_requests", "on_task"])
async def test_a_bug_in_the_scheduler_is_logged_and_no_task_is_lost_sight_of(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    method = getattr(PollScheduler, where)
    bugs = iter([KeyError("a bug")])

    def breaks(self: PollScheduler, *arguments: Any) -> Any:
        for bug in bugs:
            raise bug
        return method(self, *arguments)

    monkeypatch.setattr(watchers, "_AFTER_A_BUG_SECONDS", 0.01)
    monkeypatch.setattr(PollScheduler, where, breaks)
    tasks = await asyncio.gather(*(watching(one) for one in submitted(3)))

    assert all(task.has_succeeded for task in tasks)
    assert "KeyError" in caplog.text


async def test_callbacks_run_in_the_context_of_the_caller(wiro: WiroEmulator) -> None:
    """By its context Airflow finds the log of a trigger."""
    trigger = contextvars.ContextVar("trigger", default="none")
    contexts: dict[str, set[str]] = {}

    async def wait(name: str, wiro_task_id: str) -> None:
        trigger.set(name)
        await watching(wiro_task_id, observe=lambda _: contexts.setdefault(name, set()).add(trigger.get()))

    await asyncio.gather(*(wait(f"of {one}", one) for one in submitted(5)))

    assert contexts == {name: {name} for name in contexts}
    assert len(contexts) == 5


async def test_a_key_that_was_changed_meanwhile_is_read_again(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiro_task_id = submitted(1)[0]
    right = json.loads(os.environ["AIRFLOW_CONN_WIRO_DEFAULT"])
    monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", json.dumps({**right, "password": "yesterdays"}))
    wait = watching(wiro_task_id, is_seen=True)
    await asyncio.sleep(0.01)
    monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", json.dumps(right))

    assert (await wait).has_succeeded


async def test_a_wrong_key_is_reported_to_each_caller(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = submitted(3)
    right = json.loads(os.environ["AIRFLOW_CONN_WIRO_DEFAULT"])
    monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", json.dumps({**right, "password": "wrong"}))

    ends = await asyncio.gather(*(watching(one) for one in ids), return_exceptions=True)

    assert all(isinstance(end, WiroAuthenticationError) for end in ends)
    assert nobody_is_left()


async def test_a_rate_limit_that_one_request_meets_holds_for_all(wiro: WiroEmulator) -> None:
    ids = submitted(20)
    wiro.inject(Fault("rate_limit", endpoint="Task/List", retry_after=1))
    began = time.monotonic()

    tasks = await asyncio.gather(*(watching(one) for one in ids))

    assert all(task.has_succeeded for task in tasks)
    assert time.monotonic() - began >= 1.0
    assert wiro.counts.faults_fired["rate_limit"] == 1


async def test_each_connection_has_a_watcher_of_its_own(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_WIRO_DEFAULT"])
    wiro.inject(Fault("stuck_running", times=2))
    one, other = submitted(2)
    polling = Polling(datetime.now(UTC), None, 0.05)
    waits = [
        asyncio.create_task(watch_task(conn_id, wiro_task_id, polling, watch="poll"))
        for conn_id, wiro_task_id in (("wiro_default", one), ("other", other))
    ]
    await asyncio.sleep(0.1)

    assert set(watchers._WATCHERS[asyncio.get_running_loop()]) == {"wiro_default", "other"}
    stop(wiro, one)
    stop(wiro, other)
    await asyncio.gather(*waits)
    assert nobody_is_left()


async def _until_closed(wiro: WiroEmulator) -> None:
    for _ in range(300):
        if not wiro.counts.open_connections:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a connection stays open")

"""Setting the wall clock during a wait neither delays it nor ends it early."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.api.polling import Polling
from airflow_provider_wiro.exceptions import WiroTaskTimeoutError
from airflow_provider_wiro.hooks import flow_context
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.watching.watcher import watch_task
from tests.contract.scripts import success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.hostile import HostileServer
    from tests.contract.twins import Twin

DETAIL = "/v1/Task/Detail"
HOUR = timedelta(hours=1)
STEPS = pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])


class WallClock(datetime):
    """The wall clock as the package reads it."""

    ahead = timedelta(0)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + cls.ahead


@pytest.fixture(autouse=True)
def wall_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(flow_context, "datetime", WallClock)
    yield
    WallClock.ahead = timedelta(0)


def shown(status: str) -> dict[str, object]:
    return {"tasklist": [{"id": "2221", "status": status, "pexit": "0"}]}


@STEPS
def test_a_wait_continues_to_the_end_of_the_task(server: HostileServer, twin: Twin, step: timedelta) -> None:
    server.on(
        DETAIL,
        success(shown("task_start")),
        success(shown("task_end")),
        success(shown("task_postprocess_end")),
    )

    def observe(_: object) -> None:
        WallClock.ahead = step

    began_at = time.monotonic()
    assert twin.wait_for_task("2221", timeout=60, poll_interval=0.05, observe=observe).has_succeeded
    assert time.monotonic() - began_at < 20


@STEPS
def test_a_wait_ends_at_its_deadline(server: HostileServer, twin: Twin, step: timedelta) -> None:
    server.on(DETAIL, success(shown("task_start")))

    def observe(_: object) -> None:
        WallClock.ahead = step

    began_at = time.monotonic()
    with pytest.raises(WiroTaskTimeoutError):
        twin.wait_for_task("2221", timeout=1, poll_interval=0.05, observe=observe)
    assert 0.9 <= time.monotonic() - began_at < 20


@STEPS
async def test_the_watcher_continues_and_keeps_deadlines(
    server: HostileServer, connect: object, step: timedelta
) -> None:
    server.on(DETAIL, success(shown("task_start")))

    def observe(_: object) -> None:
        WallClock.ahead = step

    def watch(deadline: datetime) -> asyncio.Task[object]:
        polling = Polling(flow_context.now(), deadline, 0.05)
        return asyncio.create_task(watch_task("wiro_default", "2221", polling, watch="poll", observe=observe))

    began_at = time.monotonic()
    before = watch(flow_context.now() + timedelta(seconds=1))
    await asyncio.sleep(0.3)
    assert WallClock.ahead == step
    after = watch(flow_context.now() + timedelta(seconds=1))  # a watch that starts by the clock's new time
    for wait in (before, after):
        with pytest.raises(WiroTaskTimeoutError):
            await wait
    assert 1.0 <= time.monotonic() - began_at < 20


def test_a_rate_limit_lasts_as_long_as_requested(server: HostileServer, connect: object) -> None:
    gate = flow_context.new_context(WiroHook().connection).gate
    gate.close(5)
    WallClock.ahead = -HOUR
    assert 0 < gate.wait_seconds() <= 5
    WallClock.ahead = HOUR
    assert 0 < flow_context.new_context(WiroHook().connection).gate.wait_seconds() <= 5


def test_a_steady_clock_translates_moments_of_the_wall_clock() -> None:
    clock = flow_context.SteadyClock()
    WallClock.ahead = HOUR
    in_a_minute = flow_context.now() + timedelta(minutes=1)

    assert abs(clock() - datetime.now(UTC)) < timedelta(seconds=5)
    assert abs(clock.from_wall(in_a_minute) - clock() - timedelta(minutes=1)) < timedelta(seconds=1)
    assert abs(clock.to_wall(clock() + timedelta(minutes=1)) - in_a_minute) < timedelta(seconds=1)

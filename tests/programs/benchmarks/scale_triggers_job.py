"""
Many triggers on one event loop, as in a triggerer, in a process of its own: writes the measured cost as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
import resource
import sys
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.programs.system.servers import DIRECT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.triggers.base import BaseTrigger

_BEAT_SECONDS = 0.01
_BASELINE_SECONDS = 5.0
#: A triggerer starts triggers at about this rate.
_TRIGGERS_A_SECOND = 2_000
_TOGETHER = 20
#: A trigger without an event this long after the last task's end is lost.
_PATIENCE_SECONDS = 60.0
RUN_SECONDS = (60.0, 100.0)


@dataclass
class Heartbeat:
    """A coroutine that sleeps 10 ms and measures how late it wakes, as every other coroutine would."""

    late: list[float] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            started_at = time.perf_counter()
            await asyncio.sleep(_BEAT_SECONDS)
            self.late.append(time.perf_counter() - started_at - _BEAT_SECONDS)

    def to_json(self) -> dict[str, float]:
        late = sorted(self.late)
        return {"longest": late[-1], "p99": late[len(late) * 99 // 100]}


@dataclass
class Run:
    """The outcome of one trigger."""

    wiro_task_id: str
    events: list[tuple[float, Any]] = field(default_factory=list)
    error: str | None = None


def _trigger(way: str, wiro_task_id: str, started_at: float) -> BaseTrigger:
    if way == "naive":
        from tests.programs.benchmarks.naive_trigger import NaiveWiroTrigger

        return NaiveWiroTrigger(wiro_task_id)
    from airflow_provider_wiro.triggers.wiro import WiroTaskTrigger

    return WiroTaskTrigger(
        wiro_task_id=wiro_task_id, started_at=started_at, deadline=started_at + 3600, try_number=1, watch=way
    )


async def _consume(way: str, run: Run, started_at: float) -> None:
    try:
        async for event in _trigger(way, run.wiro_task_id, started_at).run():
            run.events.append((time.time(), event.payload))
    except Exception as error:
        run.error = f"{type(error).__name__}: {error}"


async def _follow(way: str, count: int, page: str) -> tuple[list[Run], dict[str, Any]]:
    """Start tasks, and follow each with a trigger; return the outcomes and the cost."""
    await _warm_up(way, page)
    asked_before = Counter(control(page, "counts")["counts"]["requests"])
    heartbeat = Heartbeat()
    beating = asyncio.create_task(heartbeat.run())
    await asyncio.sleep(_BASELINE_SECONDS)
    started_at = time.time()
    ids = (await asyncio.to_thread(control, page, "tasks", _tasks(_lengths(count))))["task_ids"]
    gc.collect()
    idle, heartbeat.late = heartbeat.to_json(), []
    idle_bytes = _resident_bytes()
    cpu, clock_start = time.process_time(), time.perf_counter()
    runs = [Run(task_id) for task_id in ids]
    consumers = []
    for number, run in enumerate(runs):
        consumers.append(asyncio.create_task(_consume(way, run, started_at)))
        if not number % _TOGETHER:
            await asyncio.sleep(max(0.0, number / _TRIGGERS_A_SECOND - (time.perf_counter() - clock_start)))
    _, lost = await asyncio.wait(consumers, timeout=max(RUN_SECONDS) + _PATIENCE_SECONDS)
    seconds, cpu = time.perf_counter() - clock_start, time.process_time() - cpu
    for consumer in lost:
        consumer.cancel()
    await asyncio.gather(*consumers, return_exceptions=True)
    beating.cancel()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    asked = Counter(control(page, "counts")["counts"]["requests"])
    return runs, {
        "requests": dict(asked - asked_before),
        "seconds": seconds,
        "cpu_seconds": cpu,
        "bytes": max(0, peak - idle_bytes),
        "stall": heartbeat.to_json(),
        "idle_stall": idle,
    }


async def _warm_up(way: str, page: str) -> None:
    """Follow one short task, so that everything is imported, as in a triggerer that runs for days."""
    [wiro_task_id] = control(page, "tasks", _tasks([2.0]))["task_ids"]
    await _consume(way, Run(wiro_task_id), time.time())


def _lengths(count: int) -> list[float]:
    numbers = random.Random(count)
    return [numbers.uniform(*RUN_SECONDS) for _ in range(count)]


def _tasks(seconds: Sequence[float]) -> dict[str, Any]:
    small = {"prompt": "scale", "samples": 1, "width": 64, "height": 64}
    return {"model": "retroAIx/Retro-Cartoons", "parameters": small, "seconds": list(seconds)}


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def control(page: str, what: str, body: Any = None) -> Any:
    """Read the emulator's own endpoints."""
    data = None if body is None else json.dumps(body).encode()
    # The scheme is a constant.
    request = urllib.request.Request(f"{page}__emulator__/{what}", data=data)  # noqa: S310
    with DIRECT.open(request, timeout=60) as answer:
        return json.load(answer)


def _judge(runs: Sequence[Run], tasks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Compare the triggers' events with what the emulator knows of the tasks."""
    lives = {task["id"]: task["history"] for task in tasks}
    delays, shares = [], []
    for run in runs:
        history = lives[run.wiro_task_id]
        created, ended = history[0][1], history[-1][1]
        if run.events:
            delays.append(run.events[0][0] - ended)
            shares.append(delays[-1] / (ended - created))
    problems = Counter(
        str(run.error or (run.events and run.events[0][1].get("message")) or "no event")
        for run in runs
        if not run.events or run.events[0][1]["status"] != "success"
    )
    return {
        "delay": _spread(delays),
        "share": _spread(shares),
        "lost": sum(not run.events for run in runs),
        "duplicates": sum(max(0, len(run.events) - 1) for run in runs),
        "problems": dict(problems.most_common(3)),
    }


def _spread(found: Sequence[float]) -> dict[str, float]:
    ranked = sorted(found) or [float("nan")]
    last = len(ranked) - 1
    return {"p50": ranked[last // 2], "p99": ranked[last * 99 // 100], "max": ranked[last]}


def main() -> None:
    """Measure, and compare with what the emulator knows."""
    way, count, page, found = sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    runs, measured = asyncio.run(_follow(way, count, page))
    state = control(page, "state")
    found.write_text(json.dumps({**measured, **_judge(runs, state["tasks"])}))


if __name__ == "__main__":
    main()

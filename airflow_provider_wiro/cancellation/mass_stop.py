"""MassStop: stops many Wiro tasks in little time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.hooks.wiro import WiroAsyncHook

#: Requests in flight at once. More would wait for a connection, which counts as time to connect.
STOPS_AT_ONCE = 64
#: A stop that waited long in the queue still gets this many seconds to start its requests.
_LEAST_PATIENCE_SECONDS = 0.1
_MOST_IDS_NAMED = 10


class MassStop:
    """
    Stops tasks, many at once; more can be added while it works.

    :param patience_seconds: the last request of a stop starts within this time from now.
    :ivar stopped: how many were stopped, or had ended.
    :ivar problems: task → why it could not be stopped.
    """

    def __init__(self, hook: WiroAsyncHook, *, patience_seconds: float) -> None:
        self.stopped = 0
        self.problems: dict[str, str] = {}
        self._hook = hook
        self._until = asyncio.get_running_loop().time() + patience_seconds
        self._known: set[str] = set()
        self._waiting: deque[tuple[str, bool]] = deque()
        self._in_flight: set[str] = set()
        self._workers: set[asyncio.Task[None]] = set()

    def add(self, wiro_task_id: str, *, is_running: bool) -> None:
        """
        Stop a task, once.

        :param is_running: it was seen after it left the queue.
        """
        if wiro_task_id in self._known:
            return
        self._known.add(wiro_task_id)
        self._waiting.append((wiro_task_id, is_running))
        if len(self._workers) < STOPS_AT_ONCE:
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    @property
    def is_idle(self) -> bool:
        """Whether every task that was added is stopped, or could not be."""
        return not self._workers

    async def wait(self, seconds: float) -> None:
        """Wait until all are stopped, or for some seconds."""
        if self._workers:
            await asyncio.wait(set(self._workers), timeout=seconds)

    async def leave(self) -> None:
        """Give up the tasks that are not stopped yet."""
        left = [*self._in_flight, *(wiro_task_id for wiro_task_id, _ in self._waiting)]
        self._waiting.clear()
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        self.problems |= dict.fromkeys(left, "No response came in time.")

    def report(self, warn: Callable[..., object]) -> None:
        """Log what could not be stopped, a line for each reason."""
        by_reason: dict[str, list[str]] = {}
        for wiro_task_id, reason in self.problems.items():
            by_reason.setdefault(reason.replace(wiro_task_id, "…"), []).append(wiro_task_id)
        for reason, ids in by_reason.items():
            named = ", ".join(ids[:_MOST_IDS_NAMED])
            more = f" and {len(ids) - _MOST_IDS_NAMED:,} more" if len(ids) > _MOST_IDS_NAMED else ""
            what = f"Wiro task {named}" if len(ids) == 1 else f"{len(ids):,} Wiro tasks ({named}{more})"
            warn("Could not stop %s, which may still run: %s", what, reason)

    async def _work(self) -> None:
        while self._waiting:
            wiro_task_id, is_running = self._waiting.popleft()
            self._in_flight.add(wiro_task_id)
            try:
                await self._stop(wiro_task_id, is_running=is_running)
            except WiroError as error:
                self.problems[wiro_task_id] = str(error)
            except Exception as error:  # one that goes wrong must not keep the others from being stopped
                self.problems[wiro_task_id] = repr(error)
            else:
                self.stopped += 1
            self._in_flight.discard(wiro_task_id)

    async def _stop(self, wiro_task_id: str, *, is_running: bool) -> None:
        left = self._until - asyncio.get_running_loop().time()
        await self._hook.stop_task(
            wiro_task_id, is_running=is_running, patience_seconds=max(_LEAST_PATIENCE_SECONDS, left)
        )

"""Many tasks on a Wiro of a few lines of Python, polled by a PollScheduler in a time that is handed in."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from heapq import heappop, heappush
from itertools import count, islice
from statistics import median
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.api.polling import Polling
from airflow_provider_wiro.watching.scheduler import DetailRequest, PollRequest, PollScheduler
from tests.api.fake_transport import NOON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_wiro.exceptions import WiroError
    from airflow_provider_wiro.watching.task_list import ListScan
    from airflow_provider_wiro.watching.watch import TaskWatch, WatchUpdate

#: Seconds from a request to its response.
LATENCY = 0.2


@dataclass
class Run:
    """
    A task on the server: from ``starts`` to ``ends``, in seconds from noon.

    :ivar errs_from: from when on it is shown at ``task_error``, until ``errs_until``.
    :ivar waited_for_from: when the wait for it starts; default: when the task starts.
    """

    id: str
    starts: float
    ends: float
    is_watched: bool = True
    is_listed: bool = True
    waited_for_from: float | None = None
    errs_from: float = 1e9
    errs_until: float = 1e9

    def shown_at(self, now: float, *, is_abridged: bool = False) -> Task:
        """Return it as Task/Detail shows it, or abridged as Task/List does."""
        if self.errs_from <= now < self.errs_until:
            return _task(self.id, "task_error", debug_error="" if is_abridged else "Traceback\nno machine")
        status = "task_postprocess_end" if now >= self.ends else "task_output"
        return _task(self.id, status, exit_code="0")


@dataclass
class Simulation:
    """
    The server, the waits, and what is counted.

    :ivar fails: returns what a request at a time meets instead of a response.
    :ivar list_lag: by how many seconds Task/List is behind Task/Detail.
    """

    runs: list[Run]
    fails: Callable[[PollRequest, float], WiroError | None] = lambda _poll, _now: None
    list_lag: float = 0.0
    ignores_start: bool = False
    polling: Callable[[Run], Polling] | None = None
    details: int = 0
    pages: int = 0
    updates: dict[str, list[WatchUpdate]] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    watching: dict[str, TaskWatch] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scheduler = PollScheduler(random.Random(7).random)
        self._events: list[tuple[float, int, Callable[[float], Any]]] = []
        self._serial = count()
        self._by_id = {run.id: run for run in self.runs}

    @property
    def requests(self) -> int:
        return self.details + self.pages

    @property
    def requests_per_task(self) -> float:
        return self.requests / len(self.delays)

    @property
    def median_share(self) -> float:
        """The median delay as a share of the run time."""
        return median(
            delay / (self._by_id[name].ends - self._by_id[name].starts) for name, delay in self.delays.items()
        )

    def at(self, seconds: float, what: Callable[[float], Any]) -> None:
        heappush(self._events, (seconds, next(self._serial), what))

    def run(self, until: float = 10_000.0) -> None:
        """Let time pass until all waits are over."""
        for run in self.runs:
            if run.is_watched:
                since = run.starts if run.waited_for_from is None else run.waited_for_from
                self.at(since, lambda now, run=run: self._wait_for(run, now))
        awake_at: float | None = None
        while self._events:
            now, _, what = heappop(self._events)
            if now > until:
                return
            what(now)
            due_at = self.scheduler.next_due_at()
            if due_at is not None:
                seconds = max(now, (due_at - NOON).total_seconds())
                if awake_at is None or awake_at <= now or seconds < awake_at:
                    awake_at = seconds
                    self.at(seconds, self._poll)

    def _wait_for(self, run: Run, now: float) -> None:
        polling = self.polling(run) if self.polling else Polling(_moment(run.starts))
        self.watching[run.id] = self.scheduler.add(
            run.id, polling, patience_seconds=300.0, is_seen=True, now=_moment(now)
        )

    def _poll(self, now: float) -> None:
        for request in self.scheduler.due_requests(_moment(now)):
            if isinstance(request, DetailRequest):
                self.details += 1
                self._ask(request, 0, now)
            else:
                self._scan(request, now)

    def _scan(self, scan: ListScan, now: float) -> None:
        start = self.scheduler.next_start(scan, _moment(now))
        if start is not None:
            self.pages += 1
            self._ask(scan, 0 if self.ignores_start else start, now)

    def _ask(self, request: PollRequest, start: int, now: float) -> None:
        failure = self.fails(request, now)
        response = None if failure else self._respond(request, start, now + LATENCY / 2)
        self.at(now + LATENCY, lambda then: self._deliver(request, start, response, failure, now, then))

    def _respond(self, request: PollRequest, start: int, now: float) -> Any:
        if isinstance(request, DetailRequest):
            return self._by_id[request.watch.wiro_task_id].shown_at(now)
        then = now - self.list_lag
        there = (run for run in reversed(self.runs) if run.starts <= then and run.is_listed)
        page = islice(there, start, start + self.scheduler.page_size)
        return tuple(run.shown_at(then, is_abridged=True) for run in page)

    def _deliver(
        self,
        request: PollRequest,
        start: int,
        response: Any,
        failure: WiroError | None,
        asked: float,
        now: float,
    ) -> None:
        if failure is not None:
            self.notify(self.scheduler.on_error(request, failure, _moment(now)), now)
        elif isinstance(request, DetailRequest):
            self.notify(self.scheduler.on_task(request, response, _moment(now)), now)
        else:
            self.notify(self.scheduler.on_page(request, start, response, _moment(asked), _moment(now)), now)
            self._scan(request, now)

    def notify(self, updates: Iterable[WatchUpdate], now: float) -> None:
        for one in updates:
            name = one.watch.wiro_task_id
            self.updates.setdefault(name, []).append(one)
            if one.is_over and one.task is not None:
                self.delays[name] = now - self._by_id[name].ends


@cache
def _task(wiro_task_id: str, status: str, **more: str) -> Task:
    """Return a task; a page of the list has hundreds of the same."""
    return Task(wiro_task_id, status, **more)  # type: ignore[arg-type]


def _moment(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)

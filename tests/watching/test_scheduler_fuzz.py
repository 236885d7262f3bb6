"""PollScheduler under whatever comes: no wait is forgotten, notified twice, or polled without end."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.api.polling import Polling
from airflow_provider_wiro.exceptions import (
    WiroConnectionError,
    WiroError,
    WiroRateLimitError,
    WiroResponseError,
    WiroServerError,
)
from airflow_provider_wiro.watching.intervals import LONGEST_PAUSE_AFTER_A_FAILURE_SECONDS
from airflow_provider_wiro.watching.scheduler import DetailRequest, PollRequest, PollScheduler
from tests.api.fake_transport import NOON, quick

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from airflow_provider_wiro.watching.task_list import ListScan
    from airflow_provider_wiro.watching.watch import TaskWatch, WatchUpdate

Page = tuple[Task, ...]

#: In seconds: trouble ends, and every run has ended some time before the last is waited for.
TROUBLE_ENDS = 100.0
LATEST_END = 160.0
#: The longest pause, stretched by nothing any more, and a few requests.
IN_TIME = 30.0
LONGEST_LATENCY = 3.0

FAILURES: list[WiroError] = [
    WiroConnectionError("reset"),
    WiroServerError("502", http_status=502),
    WiroResponseError("HTML"),
    WiroRateLimitError("429", http_status=429),
]
#: What may be odd about a page of the list, for as long as there is trouble or for good.
ODDITIES: dict[str, Callable[[Page, random.Random], Page]] = {
    "nothing": lambda page, _: page,
    "empty": lambda _page, _: (),
    "short": lambda page, _: page[:5],
    "twice": lambda page, _: page * 2,
    "oldest first": lambda page, _: page[::-1],
    "shuffled": lambda page, chance: tuple(chance.sample(page, len(page))),
    "no status": lambda page, _: tuple(replace(task, status="") for task in page),
    "no ids": lambda page, _: tuple(replace(task, id="") for task in page),
    "lower ids": lambda page, _: tuple(replace(task, id=task.id[1:]) for task in page),
    "ends that are none": lambda page, _: tuple(replace(task, status="task_cancel") for task in page),
}


@dataclass(frozen=True)
class Trouble:
    """What goes wrong until ``TROUBLE_ENDS``; a list's oddity may stay."""

    seed: int
    tasks: int
    failing: float
    oddity: str
    is_odd_for_good: bool
    unlisted: float
    ignores_start: bool
    strangers: int
    latency: float
    reports: int
    leaving: float


TROUBLES = st.builds(
    Trouble,
    seed=st.integers(0, 2**32),
    tasks=st.integers(1, 40),
    failing=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    oddity=st.sampled_from(sorted(ODDITIES)),
    is_odd_for_good=st.booleans(),
    unlisted=st.sampled_from([0.0, 0.3, 1.0]),
    ignores_start=st.booleans(),
    strangers=st.sampled_from([0, 5, 300]),
    latency=st.sampled_from([0.05, 0.5, LONGEST_LATENCY]),
    reports=st.integers(0, 60),
    leaving=st.sampled_from([0.0, 0.2]),
)


@dataclass
class Wait:
    """A wait, and its updates."""

    watched: TaskWatch
    since: float
    has_left: bool = False
    updates: list[WatchUpdate] = field(default_factory=list)
    over_at: float | None = None
    details: int = 0
    calls: int = 0


class Storm:
    """A server in trouble, the waits, and what must hold after each event."""

    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble
        self.chance = random.Random(trouble.seed)
        self.scheduler = PollScheduler(self.chance.random, lambda _: self.chance.random() < 0.3)
        self.waits: dict[TaskWatch, Wait] = {}
        self.away: list[PollRequest] = []
        self.requests: Counter[int] = Counter()
        self.most_watches: Counter[int] = Counter()
        self._events: list[tuple[float, int, Callable[[float], Any]]] = []
        self._serial = count()
        self._gate_closed_until = 0.0
        self._ends: dict[str, float] = {}
        self._starts: dict[str, float] = {}
        self._listed: list[str] = []
        first = 5000
        for number in range(trouble.strangers):
            self._add_run(first + number * 3, starts=-1.0, ends=1e9, is_listed=True)
        for number in range(trouble.tasks):
            starts = self.chance.choice([0.0, self.chance.uniform(0.0, TROUBLE_ENDS)])
            ends = self.chance.uniform(starts, LATEST_END)
            is_listed = self.chance.random() >= trouble.unlisted
            name = self._add_run(first + 1000 + number, starts=starts, ends=ends, is_listed=is_listed)
            for _ in range(self.chance.choice([1, 1, 1, 2])):
                self.at(starts, lambda now, name=name: self._wait_for(name, now))
        for _ in range(trouble.reports):
            self.at(self.chance.uniform(0.0, TROUBLE_ENDS), self._report_something)
        if self.chance.random() < 0.3:
            self.at(self.chance.uniform(0.0, TROUBLE_ENDS), self._close_gate)

    def _add_run(self, number: int, *, starts: float, ends: float, is_listed: bool) -> str:
        name = str(number)
        self._starts[name], self._ends[name] = starts, ends
        if is_listed:
            self._listed.insert(0, name)
        return name

    def at(self, seconds: float, what: Callable[[float], Any]) -> None:
        heappush(self._events, (round(seconds, 6), next(self._serial), what))

    def run(self) -> None:
        """Let time pass until all waits are over."""
        awake_at: float | None = None
        for _ in range(60_000):
            if not self._events:
                break
            now, _, what = heappop(self._events)
            what(now)
            due_at = self.scheduler.next_due_at()
            self.check(now, due_at)
            if due_at is not None:
                seconds = max(now, (due_at - NOON).total_seconds())
                if awake_at is None or awake_at <= now or seconds < awake_at:
                    awake_at = seconds
                    self.at(seconds, self._poll)
        assert not self._events, "it goes on for ever"

    def check(self, now: float, due_at: datetime | None) -> None:
        """Each watch is queued, or in flight in exactly one request."""
        on_the_way = Counter(id(watched) for request in self.away for watched in _watched_by(request))
        for wait in self.waits.values():
            watched = wait.watched
            if not watched.is_active:
                assert wait.has_left or wait.over_at is not None, "it was dropped without a word"
                continue
            assert watched.in_flight == bool(on_the_way[id(watched)])
            assert on_the_way[id(watched)] <= 1
            if not watched.in_flight:
                assert due_at is not None, "nobody will request at it any more"
                assert due_at <= watched.due_at
                assert watched.due_at <= _moment(now + 3600.0)

    def _wait_for(self, name: str, now: float) -> None:
        polling = Polling(
            _moment(self._starts[name]),
            deadline=self.chance.choice([None, None, _moment(now + self.chance.uniform(0.0, 200.0))]),
            interval_seconds=self.chance.choice([None, None, None, 0.5, 20.0]),
        )
        watched = self.scheduler.add(
            name, polling, patience_seconds=300.0, is_seen=self.chance.random() < 0.5, now=_moment(now)
        )
        self.waits[watched] = Wait(watched, now)
        if self.chance.random() < self.trouble.leaving:
            self.at(now + self.chance.uniform(0.0, 60.0), lambda _: self._leave(watched))

    def _leave(self, watched: TaskWatch) -> None:
        self.scheduler.remove(watched)
        self.waits[watched].has_left = True

    def _report_something(self, now: float) -> None:
        """A message may be true or not, and comes more than once."""
        name = self.chance.choice(list(self._starts))
        for wait in self.waits.values():
            wait.calls += 3 * (wait.watched.wiro_task_id == name)
        for _ in range(self.chance.choice([1, 2])):
            if self.chance.random() < 0.5:
                self.scheduler.on_message(name, _moment(now))
            else:
                self.scheduler.poll_now([name, name], _moment(now))

    def _close_gate(self, now: float) -> None:
        self._gate_closed_until = round(now + 20.0, 6)

    def _poll(self, now: float) -> None:
        if now < self._gate_closed_until:
            requests: Sequence[PollRequest] = self.scheduler.hold_back(
                _moment(now), self._gate_closed_until - now
            )
        else:
            requests = self.scheduler.due_requests(_moment(now))
        for request in requests:
            self.away.append(request)
            # Requests are limited: some are sent a moment later.
            self.at(
                now + self.chance.choice([0.0, 0.0, 0.7]),
                lambda then, request=request: self._begin(request, then),
            )

    def _begin(self, request: PollRequest, now: float) -> None:
        if isinstance(request, DetailRequest):
            self._ask(request, 0, now)
            if request.watch in self.waits:
                self.waits[request.watch].details += 1
            return
        start = self.scheduler.next_start(request, _moment(now))
        if start is None:
            self.away.remove(request)
        else:
            self._ask(request, start, now)

    def _ask(self, request: PollRequest, start: int, now: float) -> None:
        self.requests[int(now)] += 1
        self.most_watches[int(now)] = max(self.most_watches[int(now)], len(self.scheduler))
        is_trouble = now < TROUBLE_ENDS
        failure = (
            self.chance.choice(FAILURES)
            if is_trouble and self.chance.random() < self.trouble.failing
            else None
        )
        then = now + self.chance.uniform(0.01, self.trouble.latency if is_trouble else 0.2)
        response = None if failure else self._respond(request, start, (now + then) / 2)
        self.at(then, lambda then: self._deliver(request, start, response, failure, now, then))

    def _respond(self, request: PollRequest, start: int, now: float) -> Any:
        if isinstance(request, DetailRequest):
            return self._shown(request.watch.wiro_task_id, now)
        first = 0 if self.trouble.ignores_start else start
        there = [name for name in self._listed if self._starts[name] <= now]
        page = tuple(self._shown(name, now) for name in there[first : first + self.scheduler.page_size])
        is_odd = self.trouble.is_odd_for_good or now < TROUBLE_ENDS
        return ODDITIES[self.trouble.oddity](page, self.chance) if is_odd else page

    def _shown(self, name: str, now: float) -> Task:
        if now >= self._ends[name]:
            return Task(name, "task_postprocess_end", exit_code="0")
        # Some fail before the model runs, wait for a requeue, and fail again.
        is_in_error = int(name) % 3 == 0 and int(now) % 20 < 5
        return Task(name, "task_error" if is_in_error else "task_output")

    def _deliver(
        self,
        request: PollRequest,
        start: int,
        response: Any,
        failure: WiroError | None,
        asked: float,
        now: float,
    ) -> None:
        moment = _moment(now)
        if failure is not None:
            self.away.remove(request)
            self.notify(self.scheduler.on_error(request, failure, moment), now)
        elif isinstance(request, DetailRequest):
            self.away.remove(request)
            self.notify(self.scheduler.on_task(request, response, moment), now)
        else:
            self.notify(self.scheduler.on_page(request, start, response, _moment(asked), moment), now)
            self._begin(request, now)

    def notify(self, updates: list[WatchUpdate], now: float) -> None:
        for one in updates:
            wait = self.waits[one.watch]
            assert not wait.has_left
            assert wait.over_at is None, "it was told after its end"
            wait.updates.append(one)
            if one.is_over:
                wait.over_at = now

    def end_of(self, wait: Wait) -> float:
        return self._ends[wait.watched.wiro_task_id]


@quick
@given(TROUBLES)
def test_whatever_happens_each_wait_is_notified_of_the_end_once_and_in_time(trouble: Trouble) -> None:
    storm = Storm(trouble)
    storm.run()

    assert len(storm.scheduler) == 0
    for wait in storm.waits.values():
        if wait.has_left:
            continue
        assert wait.over_at is not None
        assert [update.is_over for update in wait.updates] == [False] * (len(wait.updates) - 1) + [True]
        task = wait.updates[-1].task
        assert task is None or task.is_terminal
        polling = wait.watched.polling
        deadline = None if polling.deadline is None else (polling.deadline - NOON).total_seconds()
        if task is None:
            assert deadline is not None
            assert wait.over_at >= deadline
        latest = max(storm.end_of(wait), TROUBLE_ENDS, wait.since) + IN_TIME + LONGEST_LATENCY
        if deadline is not None:
            # The one last poll, and one that was in flight.
            latest = min(latest, deadline + 3 * LONGEST_LATENCY)
        assert wait.over_at <= latest


@quick
@given(TROUBLES)
def test_whatever_happens_polls_are_no_storm(trouble: Trouble) -> None:
    storm = Storm(trouble)
    storm.run()

    for second, requests in storm.requests.items():
        assert requests <= 10 + 4 * storm.most_watches[second]
    for wait in storm.waits.values():
        seconds = (wait.over_at or LATEST_END + IN_TIME) - wait.since
        shortest = wait.watched.polling.interval_seconds or 0.8
        repeated = TROUBLE_ENDS / LONGEST_PAUSE_AFTER_A_FAILURE_SECONDS
        assert wait.details <= 10 + wait.calls + repeated + 1.5 * seconds / shortest


def test_a_task_that_is_newer_than_all_the_list_shows_is_followed_by_detail() -> None:
    """As of a run in another team's context, whose list shows that team's tasks only."""
    storm = Storm(
        Trouble(
            seed=1,
            tasks=20,
            failing=0.0,
            oddity="nothing",
            is_odd_for_good=False,
            unlisted=1.0,
            ignores_start=False,
            strangers=5,
            latency=0.05,
            reports=0,
            leaving=0.0,
        )
    )
    storm.run()

    assert all(
        wait.over_at is not None and wait.over_at <= storm.end_of(wait) + IN_TIME
        for wait in storm.waits.values()
        if wait.updates[-1].task is not None
    )


def _watched_by(request: DetailRequest | ListScan) -> list[TaskWatch]:
    return [request.watch] if isinstance(request, DetailRequest) else request.wanted


def _moment(seconds: float) -> Any:
    return NOON + timedelta(seconds=seconds)

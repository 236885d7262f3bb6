"""PollScheduler: many tasks are followed with few requests, and each as well as one alone."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.api.polling import Polling
from airflow_provider_wiro.exceptions import (
    WiroAnswerTooLargeError,
    WiroAuthenticationError,
    WiroConnectionError,
    WiroError,
    WiroNotFoundError,
    WiroRateLimitError,
    WiroResponseError,
    WiroServerError,
    WiroTaskTimeoutError,
)
from airflow_provider_wiro.watching.scheduler import DetailRequest, PollRequest, PollScheduler
from airflow_provider_wiro.watching.task_list import ListScan
from tests.api.fake_transport import NOON
from tests.watching.simulation import Run, Simulation

if TYPE_CHECKING:
    from collections.abc import Callable


def runs(count: int, *, within: float = 5.0, shortest: float = 60.0, longest: float = 100.0) -> list[Run]:
    """Tasks that start within some seconds and last between the shortest and the longest time."""
    chance = random.Random(3)
    starts = sorted(chance.random() * within for _ in range(count))
    return [
        Run(str(2221 + number), start, start + shortest + (longest - shortest) * chance.random())
        for number, start in enumerate(starts)
    ]


def simulated(tasks: list[Run], **settings: Any) -> Simulation:
    sim = Simulation(tasks, **settings)
    sim.run()
    assert len(sim.scheduler) == 0
    return sim


def pages_fail(
    error: WiroError, *, until: float = 10_000.0
) -> Callable[[PollRequest, float], WiroError | None]:
    return lambda request, now: error if isinstance(request, ListScan) and now < until else None


# The numbers that are aimed at.


@pytest.mark.parametrize("within", [1.0, 5.0, 60.0])
def test_a_thousand_in_flight_cost_at_most_one_and_a_half_requests_each(within: float) -> None:
    sim = simulated(runs(1000, within=within))

    assert len(sim.delays) == 1000
    assert sim.requests_per_task <= 1.5
    assert sim.median_share <= 0.10
    assert max(sim.delays.values()) <= 30.0


def test_ten_thousand_in_flight_cost_even_less_each() -> None:
    tasks = runs(10_000)
    for task in tasks:
        task.starts = 0.0  # all of them are there when the first is waited for
    sim = simulated(tasks)

    assert len(sim.delays) == 10_000
    assert sim.requests_per_task <= 1.2
    assert sim.median_share <= 0.10
    assert max(sim.delays.values()) <= 30.0


@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
def test_a_triggerer_that_starts_again_finds_its_tasks_in_a_long_list(order: int) -> None:
    tasks = runs(4000)
    for number, task in enumerate(tasks):
        task.starts = 0.0
        task.is_watched = number < 3000  # another's are newer
    for number, task in enumerate([task for task in tasks if task.is_watched][::order]):
        task.waited_for_from = 20.0 + number / 1000

    sim = simulated(tasks)

    assert len(sim.delays) == 3000
    assert sim.requests_per_task <= 1.4
    assert sim.median_share <= 0.10


def test_one_task_is_polled_by_detail_alone() -> None:
    sim = simulated(runs(1))

    assert sim.pages == 0
    assert sim.median_share <= 0.18


def test_the_list_of_a_project_that_many_others_use_still_pays() -> None:
    tasks = runs(2000, within=60.0)
    for number, task in enumerate(tasks):
        task.is_watched = number % 2 == 0

    sim = simulated(tasks)

    assert len(sim.delays) == 1000
    assert sim.requests_per_task <= 2.0


def test_tasks_of_an_hour_are_polled_twice_a_minute_and_their_ends_are_seen_in_time() -> None:
    sim = simulated(runs(300, shortest=3500.0, longest=3700.0))

    assert max(sim.delays.values()) <= 30.0
    assert sim.requests_per_task <= 4.0


# Tasks that the list doesn't show are polled by Detail.


def test_what_the_list_does_not_show_is_followed_by_detail() -> None:
    tasks = runs(200)
    for task in tasks[::2]:
        task.is_listed = False  # another team's, another project's, or too old

    sim = simulated(tasks)

    assert len(sim.delays) == 200
    assert max(sim.delays.values()) <= 30.0


@pytest.mark.parametrize(
    "error",
    [
        WiroNotFoundError("gone", http_status=404),
        WiroNotFoundError("There is no task yet.", code=1, http_status=200),
        WiroServerError("bad gateway", http_status=502),
        WiroAnswerTooLargeError("more than 16 MiB"),
        WiroConnectionError("no response"),
    ],
    ids=["missing", "empty", "5xx", "too large", "no response"],
)
def test_a_list_that_is_out_of_order_costs_requests_and_no_task(error: WiroError) -> None:
    sim = simulated(runs(100), fails=pages_fail(error))

    assert len(sim.delays) == 100
    assert max(sim.delays.values()) <= 30.0
    assert sim.pages <= 20  # it is not requested again and again


@pytest.mark.parametrize(
    "error",
    [WiroNotFoundError("gone", http_status=404), WiroResponseError("HTML")],
    ids=["missing", "HTML"],
)
def test_without_the_list_a_thousand_tasks_are_fifty_details_a_second_and_no_end_is_late(
    error: WiroError,
) -> None:
    sim = simulated(runs(1000), fails=pages_fail(error))

    assert len(sim.delays) == 1000
    assert sim.requests_per_task <= 7.0
    assert sim.median_share <= 0.125
    assert max(sim.delays.values()) <= 30.0


def test_tasks_that_the_list_does_not_show_share_the_fifty_details_a_second() -> None:
    tasks = runs(400, shortest=25.0, longest=45.0)
    for task in tasks[:300]:
        task.is_listed = False

    sim = simulated(tasks)

    assert sim.requests_per_task <= 8.0
    assert max(sim.delays.values()) <= 10.0


def test_ten_thousand_polled_one_by_one_are_seen_in_time_and_not_all_at_once() -> None:
    tasks = runs(10_000, shortest=100.0, longest=101.0)
    for task in tasks:
        task.starts, task.waited_for_from = 0.0, 50.0
    sim = Simulation(tasks, fails=pages_fail(WiroNotFoundError("gone", http_status=404)))
    seen: list[int] = []
    for second in range(70, 99):
        sim.at(float(second), lambda _: seen.append(sim.details))
    sim.run()

    assert max(sim.delays.values()) <= 30.0
    assert max(later - earlier for earlier, later in itertools.pairwise(seen)) <= 3000


def test_among_few_a_young_task_is_polled_often() -> None:
    sim = simulated(
        runs(20, within=0.0, shortest=4.0, longest=8.0), fails=pages_fail(WiroNotFoundError("gone"))
    )

    assert max(sim.delays.values()) <= 2.0


def test_a_list_that_is_back_is_used_again() -> None:
    bad = simulated(runs(200, shortest=900, longest=1000), fails=pages_fail(WiroServerError("502")))
    back = simulated(
        runs(200, shortest=900, longest=1000), fails=pages_fail(WiroServerError("502"), until=60.0)
    )

    assert back.requests < bad.requests / 2


def test_a_page_that_is_too_large_for_one_response_is_requested_by_halves() -> None:
    sim = Simulation(runs(200))

    def too_large(request: PollRequest, _: float) -> WiroError | None:
        is_large = isinstance(request, ListScan) and sim.scheduler.page_size > 25
        return WiroAnswerTooLargeError("more than 16 MiB") if is_large else None

    sim.fails = too_large
    sim.run()

    assert sim.scheduler.page_size == 25
    assert sim.requests_per_task <= 2.5


def test_a_server_that_knows_no_positions_costs_requests_and_no_task() -> None:
    sim = simulated(runs(300), ignores_start=True)

    assert len(sim.delays) == 300
    assert max(sim.delays.values()) <= 30.0


def listing_as(sim: Simulation, change: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> Simulation:
    """Let Task/List respond in some other way."""
    response = sim._respond

    def changed(request: PollRequest, start: int, now: float) -> Any:
        return (
            response(request, start, now)
            if isinstance(request, DetailRequest)
            else change(response(request, start, now))
        )

    sim._respond = changed  # type: ignore[method-assign]
    sim.run()
    return sim


def test_an_item_without_a_status_changes_nothing() -> None:
    sim = listing_as(Simulation(runs(50)), lambda page: tuple(replace(task, status="") for task in page))

    assert len(sim.delays) == 50
    assert max(sim.delays.values()) <= 30.0


@pytest.mark.parametrize(
    "change",
    [
        lambda page: page[::-1],
        lambda page: page * 2,
        lambda page: tuple(replace(task, id="") for task in page),
        lambda page: tuple(replace(task, id=f"{task.id}9") for task in page),
        lambda page: page[:7],
    ],
    ids=["oldest first", "twice", "no ids", "other ids", "seven a page"],
)
def test_a_list_in_some_other_form_costs_requests_and_no_task(
    change: Callable[[tuple[Any, ...]], tuple[Any, ...]],
) -> None:
    sim = listing_as(Simulation(runs(250)), change)

    assert len(sim.delays) == 250
    assert max(sim.delays.values()) <= 30.0


def test_ids_that_are_no_numbers_are_found_too() -> None:
    tasks = runs(300)
    for number, task in enumerate(tasks):
        task.id = f"task-{number:05d}"

    sim = simulated(tasks)

    assert len(sim.delays) == 300
    assert max(sim.delays.values()) <= 30.0


def test_a_list_that_lags_is_found_out() -> None:
    sim = simulated(runs(300), list_lag=600.0)

    assert len(sim.delays) == 300
    assert max(sim.delays.values()) <= 60.0


@pytest.mark.parametrize("lag", [12.0, 20.0, 30.0])
def test_a_list_that_shows_tasks_late_is_not_relied_on_for_their_ends(lag: float) -> None:
    sim = simulated(runs(300, within=0.0, shortest=25.0, longest=45.0), list_lag=lag)

    assert sim.median_share <= 0.15
    assert max(sim.delays.values()) <= 15.0
    assert sim.requests_per_task <= 9.0


def test_an_end_in_the_list_is_believed_only_when_detail_says_so() -> None:
    sim = Simulation(runs(20))
    shown = Run.shown_at
    hasty = {run.id for run in sim.runs}

    def response(request: PollRequest, start: int, now: float) -> Any:
        if isinstance(request, DetailRequest):
            return shown(sim._by_id[request.watch.wiro_task_id], now)
        there = [run for run in reversed(sim.runs) if run.starts <= now]
        return tuple(shown(run, now + (50.0 if run.id in hasty else 0.0)) for run in there[start:][:100])

    sim._respond = response  # type: ignore[method-assign]
    sim.run()

    assert len(sim.delays) == 20
    assert min(sim.delays.values()) >= 0.0
    assert sim.details <= 20 * 25


# Errors, deadlines, limits: as for one alone.


def test_an_outage_within_the_patience_loses_no_task() -> None:
    sim = simulated(
        runs(200), fails=lambda _, now: WiroServerError("502", http_status=502) if 20 < now < 200 else None
    )

    assert len(sim.delays) == 200


def test_an_outage_beyond_the_patience_ends_each_wait() -> None:
    sim = simulated(
        runs(50, shortest=2000, longest=2000),
        fails=lambda _, now: WiroConnectionError("refused") if now > 20 else None,
    )

    ends = [updates[-1].error for updates in sim.updates.values()]
    assert len(ends) == 50
    assert all(isinstance(error, WiroConnectionError) and "may still run" in str(error) for error in ends)


class Failing:
    """Makes some Details of each task fail, from a moment on: the first `failures` of every `of`."""

    def __init__(self, failures: int, *, of: int = 1_000_000, since: Callable[[Run], float]) -> None:
        self._failures, self._of, self._since = failures, of, since
        self._looks: Counter[str] = Counter()
        self.sim: Simulation

    def __call__(self, request: PollRequest, now: float) -> WiroError | None:
        if not isinstance(request, DetailRequest):
            return None
        name = request.watch.wiro_task_id
        if now < self._since(self.sim._by_id[name]):
            return None
        self._looks[name] += 1
        fails = (self._looks[name] - 1) % self._of < self._failures
        return WiroServerError("500", http_status=500) if fails else None


def simulated_failing(tasks: list[Run], failing: Failing) -> Simulation:
    sim = failing.sim = Simulation(tasks, fails=failing)
    sim.run()
    assert len(sim.delays) == len(tasks)
    return sim


def test_an_end_that_the_list_shows_is_asked_for_again_soon_when_detail_fails() -> None:
    tasks = runs(100, shortest=60.0, longest=100.0)
    calm = simulated(tasks)

    sim = simulated_failing(tasks, Failing(3, since=lambda run: run.ends))

    assert max(sim.delays.values()) <= max(calm.delays.values()) + 1 + 2 + 4 + 1.0


def test_six_failures_in_a_row_do_not_make_an_end_half_a_minute_late() -> None:
    sim = simulated_failing(runs(100, shortest=25.0, longest=45.0), Failing(6, since=lambda run: run.ends))

    assert max(sim.delays.values()) <= 30.0


def test_after_a_message_of_the_end_a_failed_detail_is_repeated_soon() -> None:
    failing = Failing(2, since=lambda run: run.ends)
    sim = failing.sim = Simulation([Run("2221", 0.0, 500.0)], fails=failing)
    sim.at(500.1, lambda now: sim.scheduler.on_message("2221", _at(now)))
    sim.run()

    assert sim.delays["2221"] <= 1 + 2 + 1.0


def test_a_failed_detail_is_repeated_so_soon_that_no_end_is_late() -> None:
    sim = simulated_failing(runs(5, shortest=900.0, longest=1000.0), Failing(1, of=2, since=lambda _: 0.0))

    assert max(sim.delays.values()) <= 30.0


def test_a_server_that_is_down_is_not_asked_more_often_by_a_thousand_tasks() -> None:
    sim = Simulation(
        runs(1000, shortest=300.0, longest=400.0),
        fails=lambda _, now: WiroServerError("503", http_status=503) if now > 60 else None,
    )
    asked: list[int] = []
    for second in (60, 80, 200):
        sim.at(float(second), lambda _: asked.append(sim.requests))
    sim.run(until=200.0)

    assert asked[1] - asked[0] <= 20 * 100  # each once more than usual, at first
    assert asked[2] - asked[1] <= 120 * 60


def test_what_cannot_be_ridden_out_ends_the_waits_it_is_about() -> None:
    def fails(request: PollRequest, _: float) -> WiroError | None:
        is_it = isinstance(request, DetailRequest) and request.watch.wiro_task_id == "2225"
        return WiroAuthenticationError("no", http_status=401) if is_it else None

    sim = simulated(runs(20), fails=fails)

    assert isinstance(sim.updates["2225"][-1].error, WiroAuthenticationError)
    assert len(sim.delays) == 19


def test_each_deadline_is_kept_with_one_last_poll() -> None:
    tasks = runs(100)
    sim = simulated(tasks, polling=lambda run: Polling(_at(run.starts), deadline=_at(run.starts + 70.0)))

    late = [run for run in tasks if run.ends > run.starts + 70.5]
    for run in late:
        error = sim.updates[run.id][-1].error
        assert isinstance(error, WiroTaskTimeoutError)
        assert error.wiro_task_id == run.id
        assert "last status: task_output" in str(error)
    assert len(sim.delays) >= 100 - len(late) - 2


def test_a_deadline_in_the_middle_of_an_outage_is_a_timeout() -> None:
    sim = simulated(
        runs(5),
        polling=lambda run: Polling(_at(run.starts), deadline=_at(30.0)),
        fails=lambda _, now: WiroServerError("502") if now > 10 else None,
    )

    assert all(isinstance(updates[-1].error, WiroTaskTimeoutError) for updates in sim.updates.values())


def test_a_rate_limit_makes_all_polls_fewer_and_uses_up_no_patience() -> None:
    calm = simulated(runs(300, shortest=600, longest=700))
    limited = simulated(
        runs(300, shortest=600, longest=700),
        fails=lambda _, now: WiroRateLimitError("slow down", http_status=429) if int(now) % 20 == 0 else None,
    )

    assert len(limited.delays) == 300
    assert max(limited.delays.values()) <= 30.0
    assert limited.requests <= calm.requests * 1.5


def test_while_the_gate_is_closed_only_last_polls_are_made() -> None:
    sim = Simulation(runs(3))
    scheduler = sim.scheduler
    for number in range(3):
        deadline = _at(10.0) if number == 0 else None
        scheduler.add(str(number), Polling(NOON, deadline), patience_seconds=300, is_seen=False, now=NOON)

    assert scheduler.hold_back(_at(1.0), 59.0) == []
    assert scheduler.next_due_at() == _at(10.0)
    [last_poll] = scheduler.hold_back(_at(10.0), 50.0)
    assert last_poll.watch.wiro_task_id == "0"
    [updates] = scheduler.on_error(last_poll, WiroRateLimitError("slow down", http_status=429), _at(10.1))
    assert isinstance(updates.error, WiroTaskTimeoutError)
    assert scheduler.next_due_at() == _at(60.0)
    assert len(scheduler) == 2


def test_a_fixed_interval_is_kept_also_in_a_crowd() -> None:
    tasks = runs(40, within=0.0)
    sim = simulated(tasks, polling=lambda run: Polling(_at(run.starts), interval_seconds=20.0))

    assert all(delay <= 20.5 for delay in sim.delays.values())
    assert sim.pages <= 100 / 20 + 3


# Waits that start and end disturb no other.


def test_a_task_nobody_waits_for_any_more_is_not_polled_and_disturbs_no_other() -> None:
    sim = Simulation(runs(100))
    sim.at(30.0, lambda _: [sim.scheduler.remove(sim.watching[str(2221 + n)]) for n in range(50)])
    sim.run()

    assert len(sim.delays) == 50
    assert sim.requests <= 50 + 60


def test_two_waits_for_one_task_are_both_notified() -> None:
    sim = Simulation(runs(1))
    second = sim.scheduler.add("2221", Polling(NOON), patience_seconds=300, is_seen=False, now=NOON)
    sim.run()

    assert second.is_active is False
    assert sum(update.is_over for update in sim.updates["2221"]) == 2


def test_a_status_is_reported_when_it_changes_and_not_again() -> None:
    sim = simulated(runs(30))

    for updates in sim.updates.values():
        assert [one.task.status for one in updates if one.task] == ["task_output", "task_postprocess_end"]


def test_after_a_message_of_the_end_the_task_is_polled_at_once() -> None:
    sim = Simulation([Run("2221", 0.0, 50.0)])
    sim.at(50.1, lambda now: sim.scheduler.on_message("2221", _at(now)))
    sim.run()

    assert sim.delays["2221"] < 1.0


def test_an_error_before_the_model_ran_is_followed_and_its_reason_is_asked_for() -> None:
    """The list's items may be abridged, so that only Detail says why."""
    tasks = runs(30)
    tasks[7].errs_from, tasks[7].errs_until = tasks[7].starts + 5.0, tasks[7].starts + 20.0
    sim = simulated(tasks)

    assert len(sim.delays) == 30
    updates = [one.task for one in sim.updates[tasks[7].id] if one.task]
    assert [task.status for task in updates] == [
        "task_output",
        "task_error",
        "task_output",
        "task_postprocess_end",
    ]
    assert updates[1].status_with_reason == "task_error: no machine"


def test_one_that_never_recovers_is_a_timeout_that_quotes_it() -> None:
    tasks = runs(30)
    tasks[7].errs_from, tasks[7].errs_until = tasks[7].starts + 5.0, 1e9
    tasks[7].ends = 1e9
    sim = simulated(tasks, polling=lambda run: Polling(_at(run.starts), _at(300.0)))

    error = sim.updates[tasks[7].id][-1].error
    assert isinstance(error, WiroTaskTimeoutError)
    assert "last status: task_error: no machine" in str(error)


def test_a_reason_that_comes_later_is_news_once() -> None:
    scheduler = PollScheduler(lambda: 0.5)
    scheduler.add("2221", Polling(NOON), patience_seconds=100, is_seen=True, now=NOON)
    updates = []
    for number, reason in enumerate(("", "", "no machine", "", "no machine"), start=1):
        [request] = scheduler.due_requests(_at(60.0 * number))
        assert isinstance(request, DetailRequest)
        updates.append(
            scheduler.on_task(request, Task("2221", "task_error", debug_error=reason), _at(60.0 * number))
        )

    assert [len(one) for one in updates] == [1, 0, 1, 0, 0]
    assert updates[2][0].since is None, "nothing that should have been heard of"


def test_a_watcher_that_was_suspended_for_an_hour_polls_again_before_it_gives_up() -> None:
    sim = Simulation(runs(1, shortest=4000.0, longest=4000.0), fails=lambda _, now: None)
    scheduler = sim.scheduler
    watched = scheduler.add("2221", Polling(NOON), patience_seconds=300, is_seen=False, now=NOON)
    [request] = scheduler.due_requests(_at(1.0))

    assert isinstance(request, DetailRequest)
    assert scheduler.on_error(request, WiroConnectionError("timeout"), _at(3600.0)) == []
    assert watched.is_active

    for seconds in range(3610, 3740, 10):
        assert watched.is_active, "patience begins when the process goes on"
        [request] = scheduler.due_requests(_at(float(seconds)))
        scheduler.on_error(request, WiroConnectionError("timeout"), _at(float(seconds)))
    updates = []
    for seconds in range(3740, 3800, 10):
        for request in scheduler.due_requests(_at(float(seconds))):
            updates += scheduler.on_error(request, WiroConnectionError("timeout"), _at(float(seconds)))
    assert "Lost sight" in str(updates[-1].error)


def test_a_task_that_was_just_started_and_is_not_known_yet_is_waited_for() -> None:
    early = simulated(
        runs(1), fails=lambda _, now: WiroNotFoundError("There is no task yet.") if now < 15 else None
    )
    late = simulated(
        runs(1), fails=lambda _, now: WiroNotFoundError("There is no task yet.") if now < 45 else None
    )

    assert len(early.delays) == 1
    assert isinstance(late.updates["2221"][-1].error, WiroNotFoundError)


def _failing_looks(
    scheduler: PollScheduler, error: WiroError, begin: float, *, until: float = 400
) -> tuple[float, Any]:
    """Fail each request from a moment on; return when that ended the wait, and with what."""
    at = begin
    while at < until:
        due = scheduler.next_due_at()
        assert due is not None
        at = max(at, (due - NOON).total_seconds())
        for request in scheduler.due_requests(_at(at)):
            for updates in scheduler.on_error(request, error, _at(at)):
                return at, updates.error
    return at, None


NOT_THERE = WiroNotFoundError("There is no task yet.")


@pytest.mark.parametrize("patience", [0.0, 5.0, 280.0])
def test_the_half_minute_does_not_depend_on_the_patience(patience: float) -> None:
    scheduler = PollScheduler(lambda: 0.5)
    scheduler.add("2221", Polling(NOON), patience_seconds=patience, is_seen=True, now=NOON)
    at, error = _failing_looks(scheduler, NOT_THERE, 0.0)
    assert (at, error) == (30.0, NOT_THERE)


def test_a_task_that_was_seen_and_is_then_not_there_is_ridden_out_like_an_outage() -> None:
    scheduler = PollScheduler(lambda: 0.5)
    scheduler.add("2221", Polling(NOON), patience_seconds=100, is_seen=True, now=NOON)
    [request] = scheduler.due_requests(_at(50.0))
    scheduler.on_task(request, Task("2221", "task_start"), _at(50.0))
    at, error = _failing_looks(scheduler, NOT_THERE, 50.0)
    assert error is NOT_THERE
    assert 150 <= at <= 160


def _at(seconds: float) -> Any:
    return NOON + timedelta(seconds=seconds)


def test_a_task_newer_than_all_that_the_list_shows_is_followed_by_detail() -> None:
    """As in another team's context, whose list shows that team's older tasks."""
    strangers = [Run(str(100 + number), 0.0, 1e9, is_watched=False) for number in range(20)]
    tasks = runs(50)
    for task in tasks:
        task.is_listed = False
    sim = simulated([*strangers, *tasks])

    assert len(sim.delays) == 50
    assert max(sim.delays.values()) <= 30.0


def test_a_fixed_interval_and_a_deadline_among_many_cost_one_poll_at_the_deadline() -> None:
    """Each page that showed the task by chance planned one more."""

    def polling(run: Run) -> Polling:
        is_slow = int(run.id) % 4 == 0
        return Polling(_at(run.starts), _at(1000.0) if is_slow else None, 3600.0 if is_slow else None)

    sim = Simulation(runs(200, shortest=1500.0, longest=1501.0), polling=polling)
    queued: list[int] = []
    sim.at(999.0, lambda _: queued.append(len(sim.scheduler._queue._heap)))
    sim.run(until=1005.0)

    assert sim.details <= 50 + 1000 / 30 + 5
    assert queued[0] <= 300


def test_a_message_that_comes_during_a_poll_is_followed_by_another_poll() -> None:
    sim = Simulation([Run("2221", 0.0, 500.0)])
    sim.at(499.85, lambda now: sim.scheduler.poll_now(["2221"], _at(now)))  # answered as of 499.95
    sim.at(500.01, lambda now: sim.scheduler.on_message("2221", _at(now)))
    sim.run()

    assert sim.delays["2221"] < 1.0


def test_lines_on_stderr_cost_one_poll_and_leave_a_task_in_the_list() -> None:
    sim = Simulation(runs(50))

    def line(run: Run, now: float) -> None:
        if now < run.ends:
            sim.scheduler.on_message(run.id, _at(now), is_end=False)
            sim.at(now + 0.1, lambda then: line(run, then))

    for run in sim.runs:
        sim.at(run.starts + 5.0, lambda now, run=run: line(run, now))
    sim.run()

    assert len(sim.delays) == 50
    assert sim.requests_per_task <= 4.0


@pytest.mark.parametrize("error", [WiroServerError("502"), WiroResponseError("HTML of a proxy")])
def test_half_a_second_without_the_list_costs_next_to_nothing(error: WiroError) -> None:
    """Several pages are in flight at once; each of them fails."""
    sim = simulated(
        runs(5000),
        fails=lambda request, now: error if isinstance(request, ListScan) and 20.0 < now < 20.5 else None,
    )

    assert sim.requests_per_task <= 1.6


def test_a_task_whose_messages_have_begun_to_arrive_is_polled_after_the_longest_pause() -> None:
    pushed: set[str] = set()
    scheduler = PollScheduler(lambda: 0.5, pushed.__contains__)
    scheduler.add("2221", Polling(NOON), patience_seconds=100, is_seen=True, now=NOON)
    [request] = scheduler.due_requests(_at(2.0))
    scheduler.on_task(request, Task("2221", "task_start"), _at(2.0))
    assert scheduler.next_due_at() == _at(3.0)
    pushed.add("2221")

    assert scheduler.due_requests(_at(3.0)) == []
    assert scheduler.next_due_at() == _at(2.0 + 27.0)
    scheduler.poll_now(["2221"], _at(4.0))
    assert len(scheduler.due_requests(_at(4.0))) == 1

"""WatchPlan: following many tasks with few requests, and none of them less well than one alone."""

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
from tests.watching.simulation import Run, WatchSimulation

if TYPE_CHECKING:
    from collections.abc import Callable


def runs(count: int, *, within: float = 5.0, shortest: float = 60.0, longest: float = 100.0) -> list[Run]:
    """Tasks that begin within some seconds and take a time between two."""
    chance = random.Random(3)
    starts = sorted(chance.random() * within for _ in range(count))
    return [
        Run(str(2221 + number), start, start + shortest + (longest - shortest) * chance.random())
        for number, start in enumerate(starts)
    ]


def lived(tasks: list[Run], **settings: Any) -> WatchSimulation:
    simulation = WatchSimulation(tasks, **settings)
    simulation.live()
    assert len(simulation.plan) == 0
    return simulation


def pages_fail(
    error: WiroError, *, until: float = 10_000.0
) -> Callable[[PollRequest, float], WiroError | None]:
    return lambda look, now: error if isinstance(look, ListScan) and now < until else None


# The numbers that are aimed at.


@pytest.mark.parametrize("within", [1.0, 5.0, 60.0])
def test_a_thousand_in_flight_cost_at_most_one_and_a_half_requests_each(within: float) -> None:
    simulation = lived(runs(1000, within=within))

    assert len(simulation.delays) == 1000
    assert simulation.requests_per_task <= 1.5
    assert simulation.median_share <= 0.10
    assert max(simulation.delays.values()) <= 30.0


def test_ten_thousand_in_flight_cost_even_less_each() -> None:
    tasks = runs(10_000)
    for task in tasks:
        task.starts = 0.0  # all of them are there when the first is waited for
    simulation = lived(tasks)

    assert len(simulation.delays) == 10_000
    assert simulation.requests_per_task <= 1.2
    assert simulation.median_share <= 0.10
    assert max(simulation.delays.values()) <= 30.0


@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
def test_a_triggerer_that_starts_again_finds_its_tasks_in_a_long_list(order: int) -> None:
    tasks = runs(4000)
    for number, task in enumerate(tasks):
        task.starts = 0.0
        task.is_watched = number < 3000  # another's are newer
    for number, task in enumerate([task for task in tasks if task.is_watched][::order]):
        task.waited_for_from = 20.0 + number / 1000

    simulation = lived(tasks)

    assert len(simulation.delays) == 3000
    assert simulation.requests_per_task <= 1.4
    assert simulation.median_share <= 0.10


def test_one_task_is_polled_by_detail_alone() -> None:
    simulation = lived(runs(1))

    assert simulation.pages == 0
    assert simulation.median_share <= 0.18


def test_the_list_of_a_project_that_many_others_use_still_pays() -> None:
    tasks = runs(2000, within=60.0)
    for number, task in enumerate(tasks):
        task.is_watched = number % 2 == 0

    simulation = lived(tasks)

    assert len(simulation.delays) == 1000
    assert simulation.requests_per_task <= 2.0


def test_tasks_of_an_hour_are_polled_twice_a_minute_and_their_ends_are_seen_in_time() -> None:
    simulation = lived(runs(300, shortest=3500.0, longest=3700.0))

    assert max(simulation.delays.values()) <= 30.0
    assert simulation.requests_per_task <= 4.0


# What the list doesn't show is asked for by itself.


def test_what_the_list_does_not_show_is_followed_by_detail() -> None:
    tasks = runs(200)
    for task in tasks[::2]:
        task.is_listed = False  # another team's, another project's, or too old

    simulation = lived(tasks)

    assert len(simulation.delays) == 200
    assert max(simulation.delays.values()) <= 30.0


@pytest.mark.parametrize(
    "error",
    [
        WiroNotFoundError("gone", http_status=404),
        WiroNotFoundError("There is no task yet.", code=1, http_status=200),
        WiroServerError("bad gateway", http_status=502),
        WiroAnswerTooLargeError("more than 16 MiB"),
        WiroConnectionError("no answer"),
    ],
    ids=["missing", "empty", "5xx", "too large", "no answer"],
)
def test_a_list_that_is_out_of_order_costs_requests_and_no_task(error: WiroError) -> None:
    simulation = lived(runs(100), fails=pages_fail(error))

    assert len(simulation.delays) == 100
    assert max(simulation.delays.values()) <= 30.0
    assert simulation.pages <= 20  # it is not asked again and again


@pytest.mark.parametrize(
    "error",
    [WiroNotFoundError("gone", http_status=404), WiroResponseError("HTML")],
    ids=["missing", "HTML"],
)
def test_without_the_list_a_thousand_tasks_are_fifty_details_a_second_and_no_end_is_late(
    error: WiroError,
) -> None:
    simulation = lived(runs(1000), fails=pages_fail(error))

    assert len(simulation.delays) == 1000
    assert simulation.requests_per_task <= 7.0
    assert simulation.median_share <= 0.125
    assert max(simulation.delays.values()) <= 30.0


def test_tasks_that_the_list_does_not_show_share_the_fifty_details_a_second() -> None:
    tasks = runs(400, shortest=25.0, longest=45.0)
    for task in tasks[:300]:
        task.is_listed = False

    simulation = lived(tasks)

    assert simulation.requests_per_task <= 8.0
    assert max(simulation.delays.values()) <= 10.0


def test_ten_thousand_polled_one_by_one_are_seen_in_time_and_not_all_at_once() -> None:
    tasks = runs(10_000, shortest=100.0, longest=101.0)
    for task in tasks:
        task.starts, task.waited_for_from = 0.0, 50.0
    simulation = WatchSimulation(tasks, fails=pages_fail(WiroNotFoundError("gone", http_status=404)))
    seen: list[int] = []
    for second in range(70, 99):
        simulation.at(float(second), lambda _: seen.append(simulation.details))
    simulation.live()

    assert max(simulation.delays.values()) <= 30.0
    assert max(later - earlier for earlier, later in itertools.pairwise(seen)) <= 3000


def test_among_few_a_young_task_is_polled_often() -> None:
    simulation = lived(
        runs(20, within=0.0, shortest=4.0, longest=8.0), fails=pages_fail(WiroNotFoundError("gone"))
    )

    assert max(simulation.delays.values()) <= 2.0


def test_a_list_that_is_back_is_used_again() -> None:
    bad = lived(runs(200, shortest=900, longest=1000), fails=pages_fail(WiroServerError("502")))
    back = lived(runs(200, shortest=900, longest=1000), fails=pages_fail(WiroServerError("502"), until=60.0))

    assert back.requests < bad.requests / 2


def test_a_page_that_is_too_large_for_one_response_is_requested_by_halves() -> None:
    simulation = WatchSimulation(runs(200))

    def too_large(look: PollRequest, _: float) -> WiroError | None:
        is_large = isinstance(look, ListScan) and simulation.plan.page_size > 25
        return WiroAnswerTooLargeError("more than 16 MiB") if is_large else None

    simulation.fails = too_large
    simulation.live()

    assert simulation.plan.page_size == 25
    assert simulation.requests_per_task <= 2.5


def test_a_server_that_knows_no_positions_costs_requests_and_no_task() -> None:
    simulation = lived(runs(300), ignores_start=True)

    assert len(simulation.delays) == 300
    assert max(simulation.delays.values()) <= 30.0


def listing_as(
    simulation: WatchSimulation, change: Callable[[tuple[Any, ...]], tuple[Any, ...]]
) -> WatchSimulation:
    """Let Task/List answer in some other way."""
    answer = simulation._answer

    def changed(look: PollRequest, start: int, now: float) -> Any:
        return (
            answer(look, start, now) if isinstance(look, DetailRequest) else change(answer(look, start, now))
        )

    simulation._answer = changed  # type: ignore[method-assign]
    simulation.live()
    return simulation


def test_an_item_without_a_status_changes_nothing() -> None:
    simulation = listing_as(
        WatchSimulation(runs(50)), lambda page: tuple(replace(task, status="") for task in page)
    )

    assert len(simulation.delays) == 50
    assert max(simulation.delays.values()) <= 30.0


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
    simulation = listing_as(WatchSimulation(runs(250)), change)

    assert len(simulation.delays) == 250
    assert max(simulation.delays.values()) <= 30.0


def test_ids_that_are_no_numbers_are_found_too() -> None:
    tasks = runs(300)
    for number, task in enumerate(tasks):
        task.id = f"task-{number:05d}"

    simulation = lived(tasks)

    assert len(simulation.delays) == 300
    assert max(simulation.delays.values()) <= 30.0


def test_a_list_that_lags_is_found_out() -> None:
    simulation = lived(runs(300), list_lag=600.0)

    assert len(simulation.delays) == 300
    assert max(simulation.delays.values()) <= 60.0


@pytest.mark.parametrize("lag", [12.0, 20.0, 30.0])
def test_a_list_that_shows_tasks_late_is_not_relied_on_for_their_ends(lag: float) -> None:
    simulation = lived(runs(300, within=0.0, shortest=25.0, longest=45.0), list_lag=lag)

    assert simulation.median_share <= 0.15
    assert max(simulation.delays.values()) <= 15.0
    assert simulation.requests_per_task <= 9.0


def test_an_end_in_the_list_is_believed_only_when_detail_says_so() -> None:
    simulation = WatchSimulation(runs(20))
    shown = Run.shown_at
    hasty = {run.id for run in simulation.runs}

    def answer(look: PollRequest, start: int, now: float) -> Any:
        if isinstance(look, DetailRequest):
            return shown(simulation._by_id[look.watch.wiro_task_id], now)
        there = [run for run in reversed(simulation.runs) if run.starts <= now]
        return tuple(shown(run, now + (50.0 if run.id in hasty else 0.0)) for run in there[start:][:100])

    simulation._answer = answer  # type: ignore[method-assign]
    simulation.live()

    assert len(simulation.delays) == 20
    assert min(simulation.delays.values()) >= 0.0
    assert simulation.details <= 20 * 25


# Errors, deadlines, limits: as for one alone.


def test_an_outage_within_the_patience_loses_no_task() -> None:
    simulation = lived(
        runs(200), fails=lambda _, now: WiroServerError("502", http_status=502) if 20 < now < 200 else None
    )

    assert len(simulation.delays) == 200


def test_an_outage_beyond_the_patience_ends_each_wait() -> None:
    simulation = lived(
        runs(50, shortest=2000, longest=2000),
        fails=lambda _, now: WiroConnectionError("refused") if now > 20 else None,
    )

    ends = [news[-1].error for news in simulation.updates.values()]
    assert len(ends) == 50
    assert all(isinstance(error, WiroConnectionError) and "may still run" in str(error) for error in ends)


class Failing:
    """Has some looks by Detail fail, task by task: the first of each so many, from a moment on."""

    def __init__(self, failures: int, *, of: int = 1_000_000, since: Callable[[Run], float]) -> None:
        self._failures, self._of, self._since = failures, of, since
        self._looks: Counter[str] = Counter()
        self.simulation: WatchSimulation

    def __call__(self, look: PollRequest, now: float) -> WiroError | None:
        if not isinstance(look, DetailRequest):
            return None
        name = look.watch.wiro_task_id
        if now < self._since(self.simulation._by_id[name]):
            return None
        self._looks[name] += 1
        fails = (self._looks[name] - 1) % self._of < self._failures
        return WiroServerError("500", http_status=500) if fails else None


def lived_failing(tasks: list[Run], failing: Failing) -> WatchSimulation:
    simulation = failing.simulation = WatchSimulation(tasks, fails=failing)
    simulation.live()
    assert len(simulation.delays) == len(tasks)
    return simulation


def test_an_end_that_the_list_shows_is_asked_for_again_soon_when_detail_fails() -> None:
    tasks = runs(100, shortest=60.0, longest=100.0)
    calm = lived(tasks)

    simulation = lived_failing(tasks, Failing(3, since=lambda run: run.ends))

    assert max(simulation.delays.values()) <= max(calm.delays.values()) + 1 + 2 + 4 + 1.0


def test_six_failures_in_a_row_do_not_make_an_end_half_a_minute_late() -> None:
    simulation = lived_failing(runs(100, shortest=25.0, longest=45.0), Failing(6, since=lambda run: run.ends))

    assert max(simulation.delays.values()) <= 30.0


def test_after_a_message_of_the_end_a_failed_detail_is_repeated_soon() -> None:
    failing = Failing(2, since=lambda run: run.ends)
    simulation = failing.simulation = WatchSimulation([Run("2221", 0.0, 500.0)], fails=failing)
    simulation.at(500.1, lambda now: simulation.plan.on_message("2221", _at(now)))
    simulation.live()

    assert simulation.delays["2221"] <= 1 + 2 + 1.0


def test_a_failed_detail_is_repeated_so_soon_that_no_end_is_late() -> None:
    simulation = lived_failing(runs(5, shortest=900.0, longest=1000.0), Failing(1, of=2, since=lambda _: 0.0))

    assert max(simulation.delays.values()) <= 30.0


def test_a_server_that_is_down_is_not_asked_more_often_by_a_thousand_tasks() -> None:
    simulation = WatchSimulation(
        runs(1000, shortest=300.0, longest=400.0),
        fails=lambda _, now: WiroServerError("503", http_status=503) if now > 60 else None,
    )
    asked: list[int] = []
    for second in (60, 80, 200):
        simulation.at(float(second), lambda _: asked.append(simulation.requests))
    simulation.live(until=200.0)

    assert asked[1] - asked[0] <= 20 * 100  # each once more than usual, at first
    assert asked[2] - asked[1] <= 120 * 60


def test_what_cannot_be_ridden_out_ends_the_waits_it_is_about() -> None:
    def fails(look: PollRequest, _: float) -> WiroError | None:
        is_it = isinstance(look, DetailRequest) and look.watch.wiro_task_id == "2225"
        return WiroAuthenticationError("no", http_status=401) if is_it else None

    simulation = lived(runs(20), fails=fails)

    assert isinstance(simulation.updates["2225"][-1].error, WiroAuthenticationError)
    assert len(simulation.delays) == 19


def test_each_deadline_is_kept_with_one_last_poll() -> None:
    tasks = runs(100)
    simulation = lived(tasks, polling=lambda run: Polling(_at(run.starts), deadline=_at(run.starts + 70.0)))

    late = [run for run in tasks if run.ends > run.starts + 70.5]
    for run in late:
        error = simulation.updates[run.id][-1].error
        assert isinstance(error, WiroTaskTimeoutError)
        assert error.wiro_task_id == run.id
        assert "last status: task_output" in str(error)
    assert len(simulation.delays) >= 100 - len(late) - 2


def test_a_deadline_in_the_middle_of_an_outage_is_a_timeout() -> None:
    simulation = lived(
        runs(5),
        polling=lambda run: Polling(_at(run.starts), deadline=_at(30.0)),
        fails=lambda _, now: WiroServerError("502") if now > 10 else None,
    )

    assert all(isinstance(news[-1].error, WiroTaskTimeoutError) for news in simulation.updates.values())


def test_a_rate_limit_makes_all_polls_fewer_and_uses_up_no_patience() -> None:
    calm = lived(runs(300, shortest=600, longest=700))
    limited = lived(
        runs(300, shortest=600, longest=700),
        fails=lambda _, now: WiroRateLimitError("slow down", http_status=429) if int(now) % 20 == 0 else None,
    )

    assert len(limited.delays) == 300
    assert max(limited.delays.values()) <= 30.0
    assert limited.requests <= calm.requests * 1.5


def test_while_the_gate_is_closed_only_last_polls_are_made() -> None:
    simulation = WatchSimulation(runs(3))
    plan = simulation.plan
    for number in range(3):
        deadline = _at(10.0) if number == 0 else None
        plan.add(str(number), Polling(NOON, deadline), patience_seconds=300, is_seen=False, now=NOON)

    assert plan.hold_back(_at(1.0), 59.0) == []
    assert plan.next_due_at() == _at(10.0)
    [last_look] = plan.hold_back(_at(10.0), 50.0)
    assert last_look.watch.wiro_task_id == "0"
    [news] = plan.on_error(last_look, WiroRateLimitError("slow down", http_status=429), _at(10.1))
    assert isinstance(news.error, WiroTaskTimeoutError)
    assert plan.next_due_at() == _at(60.0)
    assert len(plan) == 2


def test_a_fixed_interval_is_kept_also_in_a_crowd() -> None:
    tasks = runs(40, within=0.0)
    simulation = lived(tasks, polling=lambda run: Polling(_at(run.starts), interval_seconds=20.0))

    assert all(delay <= 20.5 for delay in simulation.delays.values())
    assert simulation.pages <= 100 / 20 + 3


# Who comes and goes disturbs no other.


def test_a_task_nobody_waits_for_any_more_is_not_polled_and_disturbs_no_other() -> None:
    simulation = WatchSimulation(runs(100))
    simulation.at(
        30.0, lambda _: [simulation.plan.remove(simulation.watching[str(2221 + n)]) for n in range(50)]
    )
    simulation.live()

    assert len(simulation.delays) == 50
    assert simulation.requests <= 50 + 60


def test_two_waits_for_one_task_are_both_notified() -> None:
    simulation = WatchSimulation(runs(1))
    second = simulation.plan.add("2221", Polling(NOON), patience_seconds=300, is_seen=False, now=NOON)
    simulation.live()

    assert second.is_active is False
    assert sum(news.is_over for news in simulation.updates["2221"]) == 2


def test_a_status_is_reported_when_it_changes_and_not_again() -> None:
    simulation = lived(runs(30))

    for news in simulation.updates.values():
        assert [one.task.status for one in news if one.task] == ["task_output", "task_postprocess_end"]


def test_after_a_message_of_the_end_the_task_is_polled_at_once() -> None:
    simulation = WatchSimulation([Run("2221", 0.0, 50.0)])
    simulation.at(50.1, lambda now: simulation.plan.on_message("2221", _at(now)))
    simulation.live()

    assert simulation.delays["2221"] < 1.0


def test_an_error_before_the_model_ran_is_followed_and_its_reason_is_asked_for() -> None:
    """The list's items may be abridged, so that only Detail says why."""
    tasks = runs(30)
    tasks[7].errs_from, tasks[7].errs_until = tasks[7].starts + 5.0, tasks[7].starts + 20.0
    simulation = lived(tasks)

    assert len(simulation.delays) == 30
    news = [one.task for one in simulation.updates[tasks[7].id] if one.task]
    assert [task.status for task in news] == [
        "task_output",
        "task_error",
        "task_output",
        "task_postprocess_end",
    ]
    assert news[1].status_with_reason == "task_error: no machine"


def test_one_that_never_recovers_is_a_timeout_that_quotes_it() -> None:
    tasks = runs(30)
    tasks[7].errs_from, tasks[7].errs_until = tasks[7].starts + 5.0, 1e9
    tasks[7].ends = 1e9
    simulation = lived(tasks, polling=lambda run: Polling(_at(run.starts), _at(300.0)))

    error = simulation.updates[tasks[7].id][-1].error
    assert isinstance(error, WiroTaskTimeoutError)
    assert "last status: task_error: no machine" in str(error)


def test_a_reason_that_comes_later_is_news_once() -> None:
    plan = PollScheduler(lambda: 0.5)
    plan.add("2221", Polling(NOON), patience_seconds=100, is_seen=True, now=NOON)
    updates = []
    for number, reason in enumerate(("", "", "no machine", "", "no machine"), start=1):
        [look] = plan.due_requests(_at(60.0 * number))
        assert isinstance(look, DetailRequest)
        updates.append(plan.on_task(look, Task("2221", "task_error", debug_error=reason), _at(60.0 * number)))

    assert [len(news) for news in updates] == [1, 0, 1, 0, 0]
    assert updates[2][0].since is None, "nothing that should have been heard of"


def test_a_watcher_that_was_suspended_for_an_hour_polls_again_before_it_gives_up() -> None:
    simulation = WatchSimulation(runs(1, shortest=4000.0, longest=4000.0), fails=lambda _, now: None)
    plan = simulation.plan
    watched = plan.add("2221", Polling(NOON), patience_seconds=300, is_seen=False, now=NOON)
    [look] = plan.due_requests(_at(1.0))

    assert isinstance(look, DetailRequest)
    assert plan.on_error(look, WiroConnectionError("timeout"), _at(3600.0)) == []
    assert watched.is_active

    for seconds in range(3610, 3740, 10):
        assert watched.is_active, "patience begins when the process goes on"
        [look] = plan.due_requests(_at(float(seconds)))
        plan.on_error(look, WiroConnectionError("timeout"), _at(float(seconds)))
    news = []
    for seconds in range(3740, 3800, 10):
        for look in plan.due_requests(_at(float(seconds))):
            news += plan.on_error(look, WiroConnectionError("timeout"), _at(float(seconds)))
    assert "Lost sight" in str(news[-1].error)


def test_a_task_that_was_just_started_and_is_not_known_yet_is_waited_for() -> None:
    early = lived(
        runs(1), fails=lambda _, now: WiroNotFoundError("There is no task yet.") if now < 15 else None
    )
    late = lived(
        runs(1), fails=lambda _, now: WiroNotFoundError("There is no task yet.") if now < 45 else None
    )

    assert len(early.delays) == 1
    assert isinstance(late.updates["2221"][-1].error, WiroNotFoundError)


def _failing_looks(
    plan: PollScheduler, error: WiroError, begin: float, *, until: float = 400
) -> tuple[float, Any]:
    """Fail each look from a moment on; return when that ended the wait, and with what."""
    at = begin
    while at < until:
        due = plan.next_due_at()
        assert due is not None
        at = max(at, (due - NOON).total_seconds())
        for look in plan.due_requests(_at(at)):
            for news in plan.on_error(look, error, _at(at)):
                return at, news.error
    return at, None


NOT_THERE = WiroNotFoundError("There is no task yet.")


@pytest.mark.parametrize("patience", [0.0, 5.0, 280.0])
def test_the_half_minute_does_not_depend_on_the_patience(patience: float) -> None:
    plan = PollScheduler(lambda: 0.5)
    plan.add("2221", Polling(NOON), patience_seconds=patience, is_seen=True, now=NOON)
    at, error = _failing_looks(plan, NOT_THERE, 0.0)
    assert (at, error) == (30.0, NOT_THERE)


def test_a_task_that_was_seen_and_is_then_not_there_is_ridden_out_like_an_outage() -> None:
    plan = PollScheduler(lambda: 0.5)
    plan.add("2221", Polling(NOON), patience_seconds=100, is_seen=True, now=NOON)
    [look] = plan.due_requests(_at(50.0))
    plan.on_task(look, Task("2221", "task_start"), _at(50.0))
    at, error = _failing_looks(plan, NOT_THERE, 50.0)
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
    simulation = lived([*strangers, *tasks])

    assert len(simulation.delays) == 50
    assert max(simulation.delays.values()) <= 30.0


def test_a_fixed_interval_and_a_deadline_among_many_cost_one_poll_at_the_deadline() -> None:
    """Each page that showed the task by chance planned one more."""

    def polling(run: Run) -> Polling:
        is_slow = int(run.id) % 4 == 0
        return Polling(_at(run.starts), _at(1000.0) if is_slow else None, 3600.0 if is_slow else None)

    simulation = WatchSimulation(runs(200, shortest=1500.0, longest=1501.0), polling=polling)
    queued: list[int] = []
    simulation.at(999.0, lambda _: queued.append(len(simulation.plan._queue._heap)))
    simulation.live(until=1005.0)

    assert simulation.details <= 50 + 1000 / 30 + 5
    assert queued[0] <= 300


def test_a_message_that_comes_during_a_poll_is_followed_by_another_poll() -> None:
    simulation = WatchSimulation([Run("2221", 0.0, 500.0)])
    simulation.at(499.85, lambda now: simulation.plan.poll_now(["2221"], _at(now)))  # answered as of 499.95
    simulation.at(500.01, lambda now: simulation.plan.on_message("2221", _at(now)))
    simulation.live()

    assert simulation.delays["2221"] < 1.0


def test_lines_on_stderr_cost_one_poll_and_leave_a_task_in_the_list() -> None:
    simulation = WatchSimulation(runs(50))

    def line(run: Run, now: float) -> None:
        if now < run.ends:
            simulation.plan.on_message(run.id, _at(now), is_end=False)
            simulation.at(now + 0.1, lambda then: line(run, then))

    for run in simulation.runs:
        simulation.at(run.starts + 5.0, lambda now, run=run: line(run, now))
    simulation.live()

    assert len(simulation.delays) == 50
    assert simulation.requests_per_task <= 4.0


@pytest.mark.parametrize("error", [WiroServerError("502"), WiroResponseError("HTML of a proxy")])
def test_half_a_second_without_the_list_costs_next_to_nothing(error: WiroError) -> None:
    """Several pages are on their way at once; each of them failed."""
    simulation = lived(
        runs(5000),
        fails=lambda look, now: error if isinstance(look, ListScan) and 20.0 < now < 20.5 else None,
    )

    assert simulation.requests_per_task <= 1.6

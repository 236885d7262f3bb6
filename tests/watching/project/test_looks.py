"""Looks at a project: a task that ends becomes one event of each trigger that wants it, for few requests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from airflow_provider_wiro.task_history.position import Position
from airflow_provider_wiro.watching.project import schedule
from airflow_provider_wiro.watching.project.ended_tasks import TaskFilter
from airflow_provider_wiro.watching.project.progress import Progress
from airflow_provider_wiro.watching.project.schedule import LookSchedule
from airflow_provider_wiro.watching.project.watch import ProjectWatch
from tests.watching.project.fake_project import FakeProject, ids

ADDRESS = "https://api.wiro.ai/v1"


def watch_of(progress: Progress | None = None, **wanted: Any) -> ProjectWatch:
    return ProjectWatch(TaskFilter(**wanted), progress or Progress(), interval=60.0)


@pytest.fixture
def project() -> FakeProject:
    return FakeProject()


@pytest.fixture
def looks() -> LookSchedule:
    return LookSchedule()


def fired(watch: ProjectWatch) -> list[str]:
    """Return the events that are to be fired, and take note that Airflow has stored them."""
    events = watch.next_events(1000)
    watch.on_stored(events)
    return ids(events)


def test_a_first_look_fires_nothing_for_what_has_ended_before(
    project: FakeProject, looks: LookSchedule
) -> None:
    project.end(project.start())
    watch = watch_of()
    looks.add(watch)
    project.look(looks)

    assert fired(watch) == []
    assert project.details == []


def test_an_event_that_another_triggerer_has_stored_for_all_assets_is_not_fired(
    project: FakeProject, looks: LookSchedule
) -> None:
    first, second = project.start(), project.start()
    watch = watch_of()
    looks.add(watch)
    project.look(looks)
    project.end(first)
    project.end(second)
    project.look(looks)
    seen = Position(second)
    watch.on_stored_elsewhere([])
    watch.on_stored_elsewhere([Progress(seen), Progress(seen, {second})])

    assert fired(watch) == [str(second)]


def test_a_task_that_is_unfinished_at_the_first_look_counts_once_it_ends(
    project: FakeProject, looks: LookSchedule
) -> None:
    old = project.start()
    for _ in range(7):
        project.end(project.start())
    project.start()
    watch = watch_of()
    looks.add(watch)
    project.look(looks)
    project.end(old)
    project.look(looks)

    assert fired(watch) == [str(old)]


def test_a_task_that_starts_and_ends_between_two_looks_is_an_event(
    project: FakeProject, looks: LookSchedule
) -> None:
    watch = watch_of()
    looks.add(watch)
    project.look(looks)
    started = [project.start() for _ in range(23)]
    for number in started:
        project.end(number)
    project.look(looks)

    assert fired(watch) == [str(number) for number in started]


def test_the_first_task_of_an_empty_project_is_an_event(project: FakeProject, looks: LookSchedule) -> None:
    watch = watch_of()
    looks.add(watch)
    project.look(looks)
    project.end(project.start())
    project.look(looks)

    assert len(fired(watch)) == 1


def test_an_event_stays_until_airflow_has_stored_it(project: FakeProject, looks: LookSchedule) -> None:
    watch = watch_of(Progress(Position(0)))
    looks.add(watch)
    number = project.start()
    project.end(number)
    project.look(looks)
    watch.next_events(100)

    assert watch.progress.open == {number}
    watch.on_stored([number])
    assert watch.progress.open == set()
    project.look(looks)
    assert fired(watch) == []


def test_two_triggers_share_the_pages_and_the_details(project: FakeProject, looks: LookSchedule) -> None:
    project.end(project.start())
    one, other = watch_of(), watch_of()
    looks.add(one)
    looks.add(other)
    project.look(looks)
    project.pages = 0
    number = project.start()
    project.end(number)
    project.look(looks)

    assert fired(one) == fired(other) == [str(number)]
    assert project.details == [number]
    assert project.pages == 1


def test_a_trigger_that_comes_later_starts_from_now(project: FakeProject, looks: LookSchedule) -> None:
    early = watch_of(Progress(Position(0)))
    looks.add(early)
    project.end(project.start())
    project.look(looks)
    late = watch_of()
    looks.add(late)
    project.look(looks)

    assert len(fired(early)) == 1
    assert fired(late) == []


def test_a_trigger_that_is_far_behind_makes_the_others_see_nothing_twice(
    project: FakeProject, looks: LookSchedule
) -> None:
    current = watch_of(Progress(Position(0)))
    looks.add(current)
    for _ in range(12):
        project.end(project.start())
    project.look(looks)
    first = fired(current)
    behind = watch_of(Progress(Position(0)))
    looks.add(behind)
    project.look(looks)

    assert len(first) == 12
    assert fired(current) == []
    assert fired(behind) == first


def test_a_model_that_no_trigger_wants_costs_no_detail(project: FakeProject, looks: LookSchedule) -> None:
    watch = watch_of(Progress(Position(0)), models=frozenset({"wiro/animatedlogo"}))
    looks.add(watch)
    project.end(project.start())
    wanted = project.start(model="wiro/Animated Logo")
    project.end(wanted)
    project.look(looks)

    assert fired(watch) == [str(wanted)]
    assert project.details == [wanted]


def test_where_the_list_shows_no_model_detail_decides(project: FakeProject, looks: LookSchedule) -> None:
    watch = watch_of(Progress(Position(0)), models=frozenset({"wiro/animatedlogo"}))
    looks.add(watch)
    number = project.start(model=None)
    project.end(number)
    project.look(looks)

    assert project.details == [number]
    assert fired(watch) == []
    assert watch.unassigned == 1  # the user, who waits for this model, is to know
    assert watch.progress.open == set()


def test_other_projects_tasks_and_those_without_a_project_are_no_events(
    project: FakeProject, looks: LookSchedule
) -> None:
    watch = watch_of(Progress(Position(0)), project_id="42")
    looks.add(watch)
    for project_id in ("42", "43", None):
        project.end(project.start(project_id=project_id))
    project.look(looks)

    assert fired(watch) == ["101"]
    assert watch.unassigned == 1
    assert watch.progress.open == set()


@pytest.mark.parametrize(
    ("status", "exit_code", "state"),
    [
        ("task_postprocess_end", "0", "succeeded"),
        ("task_postprocess_end", "1", "failed"),
        ("task_cancel", "", "cancelled"),
    ],
)
def test_only_the_ends_that_a_trigger_wants_are_events(
    project: FakeProject, looks: LookSchedule, status: str, exit_code: str, state: str
) -> None:
    watches = {
        wanted: watch_of(Progress(Position(0)), states=frozenset({wanted}))
        for wanted in ("succeeded", "failed", "cancelled")
    }
    for watch in watches.values():
        looks.add(watch)
    project.end(project.start(), status, exit_code)
    project.look(looks)

    assert [wanted for wanted, watch in watches.items() if fired(watch)] == [state]


def test_a_list_that_goes_on_to_show_a_task_as_running_delays_its_event_and_no_more(
    project: FakeProject, looks: LookSchedule
) -> None:
    watch = watch_of(Progress(Position(0)))
    looks.add(watch)
    number = project.start()
    project.lagging.add(number)
    project.look(looks)
    project.end(number)
    for _ in range(3):
        project.look(looks)

    assert fired(watch) == [str(number)]


def test_an_end_that_only_the_list_shows_is_not_believed(project: FakeProject, looks: LookSchedule) -> None:
    watch = watch_of(Progress(Position(0)))
    looks.add(watch)
    number = project.start()
    running = project.tasks[number]
    project.end(number)
    looks.on_walk(project.walk(looks), project.now)
    project.tasks[number] = running
    project.ask(looks, looks.next_details(project.now))

    assert fired(watch) == []
    assert watch.progress.open == {number}


def test_an_id_that_comes_into_the_list_after_a_larger_one_is_an_event(
    project: FakeProject, looks: LookSchedule
) -> None:
    watch = watch_of()
    looks.add(watch)
    for _ in range(3):
        project.end(project.start())
    project.look(looks)
    late, newer = project.start(), project.start()
    project.hidden.add(late)
    project.end(newer)
    project.look(looks)
    project.hidden.clear()
    project.end(late)
    project.look(looks)

    assert fired(watch) == [str(late), str(newer)]


def test_a_task_that_wiro_does_not_know_is_given_up_after_a_day(
    project: FakeProject, looks: LookSchedule
) -> None:
    watch = watch_of(Progress(Position(0)))
    looks.add(watch)
    number = project.start()
    project.look(looks)
    project.gone.add(number)
    project.look(looks)
    assert watch.progress.open == {number}
    project.now += timedelta(days=1)
    project.look(looks)

    assert watch.progress.open == set()


def test_a_task_that_wiro_knows_again_is_an_event(project: FakeProject, looks: LookSchedule) -> None:
    watch = watch_of(Progress(Position(0)))
    looks.add(watch)
    number = project.start()
    project.gone.add(number)
    project.look(looks)
    project.gone.clear()
    project.end(number)
    project.look(looks)

    assert fired(watch) == [str(number)]


def test_open_tasks_far_down_the_list_are_asked_about_less_often_the_longer_they_last(
    project: FakeProject, looks: LookSchedule
) -> None:
    watch = watch_of(Progress(Position(0)))
    looks.add(watch)
    project.start()
    project.look(looks)
    for _ in range(20):
        project.end(project.start())
    project.look(looks)
    fired(watch)
    project.details.clear()
    for _ in range(600):
        project.look(looks)

    assert 40 < len(project.details) < 150


def test_without_news_a_look_is_one_page_and_at_most_one_detail(
    project: FakeProject, looks: LookSchedule
) -> None:
    watch = watch_of()
    looks.add(watch)
    for _ in range(150):
        project.end(project.start())
    for _ in range(60):
        project.start()
    project.look(looks, page_size=100)
    project.pages, project.details = 0, []
    for _ in range(10):
        project.look(looks, page_size=100)

    assert project.pages == 10
    assert len(project.details) <= 10


def test_many_open_tasks_further_down_are_followed_by_pages(
    project: FakeProject, looks: LookSchedule
) -> None:
    numbers = [project.start() for _ in range(400)]
    for _ in range(300):
        project.end(project.start())
    watch = watch_of(Progress(Position(max(project.tasks)), set(numbers)))
    looks.add(watch)
    for _ in range(2):
        project.look(looks, page_size=100)
    for number in numbers:
        project.end(number)
    project.pages, project.details = 0, []
    project.look(looks, page_size=100)

    assert len(fired(watch)) == 400
    assert project.pages == 7
    assert len(project.details) == 400


def test_a_burst_is_asked_about_in_portions_and_held_back_while_airflow_is_slow(
    project: FakeProject, looks: LookSchedule
) -> None:
    watch = watch_of(Progress(Position(0)))
    looks.add(watch)
    for _ in range(5000):
        project.end(project.start())
    looks.on_walk(project.walk(looks, page_size=100), project.now)
    events: list[str] = []
    portions = 0
    while looks.has_more(project.now) or len(watch):
        numbers = looks.next_details(project.now)
        assert len(numbers) <= schedule.MAX_DETAILS
        project.ask(looks, numbers)
        assert len(watch) < schedule.MAX_UNSTORED + schedule.MAX_DETAILS
        portions += 1
        chunk = watch.next_events(100)
        watch.on_stored(chunk)
        events += ids(chunk)

    assert events == [str(number) for number in sorted(project.tasks)]
    assert portions >= 50


def test_a_task_whose_detail_fails_holds_up_no_other_and_is_asked_about_again(
    project: FakeProject, looks: LookSchedule
) -> None:
    watch = watch_of(Progress(Position(0)))
    looks.add(watch)
    bad, good = project.start(), project.start()
    project.end(bad)
    project.end(good)
    looks.on_walk(project.walk(looks), project.now)
    assert looks.next_details(project.now) == [bad, good]
    assert looks.on_failure(bad, project.now)
    project.ask(looks, [good])
    assert fired(watch) == [str(good)]
    assert not looks.has_more(project.now)
    project.now += timedelta(minutes=1)
    project.look(looks)

    assert fired(watch) == [str(bad)]


def test_a_list_of_older_ids_only_is_noticed(project: FakeProject, looks: LookSchedule) -> None:
    watch = watch_of(Progress(Position(1_000_000)))
    looks.add(watch)
    project.end(project.start())
    walk = project.walk(looks)

    assert walk.is_behind
    looks.on_walk(walk, project.now)
    assert watch.progress.high == 1_000_000


class Triggerer(RuleBasedStateMachine):
    """
    Tasks start, end, fail and vanish, looks are made, and the triggerer is killed at any moment.

    Nothing is lost. Doubled is only what was fired and not stored as such before a kill.
    """

    @initialize()
    def begin(self) -> None:
        self.project = FakeProject()
        self.text = Progress(Position(0)).to_text(ADDRESS)
        self.fired: list[str] = []
        self.in_doubt: set[str] = set()
        self.given_up: set[int] = set()
        self.restart()

    @rule()
    def restart(self) -> None:
        progress = Progress.from_text(self.text, ADDRESS)
        assert progress is not None
        self.looks = LookSchedule()
        self.watch = watch_of(progress)
        self.looks.add(self.watch)

    @rule(count=st.integers(1, 12))
    def start(self, count: int) -> None:
        for _ in range(count):
            self.project.start()

    @rule(data=st.data(), status=st.sampled_from(["task_postprocess_end", "task_cancel"]))
    def end(self, data: st.DataObject, status: str) -> None:
        running = [number for number, task in self.project.tasks.items() if not task.is_terminal]
        if running:
            for number in data.draw(st.sets(st.sampled_from(running))):
                self.project.end(number, status)

    @rule(data=st.data())
    def lag(self, data: st.DataObject) -> None:
        if self.project.tasks:
            self.project.lagging = data.draw(st.sets(st.sampled_from(sorted(self.project.tasks)), max_size=3))

    @rule()
    def look(self) -> None:
        self.project.look(self.looks)

    @rule()
    def save(self) -> None:
        self.text = self.watch.progress.to_text(ADDRESS)

    @precondition(lambda self: len(self.watch))
    @rule(most=st.integers(1, 5), is_killed=st.booleans())
    def fire(self, most: int, is_killed: bool) -> None:
        events = self.watch.next_events(most)
        self.fired += ids(events)
        if is_killed:
            self.in_doubt |= set(ids(events))
            self.restart()
            return
        self.watch.on_stored(events)
        self.save()

    @invariant()
    def nothing_is_fired_twice_but_what_was_in_doubt(self) -> None:
        doubled = {one for one in self.fired if self.fired.count(one) > 1}
        assert doubled <= self.in_doubt

    def teardown(self) -> None:
        if not hasattr(self, "project"):
            return
        self.project.lagging.clear()
        for _ in range(3):
            self.look()
            while len(self.watch):
                self.fire(1000, False)
        assert set(self.fired) == self.project.ended()


class TestTriggerer(Triggerer.TestCase):
    settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

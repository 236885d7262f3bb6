"""A run of an export: what has ended is landed once, whatever dies, and however many runs there are."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.exceptions import (
    WiroOvertakenError,
    WiroRecordError,
    WiroServerError,
    WiroUsageError,
)
from airflow_provider_wiro.export.export_run import ExportRun
from airflow_provider_wiro.export.runs import KEPT_SECONDS, LEASE_SECONDS, MAX_KEPT
from airflow_provider_wiro.export.state import Outcome, Part, RunState, TaskOutcome
from airflow_provider_wiro.export.tasks import VANISHED_SECONDS
from airflow_provider_wiro.export.wanted import ExportIdentity, Filters, Verdict
from airflow_provider_wiro.failures import TaskStoppedError
from airflow_provider_wiro.storage.local_folder import LocalFolder
from airflow_provider_wiro.task_history.changes import read_changes
from tests.api.fake_transport import NO_TASK_YET, http_response
from tests.export.exports import LONG_AGO, Export, Wiro, landed, store_in, task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_wiro.api.flow import Flow, FlowContext, Send
    from airflow_provider_wiro.api.responses import ApiResponse


def test_what_has_ended_is_given_once_the_oldest_first(export: Export) -> None:
    wiro = Wiro(task(3), task(2, "task_start"), task(1))
    run = export.run("a")
    run.look(wiro.run_flow, since=LONG_AGO)
    assert run.take(10).ids == (1, 3)
    run.commit(landed(1, 3), part="part-1")
    wiro.end(2)
    run.look(wiro.run_flow)
    assert run.take(10).ids == (2,)
    run.commit(landed(2), part="part-2")
    run.look(wiro.run_flow)
    assert run.take(10).ids == ()
    written = run.end(lambda found: f"manifest of {[part.name for part in found.parts]}")
    assert written.tally.counts == {"landed": 3, "files": 3}
    assert written.tally.usd == Decimal("0.03")


def test_a_first_look_without_a_beginning_leaves_out_what_has_ended(export: Export) -> None:
    wiro = Wiro(task(3), task(2, "task_start"), task(1))
    run = export.run("a")
    run.look(wiro.run_flow)
    assert run.take(10).ids == ()
    wiro.end(2)
    wiro.tasks.insert(0, task(4))
    run.look(wiro.run_flow)
    assert run.take(10).ids == (2, 4)


def with_pending(export: Export, *ids: int, instance: str = "") -> tuple[Wiro, ExportRun]:
    """Return a run whose look has shown that these tasks have ended."""
    wiro = Wiro(*(task(number) for number in sorted(ids, reverse=True)))
    run = export.run("a", instance)
    run.look(wiro.run_flow, since=LONG_AGO)
    return wiro, run


def names(run: RunState) -> list[str]:
    return [part.name for part in run.parts]


def write(name: str | None) -> Callable[[RunState], str | None]:
    """Return what writes a manifest."""
    return lambda _: name


# Looks.


def test_a_first_look_at_an_empty_list_takes_what_is_started_from_then_on(export: Export) -> None:
    wiro = Wiro()
    run = export.run("a")
    run.look(wiro.run_flow)
    wiro.start(1, createtime=str(int(export.now)))
    wiro.start(2, createtime=str(int(export.now) - 7200))
    assert run.look(wiro.run_flow).pending == 2
    chunk = run.take(10)
    verdicts = [run.verdict(Task.from_wire(found), chunk) for found in reversed(wiro.tasks)]
    assert verdicts == [Verdict.WANTED, Verdict.NOT_WANTED], "the list had only not shown the older one"


def test_since_counts_for_the_first_look_only(export: Export) -> None:
    wiro, run = with_pending(export, 1)
    run.commit(landed(1))
    assert export.run("b").look(wiro.run_flow, since=LONG_AGO).pending == 0


def test_a_look_says_how_many_are_pending_and_open(export: Export) -> None:
    wiro = Wiro(task(3), task(2, "task_queue"), task(1))
    look = export.run("a").look(wiro.run_flow, since=LONG_AGO)
    assert (look.pending, look.open, look.vanished, look.failure) == (2, 1, (), None)


def test_new_tasks_that_run_and_tasks_shown_as_ended_are_not_asked_for(export: Export) -> None:
    wiro = Wiro(task(2, "task_start"), task(1, "task_start"))
    run = export.run("a")
    run.look(wiro.run_flow, since=LONG_AGO)
    assert wiro.asked == []
    wiro.end(1)
    wiro.end(2)
    assert run.look(wiro.run_flow).pending == 2
    assert wiro.asked == []


def test_a_task_has_ended_if_detail_says_so_though_the_list_shows_it_running(export: Export) -> None:
    wiro = Wiro(task(1, "task_start"))
    run = export.run("a")
    run.look(wiro.run_flow, since=LONG_AGO)
    assert run.look(wiro.run_flow).pending == 0
    wiro.details["1"] = {"status": "task_postprocess_end"}
    assert run.look(wiro.run_flow).pending == 1


def test_tasks_that_the_list_shows_running_are_asked_for_last(export: Export) -> None:
    wiro = Wiro(task(3, "task_start"), task(2, "task_start"), task(1, "task_start"))
    run = export.run("a")
    run.look(wiro.run_flow, since=LONG_AGO)
    wiro.lose(3)
    run.look(wiro.run_flow, max_asked=2)
    assert wiro.asked == ["3", "1"]


def test_open_tasks_far_down_are_asked_for_one_by_one(export: Export) -> None:
    wiro = Wiro(task(1, "task_start"))
    run = export.run("a")
    run.look(wiro.run_flow, since=LONG_AGO)
    for number in range(2, 400):
        wiro.start(number)
    run.look(wiro.run_flow)
    for number in range(400, 600):
        wiro.start(number)
    wiro.end(1)
    wiro.asked.clear()
    run.look(wiro.run_flow)
    assert wiro.asked == ["1"]
    assert run.take(1).ids == (1,)


def test_a_look_asks_for_a_bounded_number_and_the_next_one_for_others(export: Export) -> None:
    wiro = Wiro(task(1, "task_start"))
    run = export.run("a")
    for number in (2, 3, 4, 5):
        wiro.start(number, "task_start")
    run.look(wiro.run_flow, since=LONG_AGO)
    wiro.tasks[:0] = [task(number) for number in range(400, 100, -1)]
    run.look(wiro.run_flow, max_asked=0)
    for _ in range(3):
        run.look(wiro.run_flow, max_asked=2)
    assert wiro.asked == ["1", "2", "3", "4", "5", "1"]


def test_a_task_that_wiro_does_not_know_for_a_day_has_vanished(export: Export) -> None:
    wiro = Wiro(task(2, "task_start"), task(1))
    run = export.run("a")
    run.look(wiro.run_flow, since=LONG_AGO)
    wiro.lose(2)
    assert run.look(wiro.run_flow).open == 1
    export.now += VANISHED_SECONDS - 1
    assert run.look(wiro.run_flow).vanished == ()
    export.now += 1
    look = run.look(wiro.run_flow)
    assert (look.open, look.vanished) == (0, (2,))
    assert run.look(wiro.run_flow).vanished == (), "it is reported once"
    written = run.end(write(None))
    assert (written.vanished, written.tally.counts) == ((2,), {"vanished": 1})


def test_a_task_that_wiro_knows_again_has_not_vanished(export: Export) -> None:
    wiro = Wiro(task(1, "task_start"))
    run = export.run("a")
    run.look(wiro.run_flow, since=LONG_AGO)
    wiro.lose(1)
    run.look(wiro.run_flow)
    wiro.tasks.append(task(1, "task_start"))
    run.look(wiro.run_flow)
    wiro.lose(1)
    export.now += VANISHED_SECONDS
    assert run.look(wiro.run_flow).vanished == ()


class ListedOnly(Wiro):
    """A Wiro whose list shows tasks that Detail doesn't know."""

    def __call__(self, sent: Send) -> ApiResponse:
        return NO_TASK_YET if sent.path == "Task/Detail" else super().__call__(sent)


def test_a_task_that_only_the_list_shows_vanishes_after_a_day(export: Export) -> None:
    wiro = ListedOnly(task(1))
    run = export.run("a")
    run.look(wiro.run_flow, since=LONG_AGO)
    run.commit({number: TaskOutcome(Outcome.UNKNOWN) for number in run.take(1).ids})
    assert run.look(wiro.run_flow).pending == 0, "only Detail is believed"
    export.now += VANISHED_SECONDS
    assert run.look(wiro.run_flow).vanished == (1,)


def test_a_look_that_wiro_does_not_let_finish_keeps_what_it_has_seen(export: Export) -> None:
    wiro = Wiro(*(task(number, "task_start") for number in (3, 2, 1)))
    run = export.run("a")
    run.look(wiro.run_flow, since=LONG_AGO)
    for number in (3, 2, 1):
        wiro.lose(number)
    wiro.start(4)
    down = Down(*wiro.tasks)
    look = run.look(down.run_flow)
    assert look.pending == 1
    assert isinstance(look.failure, WiroServerError)


class Down(Wiro):
    """A Wiro whose Detail fails."""

    def __call__(self, sent: Send) -> ApiResponse:
        return http_response(503) if sent.path == "Task/Detail" else super().__call__(sent)


def test_a_check_ends_a_look_before_its_next_request(export: Export) -> None:
    def stop() -> None:
        raise TaskStoppedError

    wiro = Wiro(task(1))
    with pytest.raises(TaskStoppedError):
        export.run("a").look(wiro.run_flow, since=LONG_AGO, check=stop)
    assert wiro.pages == 0


def test_tasks_whose_ids_are_no_numbers_are_counted(export: Export) -> None:
    wiro = Wiro({"id": "b-2", "status": "task_postprocess_end", "createtime": "1700000000"}, task(1))
    look = export.run("a").look(wiro.run_flow, since=LONG_AGO)
    assert (look.pending, look.without_number) == (1, 1)


def test_two_runs_that_begin_an_export_at_once_lose_nothing(export: Export) -> None:
    """What ended after the first one's reading, the second one's own first reading would leave out."""
    wiro = Wiro(task(1))
    first, second = export.run("a"), export.run("b")

    def first_looks_meanwhile(make_flow: Callable[[FlowContext], Flow[Any]]) -> Any:
        if wiro.pages == 0:
            first.look(wiro.run_flow)
            wiro.start(2)
            found = wiro.run_flow(partial(read_changes, since=None))
            assert found.ended == (), "a first reading from now on"
            return found
        return wiro.run_flow(make_flow)

    assert second.look(first_looks_meanwhile).pending == 1


# Other people's tasks.


@pytest.fixture
def team(tmp_path: Path) -> Export:
    """Return the export of project 1 from a team's workspace."""
    return Export(tmp_path, ExportIdentity("api.wiro.ai", "s3://bucket/wiro", Filters(project_id="1")))


def test_what_the_list_shows_as_anothers_is_not_even_asked_for(team: Export) -> None:
    wiro = Wiro(task(2, projectid="2"), task(1, projectid="1"))
    run = team.run("a")
    assert run.look(wiro.run_flow, since=LONG_AGO).pending == 1
    assert run.take(10).ids == (1,)


def test_detail_decides_where_the_list_does_not_show_the_project(team: Export) -> None:
    wiro = Wiro(task(2), task(1))
    run = team.run("a")
    run.look(wiro.run_flow, since=LONG_AGO)
    chunk = run.take(10)
    assert chunk.unclear == {1, 2}
    shown = {number: Task.from_wire(task(number, projectid=str(number))) for number in chunk.ids}
    assert [run.verdict(shown[number], chunk) for number in (1, 2)] == [Verdict.WANTED, Verdict.NOT_WANTED]
    assert run.verdict(Task.from_wire(task(1)), chunk) is Verdict.UNATTRIBUTED


def test_what_the_list_shows_of_a_project_counts_where_detail_shows_none(team: Export) -> None:
    wiro = Wiro(task(1, projectid="1"))
    run = team.run("a")
    run.look(wiro.run_flow, since=LONG_AGO)
    assert run.verdict(Task.from_wire(task(1)), run.take(1)) is Verdict.WANTED


def test_it_is_still_known_of_an_open_task_that_its_project_was_not_shown(team: Export) -> None:
    wiro = Wiro(task(1, "task_start"))
    run = team.run("a")
    run.look(wiro.run_flow, since=LONG_AGO)
    wiro.end(1)
    run.look(wiro.run_flow)
    assert run.take(1).unclear == {1}


# Chunks.


def test_what_is_claimed_is_given_to_no_other_run(export: Export) -> None:
    _, run = with_pending(export, 1, 2, 3)
    other = export.run("b")
    assert run.take(2).ids == (1, 2)
    assert other.take(2).ids == (3,)
    assert run.take(9).ids == (1, 2), "it has not said what became of these"


def test_a_commit_takes_the_next_chunk_in_the_same_write(export: Export) -> None:
    _, run = with_pending(export, *range(1, 11))
    chunk, writes = run.take(3), 0
    while chunk.ids:
        before = export.run_of("a").commits
        chunk = run.commit(landed(*chunk.ids), f"part-{writes}", take=3).chunk
        assert export.run_of("a").commits == before + 1
        writes += 1
    assert writes == 4
    assert names(export.run_of("a")) == ["part-0", "part-1", "part-2", "part-3"]


def test_what_could_not_be_landed_now_is_left_to_a_later_run_with_a_count_of_tries(export: Export) -> None:
    _, run = with_pending(export, 1, 2)
    chunk = run.commit({number: TaskOutcome(Outcome.LATER) for number in run.take(1).ids}, take=5).chunk
    assert chunk.ids == (2,)
    run.commit(landed(2))
    assert run.take(5).ids == ()
    run.end(write(None))
    chunk = export.run("b").take(5)
    assert (chunk.ids, chunk.tries) == ((1,), {1: 1})


def test_what_has_not_ended_after_all_is_open_again(export: Export) -> None:
    wiro, run = with_pending(export, 1)
    run.commit({1: TaskOutcome(Outcome.NOT_ENDED)})
    assert run.take(1).ids == ()
    assert run.look(wiro.run_flow).pending == 1, "the list shows it as ended"


def test_a_task_that_was_landed_is_never_new_again(export: Export) -> None:
    wiro, run = with_pending(export, 1, 2)
    run.commit(landed(*run.take(5).ids))
    wiro.start(3)
    run.look(wiro.run_flow)
    assert run.take(5).ids == (3,)


def test_outcomes_are_counted_and_costs_added_exactly(export: Export) -> None:
    _, run = with_pending(export, *range(1, 12))
    outcomes = landed(*range(1, 11))
    outcomes[11] = TaskOutcome(Outcome.DEAD_LINK, {"unknown_costs": 1})
    run.commit(outcomes, "part")
    tally = run.end(write("manifest")).tally
    assert tally.counts == {"landed": 10, "files": 10, "dead_link": 1, "unknown_costs": 1}
    assert tally.usd == Decimal("0.10")
    assert tally.done == 11


# Runs that die, or overlap.


def test_the_next_try_of_a_task_instance_continues_at_once(export: Export) -> None:
    _, run = with_pending(export, 1, 2, 3, instance="daily")
    run.commit(landed(*run.take(1).ids), "part-1", take=1)
    retry = export.run("b", "daily")
    assert retry.take(9).ids == (2, 3)
    retry.commit(landed(2, 3), "part-2")
    written = retry.end(write("manifest"))
    assert names(written) == ["part-1", "part-2"]
    assert written.tally.counts == {"landed": 3, "files": 3}


def test_a_try_whose_place_was_taken_stops(export: Export) -> None:
    _, run = with_pending(export, 1, instance="daily")
    run.take(1)
    export.run("b", "daily")
    for act in (
        lambda: run.renew(for_seconds=1),
        lambda: run.commit(landed(1), "part"),
        lambda: run.end(write(None)),
    ):
        with pytest.raises(WiroOvertakenError, match="Another try of this Airflow task continues the export"):
            act()


def test_a_run_that_is_silent_for_too_long_is_taken_over(export: Export) -> None:
    _, run = with_pending(export, 1, 2)
    run.commit(landed(*run.take(1).ids), "part-1", take=1)
    export.now += LEASE_SECONDS - 1
    other = export.run("b")
    assert other.take(9).ids == ()
    export.now += 2
    assert other.take(9).ids == (2,)
    other.commit(landed(2), "part-2")
    assert names(other.end(write("manifest"))) == ["part-1", "part-2"]


def test_a_run_that_renews_its_lease_is_not_taken_over(export: Export) -> None:
    _, run = with_pending(export, 1)
    run.take(1)
    for _ in range(10):
        export.now += LEASE_SECONDS / 2
        run.renew()
        assert export.run("b").take(9).ids == ()


def test_a_run_can_say_for_how_long_it_will_be_silent(export: Export) -> None:
    _, run = with_pending(export, 1)
    run.take(1)
    run.renew(for_seconds=4 * LEASE_SECONDS)
    export.now += 3 * LEASE_SECONDS
    assert export.run("b").take(9).ids == ()


def test_renewing_is_free_while_much_of_the_lease_is_left(export: Export) -> None:
    _, run = with_pending(export, 1)
    before = export.text
    run.renew()
    assert export.text == before


def test_a_renewal_that_cannot_be_written_is_logged_and_tried_again(
    export: Export, caplog: pytest.LogCaptureFixture
) -> None:
    _, run = with_pending(export, 1)
    run.take(1)
    export.now += LEASE_SECONDS / 2
    (state,) = export.folder.glob("*.json")
    kept = state.read_bytes()
    state.unlink()
    state.mkdir()
    run.renew()
    assert "could not say that it is alive, and continues: The state of this export" in caplog.text
    with pytest.raises(WiroRecordError, match="can't be"):
        run.renew(for_seconds=9)
    state.rmdir()
    state.write_bytes(kept)
    export.now += LEASE_SECONDS / 2
    run.renew()
    assert export.run_of("a").until == export.now + LEASE_SECONDS


def test_of_two_runs_that_landed_a_task_the_first_to_commit_reports_it(export: Export) -> None:
    _, slow = with_pending(export, 1, 2)
    slow.take(2)
    export.now += LEASE_SECONDS + 1
    quick = export.run("b")
    assert quick.take(1).ids == (1,)
    assert quick.commit(landed(1), "quick").dropped == frozenset()
    assert slow.commit(landed(1, 2), "slow").dropped == {1}
    assert slow.end(write("slow's")).parts == (Part("slow", frozenset({1})),)
    assert slow.take(9).ids == ()
    assert quick.end(write("quick's")).tally.counts == {"landed": 1, "files": 1}


def test_a_run_that_was_taken_over_can_be_the_first_to_commit(export: Export) -> None:
    _, slow = with_pending(export, 1)
    slow.take(1)
    export.now += LEASE_SECONDS + 1
    quick = export.run("b")
    quick.take(1)
    assert slow.commit(landed(1), "slow").dropped == frozenset()
    assert quick.commit(landed(1), "quick").dropped == {1}


class Unheard(LocalFolder):
    """A folder in which each second write succeeds, another run writes after it, and the response is lost."""

    def __init__(self, path: str, others: Callable[[], object]) -> None:
        super().__init__(path)
        self.others = others
        self.writes = 0

    def compare_and_swap(self, name: str, body: bytes, expected: bytes | None) -> bool:
        self.writes += 1
        has_written = super().compare_and_swap(name, body, expected)
        if self.writes % 2 == 0:
            return has_written
        self.others()
        return False


def test_a_write_whose_response_was_lost_counts_once(export: Export) -> None:
    wiro, _ = with_pending(export, 1, 2, 3)
    other = export.run("b")
    folder = Unheard(str(export.folder), lambda: other.renew(for_seconds=1 + folder.writes))
    run = ExportRun(store_in(folder), token="c", instance="c", now=lambda: export.now)
    assert run.begin().parts == ()
    assert run.take(2).ids == (1, 2)
    committed = run.commit(landed(1, 2, delete=True), "part-1", take=2)
    assert (committed.dropped, committed.to_delete, committed.chunk.ids) == (frozenset(), {1, 2}, (3,))
    run.look(wiro.run_flow)
    run.commit(landed(3), "part-2", deleted=[1, 2])
    written = run.end(write("manifest"))
    assert (names(written), written.tally.counts) == (["part-1", "part-2"], {"landed": 3, "files": 3})
    assert export.run_of("c").parts == (Part("manifest"),)


def test_ending_frees_what_was_not_landed(export: Export) -> None:
    _, run = with_pending(export, 1, 2)
    run.take(1)
    run.end(write(None))
    assert export.run("b").take(9).ids == (1, 2)


def test_a_manifest_is_written_again_if_a_dead_runs_parts_came_meanwhile(export: Export) -> None:
    _, dead = with_pending(export, 1, 2)
    dead.commit(landed(*dead.take(1).ids), "dead's part")
    export.now += LEASE_SECONDS - 1
    run = export.run("b")
    manifests: list[list[str]] = []

    def write_slowly(found: RunState) -> str:
        manifests.append(names(found))
        if len(manifests) == 1:
            export.now += 2
            run.renew(for_seconds=1)
        return "manifest"

    run.end(write_slowly)
    assert manifests == [[], ["dead's part"]]


def test_another_try_after_the_end_reports_all_of_it_again(export: Export) -> None:
    """The worker died after the end, before Airflow had its result."""
    wiro, run = with_pending(export, 1, instance="daily")
    run.commit(landed(*run.take(1).ids), "part-1")
    run.end(write("manifest"))
    wiro.start(2)
    retry = export.run("b", "daily")
    retry.look(wiro.run_flow)
    retry.commit(landed(*retry.take(1).ids), "part-2")
    written = retry.end(write("manifest"))
    assert names(written) == ["manifest", "part-2"]
    assert written.tally.counts == {"landed": 2, "files": 2}


def test_a_run_that_has_ended_is_reported_by_no_other(export: Export) -> None:
    _, run = with_pending(export, 1)
    run.commit(landed(*run.take(1).ids), "part-1")
    run.end(write("manifest"))
    export.now += 2 * LEASE_SECONDS
    assert export.run("b").end(write(None)).parts == ()


@pytest.mark.parametrize("has_ended", [True, False])
def test_no_run_replaces_the_manifest_of_another(export: Export, has_ended: bool) -> None:
    wiro = Wiro(task(2), task(1))
    run = export.run("a", "daily", "s3://bucket/today.jsonl")
    second = export.run("b", "hourly", "s3://bucket/today.jsonl")
    run.look(wiro.run_flow, since=LONG_AGO)
    run.commit(landed(*run.take(1).ids), "part-1")
    if has_ended:
        run.end(write("s3://conn@bucket/today.jsonl"))
    with pytest.raises(WiroUsageError, match=r"manifest_uri of its own .*s3://bucket/today.jsonl"):
        second.take(1)
    assert export.run("c", "weekly", "s3://bucket/later.jsonl").take(1).ids == (2,)
    retry = export.run("d", "daily", "s3://bucket/today.jsonl")
    assert len(names(retry.end(write("s3://conn@bucket/today.jsonl")))) == 1


def test_a_run_without_anything_to_list_may_have_any_place_for_its_manifest(export: Export) -> None:
    with_pending(export, 1, instance="daily")
    retry = export.run("b", "daily", "today")
    retry.commit(landed(*retry.take(1).ids), "part-1")
    retry.end(write("today"))
    again = export.run("c", "next day", "today")
    assert again.take(1).ids == ()
    assert names(again.end(write(None))) == []


def test_what_a_dead_run_has_landed_replaces_no_manifest(export: Export) -> None:
    wiro = Wiro(task(2), task(1))
    dead = export.run("a", "first", "other")
    dead.look(wiro.run_flow, since=LONG_AGO)
    dead.commit(landed(*dead.take(1).ids), "part-1")
    run = export.run("b", "second", "today")
    run.commit(landed(*run.take(1).ids), "part-2")
    run.end(write("today"))
    export.now += 2 * LEASE_SECONDS
    with pytest.raises(WiroUsageError, match="of its own"):
        export.run("c", "third", "today").end(write("today"))
    assert names(export.run("d", "third", "its own").end(write("its own"))) == ["part-1"]


def test_the_place_of_a_manifest_that_was_not_written_is_free(export: Export) -> None:
    export.run("a", "first", "today").end(write(None))
    with_pending(export, 1)
    dead = export.run("b", "second", "today")
    dead.commit(landed(*dead.take(1).ids), "part-1")
    export.now += 2 * LEASE_SECONDS
    assert names(export.run("c", "third", "today").end(write("today"))) == ["part-1"]


def test_the_manifest_of_a_task_instance_that_is_cleared_keeps_its_lines(export: Export) -> None:
    wiro = Wiro(task(2), task(1))
    run = export.run("a", "dag/run/task/-1~20261127T010203000000", "today")
    run.look(wiro.run_flow, since=LONG_AGO)
    run.commit(landed(*run.take(1).ids), "part-1")
    run.end(write("s3://today"))
    again = export.run("b", "dag/run/task/-1~20261128T090000000000", "today")
    again.commit(landed(*again.take(1).ids), "part-2")
    written = again.end(write("s3://today"))
    assert names(written) == ["s3://today", "part-2"]
    assert written.tally.counts == {"landed": 2, "files": 2}
    wiro.start(3)
    other = export.run("c", "dag/run/task/0~20261128T090000000000", "today")
    other.look(wiro.run_flow)
    with pytest.raises(WiroUsageError, match="of its own"):
        other.take(1)


def test_ended_runs_are_kept_for_some_days_and_not_all(export: Export) -> None:
    for number in range(MAX_KEPT + 5):
        export.now += 1
        export.run(f"run-{number}").end(write(None))
    assert len(export.store().load().runs) == MAX_KEPT
    export.now += KEPT_SECONDS + 10
    export.run("last")
    assert export.store().load().runs.keys() == {"last"}


# Deletions from Wiro.


def test_what_is_to_be_deleted_is_known_until_it_is_deleted(export: Export) -> None:
    _, run = with_pending(export, 1, 2, 3, instance="daily")
    run.take(3)
    assert run.commit(landed(1, 2, delete=True)).to_delete == {1, 2}
    assert run.commit(landed(3, delete=True), deleted=[1]).to_delete == {2, 3}
    retry = export.run("b", "daily")
    assert retry.begin().to_delete == {2, 3}


def test_what_a_run_could_not_delete_is_left_to_the_next_one(export: Export) -> None:
    _, run = with_pending(export, 1)
    run.take(1)
    run.commit(landed(1, delete=True))
    run.end(write(None))
    assert export.run("b").begin().to_delete == {1}
    assert export.run("c").begin().to_delete == frozenset()


def test_what_another_run_was_first_with_is_that_ones_to_delete(export: Export) -> None:
    _, slow = with_pending(export, 1)
    slow.take(1)
    export.now += LEASE_SECONDS + 1
    quick = export.run("b")
    quick.take(1)
    quick.commit(landed(1, delete=True))
    assert slow.commit(landed(1, delete=True)).to_delete == frozenset()

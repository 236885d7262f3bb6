"""Several lost Runs at once: each task of Wiro goes to at most one, and never to one that it can't be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.later_tasks import Baseline
from airflow_provider_wiro.api.lost_runs import Findings, LostRun, find_lost
from airflow_provider_wiro.exceptions import WiroError, WiroOrphanedRunError
from tests.api.world import HTML_502, NO_TASK_YET, NOON, World, ok, quick, refused

if TYPE_CHECKING:
    from collections.abc import Container

MODEL = "owner/model"


def lost(item: int, parameters: dict[str, Any], newest: str | None = "100") -> LostRun:
    return LostRun(item, MODEL, parameters, json.dumps(parameters, sort_keys=True), Baseline(newest, NOON))


def task(number: int, parameters: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    shown = {} if parameters is None else {"parameters": parameters}
    slugs = {"modelslugowner": "owner", "modelslugproject": "model"}
    return {
        "id": str(number),
        "status": "task_start",
        "createtime": str(int(NOON.timestamp())),
        **slugs,
        **shown,
        **more,
    }


def found(
    runs: list[LostRun], *tasks: dict[str, Any], known: Container[str] = frozenset(), most_a_page: int = 100
) -> Findings:
    def answer(send: Any) -> Any:
        body = json.loads(send.body.json)
        if send.path == "Task/List":
            start, limit = int(body["start"]), min(int(body["limit"]), most_a_page)
            listed = sorted(tasks, key=lambda one: -int(one["id"]))[start : start + limit]
            return ok(tasklist=listed) if listed else NO_TASK_YET
        wanted = body["taskid"]
        return ok(tasklist=[one for one in tasks if one["id"] == wanted])

    world = World(answer)
    return world.drive(find_lost(world.outside, runs, known))


A, B = {"prompt": "a"}, {"prompt": "b"}


def test_each_run_gets_the_task_that_shows_its_parameters() -> None:
    findings = found([lost(0, A), lost(1, B)], task(101, B), task(102, A))

    assert findings == Findings({0: "102", 1: "101"}, {})


def test_a_task_that_is_known_to_be_another_items_is_nobodys() -> None:
    assert found([lost(0, A)], task(101, A), known={"101"}).is_empty


def test_a_task_that_was_there_before_is_nobodys() -> None:
    assert found([lost(0, A)], task(100, A), task(99, A)).is_empty


def test_of_equal_runs_each_may_have_any_task_that_fits() -> None:
    findings = found([lost(0, A), lost(1, A), lost(2, A)], task(101, A), task(102, A))

    assert sorted(findings.tasks.values()) == ["101", "102"]
    assert findings.doubts == {}


def test_more_tasks_than_equal_runs_are_a_doubt() -> None:
    findings = found([lost(0, A), lost(1, A), lost(2, B)], *(task(n, A) for n in (101, 102, 103)))

    assert findings.tasks == {}
    assert findings.doubts == {0: ["101", "102", "103"], 1: ["101", "102", "103"]}


def test_equal_runs_sent_at_different_times_get_tasks_of_their_time() -> None:
    findings = found([lost(0, A, "105"), lost(1, A, "100")], task(101, A), task(106, A))
    assert findings.tasks == {1: "101", 0: "106"}

    assert set(found([lost(0, A, "105"), lost(1, A, "100")], task(101, A), task(102, A)).doubts) == {0, 1}


def test_a_task_that_shows_more_goes_to_the_run_that_demands_more() -> None:
    more = {**A, "seed": "7"}

    assert found([lost(0, A), lost(1, more)], task(101, more)).tasks == {1: "101"}
    assert found([lost(0, A), lost(1, more)], task(101, more), task(102, A)).tasks == {1: "101", 0: "102"}


def test_a_task_that_does_not_show_enough_is_a_doubt_for_all_it_may_be() -> None:
    findings = found([lost(0, A), lost(1, B)], task(101, None))

    assert findings == Findings({}, {0: ["101"], 1: ["101"]})


def test_without_a_newest_task_before_nothing_is_certain() -> None:
    assert found([lost(0, A, None)], task(101, A)) == Findings({}, {0: ["101"]})


@pytest.mark.parametrize("most_a_page", [1, 3, 20])
def test_a_page_that_is_shorter_than_asked_for_is_not_the_end(most_a_page: int) -> None:
    """Wiro may give fewer at once than are asked for. To take that for the end would be to pay twice."""
    others = [task(number, B) for number in range(102, 150)]

    assert found([lost(0, A)], task(101, A), *others, most_a_page=most_a_page).tasks == {0: "101"}


def test_a_list_that_is_too_long_for_an_answer_is_read_in_smaller_pages() -> None:
    """As that of tasks which show their texts is."""
    tasks = [task(number, B, debugoutput="x" * 50_000) for number in range(102, 140)] + [task(101, A)]

    assert found([lost(0, A)], *tasks).tasks == {0: "101"}


def test_tasks_that_are_started_while_the_list_is_read_hide_none() -> None:
    tasks = [*(task(number, B) for number in range(110, 101, -1)), task(101, A), task(100, A)]

    def answer(send: Any) -> Any:
        tasks.insert(0, task(200 + len(tasks), B))
        start = int(json.loads(send.body.json)["start"])
        return ok(tasklist=tasks[start : start + 2]) if tasks[start:] else NO_TASK_YET

    world = World(answer)

    assert world.drive(find_lost(world.outside, [lost(0, A)], set())).tasks == {0: "101"}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (ok(tasklist=[task(102, B)]), "same tasks on each page"),
        (refused(1, "no such page", status=404), "no such page"),
    ],
    ids=["not paged", "not offered"],
)
def test_a_list_that_cannot_be_searched_is_a_doubt(answer: Any, says: str) -> None:
    world = World(answer)

    with pytest.raises(WiroOrphanedRunError, match=f"{says}.*dashboard") as failure:
        world.drive(find_lost(world.outside, [lost(0, A)], set()))
    assert "on_orphaned_intent='resubmit'" in str(failure.value)


@pytest.mark.parametrize("answer", [HTML_502, refused(98, "no", status=401)], ids=["outage", "wrong key"])
def test_a_wiro_that_cannot_be_asked_is_no_doubt(answer: Any) -> None:
    world = World(answer)

    with pytest.raises(WiroError) as failure:
        world.drive(find_lost(world.outside, [lost(0, A)], set()))
    assert not isinstance(failure.value, WiroOrphanedRunError)


def test_a_listed_task_that_has_no_detail_is_a_doubt() -> None:
    def answer(send: Any) -> Any:
        if send.path == "Task/List" and json.loads(send.body.json)["start"] == "0":
            return ok(tasklist=[task(101, None)])
        return NO_TASK_YET

    world = World(answer)

    assert world.drive(find_lost(world.outside, [lost(0, A)], set())).doubts == {0: ["101"]}


def test_a_list_that_is_not_newest_first_cannot_be_searched() -> None:
    world = World(ok(tasklist=[task(101, A), task(102, A)]))

    with pytest.raises(WiroOrphanedRunError, match="not newest first"):
        world.drive(find_lost(world.outside, [lost(0, A)], set()))


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=6),
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", "z"]), st.booleans()), max_size=8),
)
@quick
def test_no_task_is_given_twice_nor_to_a_run_it_is_not_nor_is_a_known_one(
    wanted: list[str], shown: list[tuple[str, bool]]
) -> None:
    runs = [lost(item, {"prompt": prompt}) for item, prompt in enumerate(wanted)]
    tasks = [task(101 + number, {"prompt": prompt}) for number, (prompt, _) in enumerate(shown)]
    known = {str(101 + number) for number, (_, is_known) in enumerate(shown) if is_known}

    findings = found(runs, *tasks, known=known)

    given_ids = list(findings.tasks.values())
    assert len(given_ids) == len(set(given_ids))
    assert not known & set(given_ids)
    prompts = {one["id"]: one["parameters"]["prompt"] for one in tasks}
    assert all(prompts[id_] == wanted[item] for item, id_ in findings.tasks.items())
    for prompt in set(wanted):
        free = [id_ for id_, of in prompts.items() if of == prompt and id_ not in known]
        items = [item for item, of in enumerate(wanted) if of == prompt]
        assert (len(free) > len(items)) == all(item in findings.doubts for item in items)
        if len(free) <= len(items):
            assert sorted(findings.tasks[item] for item in items if item in findings.tasks) == sorted(free)

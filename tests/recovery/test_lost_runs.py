"""Several lost Runs at once: each task of Wiro goes to at most one, and never to one that it can't be."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.responses import LARGE_BODY_BYTES, ApiResponse
from airflow_provider_wiro.exceptions import WiroError, WiroLostRunError, WiroOrphanedRunError
from airflow_provider_wiro.input_files.sent_files import SentFile
from airflow_provider_wiro.recovery.baseline import ask_baseline
from airflow_provider_wiro.recovery.lost_runs import Findings, LostRun, find_lost
from airflow_provider_wiro.recovery.resume import RunSpec, find_lost_run_now
from airflow_provider_wiro.recovery.run_record import RunRecord
from airflow_provider_wiro.recovery.sending import Loss, Sending
from airflow_provider_wiro.state_files.task_try import TaskTry
from tests.api.fake_transport import HTML_502, NO_TASK_YET, NOON, FakeTransport, quick, refused, success

if TYPE_CHECKING:
    from collections.abc import Container


MODEL = "owner/model"


def lost(
    item: int,
    parameters: dict[str, Any],
    newest: str | None = "100",
    *,
    files: dict[str, list[SentFile]] | None = None,
    **sending: Any,
) -> LostRun:
    sent = Sending(NOON.timestamp(), newest, **{"wiro_at": NOON.timestamp(), **sending})
    digest = json.dumps([parameters, repr(files)], sort_keys=True)
    return LostRun(item, MODEL, parameters, digest, sent, files or {})


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


def _as_read(answer: Any) -> Any:
    return replace(answer, body=answer.body[: LARGE_BODY_BYTES + 1])


def found(
    runs: list[LostRun], *tasks: dict[str, Any], known: Container[str] = frozenset(), most_a_page: int = 100
) -> Findings:
    def answer(send: Any) -> Any:
        body = json.loads(send.body.json)
        if send.path == "Task/List":
            start, limit = int(body["start"]), min(int(body["limit"]), most_a_page)
            listed = sorted(tasks, key=lambda one: -int(one["id"]))[start : start + limit]
            return _as_read(success(tasklist=listed)) if listed else NO_TASK_YET
        wanted = body["taskid"]
        return _as_read(success(tasklist=[one for one in tasks if one["id"] == wanted]))

    transport = FakeTransport(answer)
    return transport.drive(find_lost(transport.context, runs, known))


A, B = {"prompt": "a"}, {"prompt": "b"}


def test_each_run_gets_the_task_that_shows_its_parameters() -> None:
    findings = found([lost(0, A), lost(1, B)], task(101, B), task(102, A))

    assert (findings.tasks, findings.doubts) == ({0: "102", 1: "101"}, {})


def test_a_task_that_is_known_to_be_another_items_is_no_other_items() -> None:
    assert not found([lost(0, A)], task(101, A), known={"101"}).has_tasks


def test_a_task_that_was_there_before_is_nobodys() -> None:
    assert not found([lost(0, A)], task(100, A), task(99, A)).has_tasks


HUGE = {"outputs": [{"contenttype": "raw", "content": "x" * (LARGE_BODY_BYTES + 1)}]}


@pytest.mark.parametrize(
    "big",
    [
        task(103, B, **HUGE),  # other parameters
        task(103, A, **{**HUGE, "modelslugproject": "another"}),
        task(103, A, **{**HUGE, "createtime": str(int(NOON.timestamp()) - 86_400 * 3)}),
    ],
    ids=["parameters", "model", "time"],
)
def test_a_task_too_large_to_be_read_hides_no_other_and_is_no_doubt_if_it_is_anothers(
    big: dict[str, Any],
) -> None:
    findings = found([lost(0, A)], task(101, B), task(102, A), big, task(104, B), task(99, A))

    assert (findings.tasks, findings.doubts) == ({0: "102"}, {})


def test_a_task_too_large_to_be_read_is_a_doubt_if_it_may_be_the_runs() -> None:
    unclear = {name: value for name, value in task(103, None, **HUGE).items() if name != "modelslugowner"}

    assert found([lost(0, A)], unclear, task(104, B)).doubts == {0: ["103"]}
    assert not found([lost(0, A)], unclear, task(104, B), known={"103"}).doubts
    assert found([lost(0, A)], task(103, A, **HUGE), task(104, B)).tasks == {0: "103"}


def test_a_newest_task_too_large_to_be_read_is_the_newest_all_the_same() -> None:
    tasks = [task(103, B, **HUGE), task(102, A), task(101, A)]

    def answer(send: Any) -> Any:
        body = json.loads(send.body.json)
        start = int(body["start"])
        return _as_read(success(tasklist=tasks[start : start + int(body["limit"])]))

    transport = FakeTransport(answer)
    assert transport.drive(ask_baseline(transport.context)).newest == "103"


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


def test_a_task_with_more_parameters_is_assigned_to_the_run_with_more() -> None:
    more = {**A, "seed": "7"}

    assert found([lost(0, A), lost(1, more)], task(101, more)).tasks == {1: "101"}
    assert found([lost(0, A), lost(1, more)], task(101, more), task(102, A)).tasks == {1: "101", 0: "102"}


def test_a_task_that_does_not_show_enough_is_a_doubt_for_all_it_may_be() -> None:
    findings = found([lost(0, A), lost(1, B)], task(101, None))

    assert (findings.tasks, findings.doubts) == ({}, {0: ["101"], 1: ["101"]})


def test_without_a_newest_task_before_nothing_is_certain() -> None:
    assert found([lost(0, A, None)], task(101, A)).doubts == {0: ["101"]}


@pytest.mark.parametrize("most_a_page", [1, 3, 20])
def test_a_page_that_is_shorter_than_asked_for_is_not_the_end(most_a_page: int) -> None:
    """Wiro may give fewer at once than are asked for. To take that for the end would be to pay twice."""
    others = [task(number, B) for number in range(102, 150)]

    assert found([lost(0, A)], task(101, A), *others, most_a_page=most_a_page).tasks == {0: "101"}


def test_a_list_that_is_too_long_for_a_response_is_read_in_smaller_pages() -> None:
    """As that of tasks which show their texts is."""
    tasks = [task(number, B, debugoutput="x" * 50_000) for number in range(102, 140)] + [task(101, A)]

    assert found([lost(0, A)], *tasks).tasks == {0: "101"}


def test_tasks_that_are_started_while_the_list_is_read_hide_none() -> None:
    tasks = [*(task(number, B) for number in range(110, 101, -1)), task(101, A), task(100, A)]

    def answer(send: Any) -> Any:
        tasks.insert(0, task(200 + len(tasks), B))
        start = int(json.loads(send.body.json)["start"])
        return success(tasklist=tasks[start : start + 2]) if tasks[start:] else NO_TASK_YET

    transport = FakeTransport(answer)

    assert transport.drive(find_lost(transport.context, [lost(0, A)], set())).tasks == {0: "101"}


@pytest.mark.parametrize("most_a_page", [3, 7, 100])
def test_tasks_that_vanish_while_the_list_is_read_hide_none(most_a_page: int) -> None:
    """The others move up, past what was read: a task that isn't seen would be paid for again."""
    position = 2 * most_a_page - 1  # at the end of the second page, or at the beginning of the third
    others = [task(number, B) for number in range(102 + position, 101, -1)]
    tasks = [*others, task(101, A), task(100, A)]

    def answer(send: Any) -> Any:
        body = json.loads(send.body.json)
        start, limit = int(body["start"]), min(int(body["limit"]), most_a_page)
        page = tasks[start : start + limit]
        if start and others:
            others.clear()
            del tasks[:2]
            page = tasks[start : start + limit]
        return success(tasklist=page) if page else NO_TASK_YET

    transport = FakeTransport(answer)

    assert transport.drive(find_lost(transport.context, [lost(0, A)], set())).tasks == {0: "101"}


def test_a_list_that_loses_tasks_each_time_it_is_read_is_a_doubt() -> None:
    tasks = [task(number, B) for number in range(200, 101, -1)]

    def answer(send: Any) -> Any:
        start = int(json.loads(send.body.json)["start"])
        del tasks[: 4 if start else 0]
        return success(tasklist=tasks[start : start + 3]) if tasks[start:] else NO_TASK_YET

    transport = FakeTransport(answer)

    with pytest.raises(WiroOrphanedRunError, match="loses tasks each time it is read"):
        transport.drive(find_lost(transport.context, [lost(0, A)], set()))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (success(tasklist=[task(102, B)]), "same tasks on each page"),
        (refused(1, "no such page", status=404), "no such page"),
    ],
    ids=["not paged", "not offered"],
)
def test_a_list_that_cannot_be_searched_is_a_doubt(answer: Any, says: str) -> None:
    transport = FakeTransport(answer)

    with pytest.raises(WiroOrphanedRunError, match=f"{says}.*dashboard") as failure:
        transport.drive(find_lost(transport.context, [lost(0, A)], set()))
    assert "on_orphaned_intent='resubmit'" in str(failure.value)


@pytest.mark.parametrize("answer", [HTML_502, refused(98, "no", status=401)], ids=["outage", "wrong key"])
def test_a_wiro_that_cannot_be_asked_is_no_doubt(answer: Any) -> None:
    transport = FakeTransport(answer)

    with pytest.raises(WiroError) as failure:
        transport.drive(find_lost(transport.context, [lost(0, A)], set()))
    assert not isinstance(failure.value, WiroOrphanedRunError)


def test_a_listed_task_that_has_no_detail_is_a_doubt() -> None:
    def answer(send: Any) -> Any:
        if send.path == "Task/List" and json.loads(send.body.json)["start"] == "0":
            return success(tasklist=[task(101, None)])
        return NO_TASK_YET

    transport = FakeTransport(answer)

    assert transport.drive(find_lost(transport.context, [lost(0, A)], set())).doubts == {0: ["101"]}


def test_a_list_that_is_not_newest_first_cannot_be_searched() -> None:
    transport = FakeTransport(success(tasklist=[task(101, A), task(102, A)]))

    with pytest.raises(WiroOrphanedRunError, match="not newest first"):
        transport.drive(find_lost(transport.context, [lost(0, A)], set()))


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=6),
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", "z"]), st.booleans()), max_size=8),
)
@quick
def test_no_task_is_assigned_twice_or_to_another_run_or_though_it_is_known(
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


# When a task was created.

HOUR = 3600.0


@pytest.mark.parametrize(
    ("created_after", "sending", "verdict"),
    [
        (0.0, {}, "found"),
        (540.0, {}, "found"),
        (-20.0, {}, "found"),  # two machines' clocks
        (HOUR, {}, "not it"),  # the next DAG run's
        (-45.0, {}, "doubt"),  # by its id, it came after the sending
        (-45.0, {"newest": None}, "not it"),
        (-HOUR, {}, "not it"),
        (50.0, {"loss": Loss.CUT_OFF, "lost_after": 0.1}, "found"),
        (300.0, {"loss": Loss.CUT_OFF, "lost_after": 0.1}, "not it"),
        (300.0, {"loss": Loss.TIMEOUT, "lost_after": 60.0}, "found"),
        (900.0, {"loss": Loss.TIMEOUT, "lost_after": 880.0}, "found"),  # a long upload
        (HOUR, {"wiro_at": None}, "doubt"),  # whose clock is wrong?
        (3 * 24 * HOUR, {"wiro_at": None}, "not it"),
        (3 * HOUR, {"wiro_at": NOON.timestamp() + 3 * HOUR}, "found"),  # Wiro's clock is
        (0.0, {"wiro_at": NOON.timestamp() + 3 * HOUR}, "not it"),
    ],
)
def test_a_task_is_a_runs_only_if_created_while_that_can_have_been_carried_out(
    created_after: float, sending: dict[str, Any], verdict: str
) -> None:
    created = str(int(NOON.timestamp() + created_after))

    findings = found([lost(0, A, **sending)], task(101, A, createtime=created))

    expected = {"found": ({0: "101"}, {}), "not it": ({}, {}), "doubt": ({}, {0: ["101"]})}
    assert (findings.tasks, findings.doubts) == expected[verdict]


def test_a_task_that_does_not_show_when_it_was_created_is_a_doubt() -> None:
    assert found([lost(0, A)], task(101, A, createtime=None)).doubts == {0: ["101"]}


# How long it is looked for.


@pytest.mark.parametrize(
    ("sending", "holds"),
    [
        ({}, 600.0),  # the worker died
        ({"uploaded_for": 50.0}, 655.0),  # … in an upload, or after it
        ({"loss": Loss.TIMEOUT, "lost_after": 60.0}, 660.0),
        ({"loss": Loss.TIMEOUT, "lost_after": 580.0}, 1180.0),
        ({"loss": Loss.CUT_OFF, "lost_after": 3.0}, 63.0),
    ],
)
def test_not_in_the_list_is_no_proof_before_wiro_can_no_longer_be_at_work(
    sending: dict[str, Any], holds: float
) -> None:
    for elapsed in (0.0, holds - 1, holds + 1):
        transport = FakeTransport(dated(NO_TASK_YET, NOON.timestamp() + elapsed))
        transport.now += timedelta(seconds=elapsed)

        findings = transport.drive(find_lost(transport.context, [lost(0, A, **sending)], set()))

        assert findings.not_started == ([0] if elapsed > holds else [])
        assert findings.open == ({} if elapsed > holds else {0: pytest.approx(holds - elapsed)})


@pytest.mark.parametrize(
    ("was_cut_off", "silent_seconds", "loss"),
    [(True, 1.0, Loss.CUT_OFF), (True, 30.0, Loss.TIMEOUT), (False, 1.0, Loss.TIMEOUT)],
)
def test_a_reset_after_an_idle_time_is_a_timeout(
    was_cut_off: bool, silent_seconds: float, loss: Loss
) -> None:
    """A proxy in front of Wiro gave up; what is behind it may go on."""
    error = WiroLostRunError("lost", was_cut_off=was_cut_off)

    sending = Sending(NOON.timestamp(), uploaded_for=90.0).lose(error, 100.0, silent_seconds)

    assert sending == Sending(NOON.timestamp(), loss=loss, lost_after=100.0, uploaded_for=90.0)


@pytest.mark.parametrize("jump", [-2 * HOUR, 2 * HOUR])
def test_a_clock_that_was_set_here_makes_nothing_certain_and_delays_nothing(jump: float) -> None:
    for elapsed, is_certain in ((300.0, False), (610.0, True)):
        transport = FakeTransport(dated(NO_TASK_YET, NOON.timestamp() + elapsed))
        transport.now += timedelta(seconds=elapsed + jump)

        findings = transport.drive(find_lost(transport.context, [lost(0, A)], set()))

        assert bool(findings.not_started) is is_certain


def test_without_wiros_clock_this_machines_is_used() -> None:
    transport = FakeTransport(NO_TASK_YET)
    transport.now += timedelta(seconds=599)
    assert transport.drive(find_lost(transport.context, [lost(0, A)], set())).open == {0: pytest.approx(1.0)}
    transport.now += timedelta(seconds=2)
    assert transport.drive(find_lost(transport.context, [lost(0, A)], set())).not_started == [0]


def test_the_configured_patience_is_what_counts() -> None:
    transport = FakeTransport(NO_TASK_YET)
    transport.now += timedelta(seconds=31)

    look = find_lost(transport.context, [lost(0, A)], set(), patience_seconds=30.0)

    assert transport.drive(look).not_started == [0]


def dated(answer: ApiResponse, at: float) -> ApiResponse:
    return ApiResponse(answer.status, {**answer.headers, "date": formatdate(at, usegmt=True)}, answer.body)


# Whose files they are.

OWN = "https://cdn1.wiro.ai/x/1.png"
FOREIGN = "https://pictures.example.com/cat.png"
CAT, DOG = "c" * 64, "d" * 64


def by_files(
    sent: list[SentFile], shown: dict[str, Any], digests: dict[str, str | None] | None = None
) -> str:
    listed = task(101, {**A, **shown})
    transport = FakeTransport(
        lambda send: (
            success(tasklist=[listed])
            if send.path == "Task/Detail" or json.loads(send.body.json)["start"] == "0"
            else NO_TASK_YET
        ),
        digests=digests,
    )
    findings = transport.drive(
        find_lost(transport.context, [lost(0, A, files={"inputImage": sent} if sent else {})], set())
    )
    return "found" if findings.tasks else "doubt" if findings.doubts else "not it"


@pytest.mark.parametrize(
    ("sent", "shown", "digests", "verdict"),
    [
        # URLs count as they were sent.
        ([SentFile(FOREIGN)], {"inputImageUrl": FOREIGN, "inputImage": ""}, {}, "found"),
        ([SentFile(FOREIGN)], {"inputImage": FOREIGN}, {}, "found"),
        ([SentFile(FOREIGN)], {"inputImageUrl": FOREIGN.replace("cat", "dog")}, {}, "not it"),
        ([SentFile(FOREIGN + "?sig=1")], {"inputImageUrl": FOREIGN}, {}, "doubt"),
        ([SentFile(FOREIGN + "?id=1")], {"inputImageUrl": FOREIGN + "?id=2"}, {}, "not it"),
        ([SentFile(FOREIGN)], {"inputImageUrl": OWN}, {}, "doubt"),  # a copy of Wiro's?
        ([SentFile(FOREIGN)], {}, {}, "doubt"),
        ([SentFile(FOREIGN), SentFile(OWN)], {"inputImageUrl": f"{OWN},{FOREIGN}"}, {}, "found"),
        ([SentFile(FOREIGN)], {"inputImage": [FOREIGN, OWN]}, {}, "doubt"),  # another run has more
        ([SentFile(FOREIGN), SentFile(OWN)], {"inputImageUrl": FOREIGN}, {}, "not it"),
        # Another run's output, whose link was signed anew since.
        ([SentFile(FOREIGN + "?sig=1", is_output=True)], {"inputImageUrl": FOREIGN + "?sig=2"}, {}, "found"),
        ([SentFile(FOREIGN + "?sig=1", is_output=True)], {"inputImageUrl": FOREIGN}, {}, "found"),
        ([SentFile(FOREIGN + "?a", is_output=True)], {"inputImageUrl": f"{FOREIGN}2?a"}, {}, "not it"),
        (
            [SentFile(f"{FOREIGN}?a", is_output=True), SentFile(f"{OWN}?a", is_output=True)],
            {"inputImageUrl": f"{OWN}?b,{FOREIGN}?b"},
            {},
            "found",
        ),
        # An upload that was sent by its URL, and another one.
        ([SentFile(OWN)], {"inputImageUrl": OWN + "2"}, {OWN: CAT, OWN + "2": DOG}, "not it"),
        ([SentFile(OWN)], {"inputImageUrl": OWN + "2"}, {OWN: CAT, OWN + "2": CAT}, "found"),
        ([SentFile(OWN)], {"inputImageUrl": OWN + "2"}, {OWN: CAT}, "doubt"),
        # Contents count by their digest.
        ([SentFile(sha256=CAT)], {"inputImage": OWN}, {OWN: CAT}, "found"),
        ([SentFile(sha256=CAT)], {"inputImage": OWN}, {OWN: DOG}, "not it"),
        ([SentFile(sha256=CAT)], {"inputImage": OWN}, {}, "doubt"),  # can't be fetched
        ([SentFile()], {"inputImage": OWN}, {OWN: CAT}, "doubt"),  # ours is gone
        ([SentFile(sha256=CAT)], {"inputImage": "cat.png"}, {}, "doubt"),
        ([SentFile(sha256=CAT)], {"inputImage": OWN, "inputImageUrl": OWN}, {OWN: CAT}, "found"),
        (
            [SentFile(sha256=CAT), SentFile(sha256=DOG)],
            {"inputImage": json.dumps([OWN, OWN + "2"])},
            {OWN: DOG, OWN + "2": CAT},
            "found",
        ),
        # A run without files is none with some; but Wiro may fill in a sample.
        ([], {"inputImage": OWN}, {}, "doubt"),
        ([], {"inputImage": "https://cdn1.wiro.ai/sampleinputs/1.png"}, {}, "found"),
    ],
)
def test_a_task_is_a_runs_only_if_its_files_are(
    sent: list[SentFile], shown: dict[str, Any], digests: dict[str, str | None], verdict: str
) -> None:
    assert by_files(sent, shown, digests) == verdict


def test_each_file_is_fetched_once_however_many_runs_ask_for_it() -> None:
    tasks = [task(number, {**A, "inputImage": OWN}) for number in (103, 102, 101)]

    def answer(send: Any) -> Any:
        page = tasks[int(json.loads(send.body.json)["start"]) :]
        return success(tasklist=page) if page else NO_TASK_YET

    transport = FakeTransport(answer, digests={OWN: DOG})
    runs = [lost(item, A, files={"inputImage": [SentFile(sha256=one)]}) for item, one in enumerate("abc")]

    assert not transport.drive(find_lost(transport.context, runs, set())).has_tasks
    assert transport.digested == [OWN]


# Whose task it is.


def of(project: str | None, uuid: str | None = None) -> dict[str, Any]:
    return {"projectid": project, "uuid": uuid}


@pytest.mark.parametrize(
    ("candidate", "project_id", "earlier", "verdict"),
    [
        (of("1"), "1", [], "found"),
        (of("2"), "1", [], "not it"),
        (of(None), "1", [], "found"),
        (of("1"), None, [of("1")], "found"),  # learned from an earlier task of ours
        (of("2"), None, [of("1")], "not it"),
        (of("1", "u-2"), None, [of("1", "u-1"), of("1", "u-1")], "not it"),
        (of("1", "u-3"), None, [of("1", "u-1"), of("1", "u-2")], "found"),  # of each task, not of its owner
    ],
)
def test_a_teammates_task_is_never_adopted_where_wiro_shows_its_owner(
    candidate: dict[str, Any], project_id: str | None, earlier: list[dict[str, Any]], verdict: str
) -> None:
    known = [task(90 + number, B, **whose) for number, whose in enumerate(earlier)]
    run = replace(lost(0, A), project_id=project_id)

    def answer(send: Any) -> Any:
        body = json.loads(send.body.json)
        if send.path == "Task/Detail":
            return success(tasklist=[one for one in known if one["id"] == body["taskid"]])
        return success(tasklist=[task(101, A, **candidate)]) if body["start"] == "0" else NO_TASK_YET

    transport = FakeTransport(answer)
    own_ids = [one["id"] for one in known]

    findings = transport.drive(find_lost(transport.context, [run], set(own_ids), own_ids=own_ids))

    assert findings.tasks == ({0: "101"} if verdict == "found" else {})
    assert findings.doubts == {}


def test_in_a_list_of_several_projects_a_task_is_a_doubt_if_the_own_project_is_unknown() -> None:
    findings = found([lost(0, A)], task(101, A, projectid="1"), task(102, B, projectid="2"))

    assert findings.doubts == {0: ["101"]}


def test_two_projects_of_one_person_are_no_crowd() -> None:
    ours = of("1", "u-1")
    assert found([lost(0, A)], task(101, A, **ours), task(102, B, **of("2", "u-1"))).tasks == {0: "101"}
    others = [task(102, B, **ours), task(103, B, **of("2", "u-2"))]
    assert found([lost(0, A)], task(101, A, **ours), *others).doubts == {0: ["101"]}


def test_a_search_for_a_kill_finds_the_one_certain_task_and_waits_for_nothing() -> None:
    record = RunRecord("f", Sending(NOON.timestamp(), "100", NOON.timestamp()), 0, 1)
    wanted = RunSpec(MODEL, A, "f", 0, TaskTry(1))
    for tasks, expected in (
        ([task(101, A)], "101"),
        ([], None),
        ([task(102, A), task(101, A)], None),
        ([task(101, None)], None),
        ([task(101, A, createtime=str(int(NOON.timestamp()) + 9))], "101"),
        # It may as well be an equal run of another Airflow task.
        ([task(101, A, createtime=str(int(NOON.timestamp()) + 15))], None),
    ):

        def answer(send: Any, tasks: Any = tasks) -> Any:
            body = json.loads(send.body.json)
            if send.path == "Task/Detail":
                return success(tasklist=[one for one in tasks if one["id"] == body["taskid"]])
            return success(tasklist=tasks) if body["start"] == "0" and tasks else NO_TASK_YET

        transport = FakeTransport(answer)
        assert transport.drive(find_lost_run_now(transport.context, record, wanted)) == expected
        assert transport.pauses == []


def test_a_run_of_another_project_is_certain_only_in_a_list_that_shows_that_project() -> None:
    run = replace(lost(0, A), project_id="7")
    for shown, verdict in (("7", "not started"), ("1", "doubt")):
        listed = task(101, B, projectid=shown)
        transport = FakeTransport(
            lambda send, listed=listed: (
                success(tasklist=[listed]) if json.loads(send.body.json)["start"] == "0" else NO_TASK_YET
            )
        )
        transport.now += timedelta(seconds=601)

        findings = transport.drive(find_lost(transport.context, [run], set()))

        assert (findings.not_started == [0]) is (verdict == "not started")
        assert (findings.doubts == {0: []}) is (verdict == "doubt")

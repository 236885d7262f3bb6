"""A reading of the list shows what is new, and what has ended, by as few requests as possible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.exceptions import WiroResponseError, WiroServerError
from airflow_provider_wiro.task_history.changes import FIRST_PAGES, Changes, read_changes
from airflow_provider_wiro.task_history.position import Position
from tests.api.fake_transport import FakeTransport, http_response, success
from tests.task_history.lists import WiroList

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task

START = 1_700_000_000
ENDED, RUNNING = "task_postprocess_end", "task_start"


def task(number: int, status: str = ENDED, **fields: Any) -> dict[str, Any]:
    """Return a task that was created as many minutes after the start as its id says."""
    return {"id": str(number), "status": status, "createtime": str(START + 60 * number), **fields}


def ended(total: int) -> list[dict[str, Any]]:
    return [task(number) for number in range(total, 0, -1)]


def at(minutes: int) -> datetime:
    return datetime.fromtimestamp(START, UTC) + timedelta(minutes=minutes)


def read(listed: Any, position: Position | None = None, *open_ids: int, **settings: Any) -> Changes:
    transport = FakeTransport(listed)
    found: Changes = transport.drive(read_changes(transport.context, position, open_ids, **settings))
    return found


# Later readings.


def test_new_tasks_are_shown_by_whether_they_have_ended() -> None:
    changes = read(WiroList(task(4, RUNNING), task(3), task(2), task(1)), Position(2))
    assert (changes.ended, changes.started, changes.is_first) == ((3,), (4,), False)
    assert changes.position == Position(2, (3, 4))


def test_nothing_new_takes_one_request() -> None:
    listed = WiroList(*ended(1000))
    changes = read(listed, read(listed, Position(990)).position)
    assert (changes.ended, changes.started) == ((), ())
    assert listed.pages == 2


def test_a_cancelled_task_has_ended() -> None:
    assert read(WiroList(task(1, "task_cancel")), Position()).ended == (1,)


def test_a_status_that_nobody_knows_is_no_end() -> None:
    assert read(WiroList(task(1, "task_new_word")), Position()).started == (1,)


def test_an_open_task_on_the_pages_is_shown_as_it_is_now() -> None:
    changes = read(WiroList(task(3, RUNNING), task(2), task(1)), Position(3), 1, 3)
    assert (changes.ended, changes.running, changes.started) == ((1,), {3}, ())


def test_tasks_that_are_started_meanwhile_hide_none() -> None:
    listed = WiroList(*ended(500))
    ids = count(501)
    listed.started = lambda: task(next(ids))
    assert read(listed, Position(50)).ended == tuple(range(51, 501))


def test_what_is_started_during_a_reading_is_new_in_the_next_one() -> None:
    listed = WiroList(*ended(300))
    ids = count(301)
    listed.started = lambda: task(next(ids))
    first = read(listed, Position(1))
    listed.started = None
    assert read(listed, first.position).ended == tuple(range(301, next(ids)))


def test_a_task_that_is_shown_late_is_new() -> None:
    listed = WiroList(task(5), task(3), task(2))
    position = read(listed, Position(1)).position
    listed.tasks.insert(1, task(4))
    changes = read(listed, position)
    assert changes.ended == (4,)
    assert read(listed, changes.position).ended == ()


def test_the_overlap_says_how_far_late_tasks_are_looked_for() -> None:
    listed = WiroList(*ended(1000))
    read(listed, Position(950), overlap=1)
    assert listed.pages == 1
    read(listed, Position(950), overlap=51)
    assert listed.pages == 3


def test_further_pages_are_read_while_they_show_many_open_tasks() -> None:
    """Three open tasks on a page would be three requests for their Detail."""
    listed = WiroList(
        *(task(number, RUNNING if number % 10 == 0 else ENDED) for number in range(1000, 0, -1))
    )
    open_ids = [number for number in range(10, 1000, 10) if number >= 500]
    changes = read(listed, Position(1000), *open_ids)
    assert changes.running == set(open_ids)
    assert listed.pages == 6


def test_a_page_with_few_open_tasks_is_the_last() -> None:
    listed = WiroList(*ended(1000))
    assert read(listed, Position(1000), 990, 980, 20, 10).ended == (980, 990)
    assert listed.pages == 1


def test_what_is_not_wanted_is_left_out_and_what_is_not_known_is_marked() -> None:
    wants = {"1": True, "2": False, "3": None, "4": None}

    def is_wanted(task: Task) -> bool | None:
        return wants[task.id]

    listed = WiroList(task(4, RUNNING), task(3), task(2), task(1))
    changes = read(listed, Position(), is_wanted=is_wanted)
    assert (changes.ended, changes.started, changes.unclear) == ((1, 3), (4,), {3, 4})
    assert read(listed, changes.position, is_wanted=is_wanted).ended == ()


def test_ids_are_compared_as_numbers() -> None:
    assert read(WiroList(task(1000), task(999), task(9)), Position(999)).ended == (1000,)


def test_ids_that_are_no_numbers_are_counted() -> None:
    assert read(WiroList({"id": "b-1", "status": ENDED}, task(2)), Position(1)).without_number == 1


def test_a_position_remembers_a_bounded_number_of_ids() -> None:
    changes = read(WiroList(*ended(3000)), Position())
    assert len(changes.ended) == 3000
    assert changes.position == Position(2801, tuple(range(2802, 3001)))
    assert read(WiroList(*ended(3000)), changes.position).ended == ()


def test_a_hundred_thousand_tasks_are_a_thousand_requests() -> None:
    ids = iter(range(100_000, 0, -1))
    requests = count()

    def listed(_: Any) -> Any:
        next(requests)
        return success(tasklist=[task(number) for number in islice(ids, 100)])

    assert len(read(listed, Position()).ended) == 100_000
    assert next(requests) == 1001


# First readings.


def test_a_first_reading_begins_at_a_time() -> None:
    listed = WiroList(*ended(1000))
    changes = read(listed, since=at(700))
    assert changes.is_first
    assert changes.ended == tuple(range(700, 1001))
    assert listed.pages == 5, "a page further: an id's place and a time can differ a little"


def test_a_first_reading_takes_what_has_no_time() -> None:
    listed = WiroList(task(3), {"id": "2", "status": ENDED}, task(1))
    assert read(listed, since=at(2)).ended == (2, 3)


def test_where_the_list_shows_no_times_detail_says_where_to_end() -> None:
    listed = WiroList(*({"id": str(number), "status": ENDED} for number in range(1000, 0, -1)))
    listed.details = {str(number): {"createtime": str(START + 60 * number)} for number in range(1, 1001)}
    changes = read(listed, since=at(700))
    assert changes.ended[-1] == 1000
    assert set(range(700, 1001)) <= set(changes.ended)
    assert len(listed.asked) == listed.pages
    assert listed.pages <= 5


def test_where_nothing_shows_times_the_whole_list_is_read() -> None:
    listed = WiroList(*({"id": str(number), "status": ENDED} for number in range(250, 0, -1)))
    assert len(read(listed, since=at(100)).ended) == 250


def test_a_first_reading_from_now_on_takes_what_has_not_ended() -> None:
    listed = WiroList(task(3, RUNNING), task(2), task(1, RUNNING))
    changes = read(listed)
    assert (changes.ended, changes.started) == ((), (1, 3))
    assert read(listed, changes.position, 1, 3).ended == ()


def test_a_first_reading_from_now_on_reads_while_pages_show_unfinished_tasks() -> None:
    listed = WiroList(*[task(number, RUNNING if number > 750 else ENDED) for number in range(1000, 0, -1)])
    assert len(read(listed).started) == 250
    assert listed.pages == 4


def test_a_first_reading_from_now_on_reads_a_bounded_number_of_pages() -> None:
    listed = WiroList(*[task(number, RUNNING) for number in range(5000, 0, -1)])
    assert len(read(listed).started) == FIRST_PAGES * 100


def test_after_a_first_reading_nothing_older_is_new() -> None:
    listed = WiroList(*ended(150))
    position = read(listed).position
    listed.tasks.insert(0, task(151))
    assert read(listed, position).ended == (151,)
    assert read(listed, read(listed, since=at(140)).position).ended == ()


def test_an_empty_list_is_a_position_too() -> None:
    changes = read(WiroList())
    assert changes == Changes(Position(), is_first=True)


# Failures.


def test_an_error_of_wiros_is_the_readings() -> None:
    with pytest.raises(WiroServerError):
        read(http_response(503), Position())


def test_a_list_that_is_not_newest_first_is_refused() -> None:
    with pytest.raises(WiroResponseError, match="not newest first"):
        read(WiroList(task(1), task(2)), Position())


def test_a_check_is_made_before_each_request() -> None:
    checks = count()
    listed = WiroList(*ended(1000))
    read(listed, Position(), check=lambda: next(checks) and None)
    assert next(checks) == listed.pages == 11

"""The walk down Wiro's list gives each task once, whatever is started meanwhile, and always ends."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.exceptions import WiroResponseError, WiroUsageError
from airflow_provider_wiro.task_history.walk import walk_down
from tests.api.fake_transport import FakeTransport, success
from tests.task_history.lists import WiroList

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_wiro.api.models import Task


def newest_first(total: int) -> list[dict[str, Any]]:
    return [{"id": str(number), "status": "task_queue"} for number in range(total, 0, -1)]


class Walk:
    """What a walk was given."""

    def __init__(self, *, until: str | None = None) -> None:
        self.ids: list[str] = []
        self.until = until

    def take(self, page: Sequence[Task]) -> bool:
        assert page
        self.ids += [task.id for task in page]
        return self.until not in self.ids

    def down(self, listed: Any, **bounds: int) -> list[str]:
        transport = FakeTransport(listed)
        transport.drive(walk_down(transport.context, self.take, **bounds))
        return self.ids


def test_it_gives_each_task_once_the_newest_first() -> None:
    assert Walk().down(WiroList(*newest_first(250))) == [str(number) for number in range(250, 0, -1)]


def test_an_empty_list_is_an_end() -> None:
    assert Walk().down(WiroList()) == []


def test_it_ends_where_no_more_is_wanted() -> None:
    listed = WiroList(*newest_first(1000))
    assert Walk(until="850").down(listed)[-1] == "801"
    assert listed.pages == 2


def test_tasks_that_are_started_meanwhile_hide_none_and_repeat_none() -> None:
    listed = WiroList(*newest_first(300))
    ids = count(301)
    listed.started = lambda: {"id": str(next(ids))}
    assert Walk().down(listed) == [str(number) for number in range(300, 0, -1)]


def test_short_pages_are_not_the_end() -> None:
    listed = WiroList(*newest_first(20))
    listed.limit = 3
    assert len(Walk().down(listed)) == 20


def test_ids_are_compared_as_numbers() -> None:
    tasks = [{"id": number} for number in ("1000", "999", "10", "9")]
    assert Walk().down(WiroList(*tasks)) == ["1000", "999", "10", "9"]


def test_ids_that_are_no_numbers_are_given_once_as_well() -> None:
    listed = WiroList(*({"id": name} for name in ("b-2", "b-2", "7", "a-1")))
    assert Walk().down(listed) == ["b-2", "7", "a-1"]


def test_a_list_that_is_not_newest_first_is_refused() -> None:
    with pytest.raises(WiroResponseError, match="not newest first"):
        Walk().down(WiroList({"id": "1"}, {"id": "2"}))


def test_a_list_that_shows_the_same_page_for_ever_is_refused() -> None:
    with pytest.raises(WiroResponseError, match="same tasks on each page"):
        Walk().down(success(tasklist=newest_first(100)))


def test_a_list_without_an_end_is_read_to_a_bound() -> None:
    ids = count(10**9, -1)

    def endless(_: Any) -> Any:
        return success(tasklist=[{"id": str(next(ids))} for _ in range(100)])

    with pytest.raises(WiroUsageError, match="has not ended after 2,000 tasks"):
        Walk().down(endless, max_tasks=2000)


def test_a_list_of_tiny_pages_is_read_to_a_bound() -> None:
    ids = count(10**9, -1)
    with pytest.raises(WiroUsageError, match="has not ended after 50 tasks"):
        Walk().down(lambda _: success(tasklist=[{"id": str(next(ids))}]), max_pages=50)


def test_tasks_that_vanish_meanwhile_hide_none() -> None:
    """They move the others up: from a page that is to be read to one that was read."""
    listed = WiroList(*newest_first(300))
    listed.total = lambda _: len(listed.tasks)
    listed.before_page = {2: lambda: listed.vanish(300, 290, 250), 3: lambda: listed.vanish(299, 120)}
    assert Walk().down(listed) == [str(number) for number in range(300, 0, -1) if number != 120]


@pytest.mark.parametrize("gone", [1, 40, 99, 100])
def test_nor_do_they_if_the_last_one_that_was_seen_is_among_them(gone: int) -> None:
    listed = WiroList(*newest_first(250))
    listed.total = lambda _: len(listed.tasks)
    listed.before_page = {2: lambda: listed.vanish(*range(151, 151 + gone))}
    assert Walk().down(listed) == [str(number) for number in range(250, 0, -1)]


def test_a_list_that_shrinks_behind_the_walk_is_read_to_its_end() -> None:
    listed = WiroList(*newest_first(130))
    listed.total = lambda _: len(listed.tasks)
    listed.before_page = {2: lambda: listed.vanish(*range(31, 131))}
    assert Walk().down(listed) == [str(number) for number in range(130, 0, -1)]


@pytest.mark.parametrize("total", [1, 50, 100, 101, 250])
def test_a_total_that_is_a_pages_own_ends_no_walk(total: int) -> None:
    listed = WiroList(*newest_first(total))
    listed.total = len
    assert Walk().down(listed) == [str(number) for number in range(total, 0, -1)]


@pytest.mark.parametrize("gone", [1, 99, 100])
def test_where_the_total_is_a_pages_own_the_pages_overlap(gone: int) -> None:
    listed = WiroList(*newest_first(550))
    listed.total = len
    listed.before_page = {5: lambda: listed.vanish(*range(550, 550 - gone, -1))}
    assert Walk().down(listed) == [str(number) for number in range(550, 0, -1)]
    assert listed.pages < 20


def test_pages_of_one_task_are_walked_back_as_well() -> None:
    listed = WiroList(*newest_first(60))
    listed.limit = 1
    listed.total = lambda _: len(listed.tasks)
    listed.before_page = {41: lambda: listed.vanish(*range(60, 30, -1))}
    assert Walk().down(listed) == [str(number) for number in range(60, 0, -1)]


@pytest.mark.parametrize("total", [lambda page: 550, len], ids=["the list's total", "the page's"])
def test_a_page_that_repeats_the_one_before_hides_nothing(
    total: Callable[[list[Mapping[str, Any]]], int],
) -> None:
    listed = WiroList(*newest_first(550))
    listed.total = total
    listed.repeated = {3: 7, 5: 1}
    assert Walk().down(listed) == [str(number) for number in range(550, 0, -1)]
    assert listed.pages < 14


def test_a_page_that_shows_a_task_twice_hides_nothing() -> None:
    listed = WiroList(*newest_first(250))
    listed.tasks[99:99] = [listed.tasks[99]]
    listed.before_page = {2: lambda: listed.tasks.pop(99)}
    assert Walk().down(listed) == [str(number) for number in range(250, 0, -1)]


def test_tasks_that_are_started_meanwhile_take_no_more_pages_for_it() -> None:
    listed = WiroList(*newest_first(2000))
    ids = count(2001)
    listed.started = lambda: {"id": str(next(ids))}
    listed.total = lambda _: len(listed.tasks)
    assert len(Walk(until="1").down(listed)) == 2000
    assert listed.pages == 21

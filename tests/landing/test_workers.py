"""The worker pool: order, limits, help with shared items, and what an error or a stop ends."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from airflow_provider_wiro.landing.workers import Abandoned, WorkerPool


class Stopped(Exception):  # noqa: N818
    """What a stopped pool raises here."""


def pool_of(size: int = 3) -> WorkerPool[Any, Any]:
    return WorkerPool(size, Stopped)


def test_results_are_in_the_order_of_the_items_whichever_is_done_first() -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (5 - item))
        return item * 10

    assert pool_of().run(work, range(5)) == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_no_more_than_asked_for_work_at_once(size: int) -> None:
    lock, now, most = threading.Lock(), 0, 0
    together = threading.Barrier(size, timeout=10)

    def work(item: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait()
        with lock:
            now -= 1

    pool_of(size).run(work, range(4 * size))
    assert most == size


def test_after_an_error_nothing_is_started_and_items_in_flight_are_finished() -> None:
    begun, done = [], []
    failed = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        if item == 1:
            failed.set()
            raise ValueError("the first")
        assert failed.wait(5)
        time.sleep(0.02)
        done.append(item)

    with pytest.raises(ValueError, match="the first"):
        pool_of(2).run(work, range(50))
    assert begun == [0, 1]
    assert done == [0]


def test_threads_without_an_item_help_with_a_shared_one() -> None:
    together = threading.Barrier(3, timeout=5)
    one = pool_of(3)
    left = [1, 2]

    def step() -> bool:
        if not left:
            return False
        left.pop()
        together.wait()
        return True

    def join() -> None:
        together.wait()

    def work(item: int) -> str:
        one.share(step, first=join)
        return "done"

    assert one.run(work, [0]) == ["done"]


def test_an_error_in_a_shared_step_ends_it_for_all_and_is_the_one_that_is_raised() -> None:
    one = pool_of(3)
    seen: list[type[BaseException]] = []
    failing = threading.Event()

    def step() -> bool:
        if not failing.is_set():
            failing.set()
            raise KeyError("the cause")
        return True

    def first() -> None:
        assert failing.wait(5)
        try:
            while True:
                one.check()
                time.sleep(0.001)
        except BaseException as error:
            seen.append(type(error))
            raise

    with pytest.raises(KeyError, match="the cause"):
        one.run(lambda item: one.share(step, first=first), [0])
    assert seen == [Abandoned]


def test_a_thread_that_hangs_does_not_keep_a_stopped_pool() -> None:
    one, hanging = pool_of(2), threading.Event()

    def work(item: int) -> None:
        if item == 0:
            one.stop()
        hanging.wait(20)

    began = time.monotonic()
    with pytest.raises(Stopped):
        one.run(work, [0, 1])
    assert time.monotonic() - began < 2.5
    hanging.set()


def test_a_buffer_is_used_again_and_is_each_threads_own() -> None:
    one = pool_of(2)
    both = threading.Barrier(2, timeout=5)

    def work(item: int) -> tuple[int, int]:
        both.wait()
        first = one.buffer(1000)
        second = one.buffer(1000)
        both.wait()
        return id(first), id(second)

    (a, b), (c, d) = one.run(work, [0, 1])
    assert a == b
    assert c == d
    assert a != c


@pytest.mark.parametrize("size", [1, 4])
def test_items_that_are_added_meanwhile_are_done_before_those_that_wait(size: int) -> None:
    done: list[Any] = []
    pool = pool_of(size)

    def work(item: Any) -> Any:
        done.append(item)
        if isinstance(item, int):
            pool.add([(item, "a"), (item, "b")])
        return item

    assert pool.run(work, range(3)) == [0, 1, 2]
    assert sorted(map(str, done)) == sorted(
        map(str, [*range(3), *((item, part) for item in range(3) for part in "ab")])
    )
    if size == 1:
        assert done == [0, (0, "a"), (0, "b"), 1, (1, "a"), (1, "b"), 2, (2, "a"), (2, "b")]


def test_nothing_is_added_after_an_error() -> None:
    done: list[Any] = []
    pool = pool_of(1)

    def work(item: int) -> None:
        if item == 0:
            pool.add([1])
            raise ValueError("the first")
        done.append(item)

    with pytest.raises(ValueError, match="the first"):
        pool.run(work, [0])
    assert done == []

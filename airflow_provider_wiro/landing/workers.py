"""A pool of threads that move outputs, and help each other with large ones."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")

#: How often a waiting thread checks whether the pool was stopped: a signal handler can't wake it.
_SLICE_SECONDS = 0.1
#: How long work in flight may take to end by itself once the pool was stopped. Airflow kills after 5 s.
GRACE_SECONDS = 1.5
#: The same where nothing kills: Airflow's own timeout is raised in this process, which then ends by itself.
TIMEOUT_GRACE_SECONDS = 10.0


#: More threads than this only wait for each other, and use memory.
MOST_THREADS = 64


def check_max_concurrency(max_concurrency: object) -> None:
    """
    Refuse what is no useful number of threads.

    :raises WiroUsageError: it isn't one.
    """
    if not isinstance(max_concurrency, int) or not 1 <= max_concurrency <= MOST_THREADS:
        raise WiroUsageError(f"Expected max_concurrency from 1 to {MOST_THREADS}, found {max_concurrency!r}.")


class Abandoned(Exception):  # noqa: N818  no error: the error is another thread's
    """Another thread has failed at the same item."""


class SharedWork:
    """
    The steps of one item, which several threads may do.

    :param step: does the next step; returns whether there may be another.
    """

    def __init__(self, step: Callable[[], bool]) -> None:
        self.step = step
        self.is_over = False
        self.helpers = 0
        self.error: BaseException | None = None


class WorkerPool(Generic[Item, Result]):
    """
    Does the same work for each of many items, ``size`` at a time.

    A thread that has no item left helps with one that is shared (:meth:`share`). After the first error no
    further item is started; those in flight are finished. Each thread has one buffer.

    :param size: how many threads.
    :param stopped: the error to raise once :meth:`stop` was called.
    """

    def __init__(self, size: int, stopped: Callable[[], BaseException]) -> None:
        self._size = size
        self._stopped = stopped
        self._is_stopping = False
        self._grace = GRACE_SECONDS
        self._changed = threading.Condition()
        self._waiting: deque[tuple[int | None, Item]] = deque()
        self._shared: list[SharedWork] = []
        self._results: dict[int, Result] = {}
        self._error: BaseException | None = None
        self._busy = 0
        self._mine = threading.local()

    def run(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        interrupt: Callable[[], None] | None = None,
    ) -> list[Result]:
        """
        Return what ``work`` makes of each item, in their order.

        :param interrupt: lets all requests fail at once. With it there is time to clean up when Airflow's
            timeout is raised.
        :raises BaseException: the first that any of them raised.
        """
        self._waiting.extend(enumerate(items))
        # Daemons: Airflow's process must be able to end while one of them hangs in a call to S3.
        threads = [
            threading.Thread(
                target=self._worker_loop, args=(work,), name=f"wiro-transfer-{number}", daemon=True
            )
            for number in range(self._size)
        ]
        try:
            for thread in threads:
                thread.start()
            self._wait_for_all()
        except BaseException:  # Airflow's timeout, for one, is raised right here
            if interrupt is not None and not self._is_stopping:  # else Airflow kills soon
                self._grace = TIMEOUT_GRACE_SECONDS
            self.stop()
            if interrupt is not None:
                interrupt()
            self._wait_for_all()
            raise
        if self._is_stopping:
            raise self._stopped()
        if self._error is not None:
            raise self._error
        return [self._results[number] for number in range(len(items))]

    def add(self, items: Sequence[Item]) -> None:
        """
        Have more items done, before those that wait. For use from ``work``.

        What ``work`` makes of them is not returned.
        """
        with self._changed:
            if self._error is None:
                self._waiting.extendleft((None, item) for item in reversed(items))
                self._changed.notify_all()

    def stop(self) -> None:
        """Start nothing more. For a signal handler: it takes no lock."""
        self._is_stopping = True

    def check(self) -> None:
        """
        Raise if this thread has to end its work.

        :raises BaseException: the pool was stopped.
        :raises Abandoned: another thread has failed at the same item.
        """
        if self._is_stopping:
            raise self._stopped()
        work: SharedWork | None = getattr(self._mine, "work", None)
        if work is not None and work.error is not None:
            raise Abandoned

    def share(self, step: Callable[[], bool], *, first: Callable[[], None]) -> None:
        """
        Do all steps of one item, together with threads that are free. For use from ``work``.

        Returns or raises when no thread works on it any more; after :meth:`stop`, when they had their time.

        :param step: does the next step; returns whether there may be another.
        :param first: a step for this thread.
        """
        work = SharedWork(step)
        with self._changed:
            work.helpers = 1
            self._shared.append(work)
            self._changed.notify_all()
        self._help_with(work, first)
        with self._changed:
            self._shared.remove(work)
            deadline = None
            while work.helpers and (deadline is None or time.monotonic() < deadline):
                self._changed.wait(_SLICE_SECONDS)
                if self._is_stopping and deadline is None:
                    deadline = time.monotonic() + self._grace / 2
        if work.error is not None:
            raise work.error
        self.check()

    def buffer(self, size: int) -> bytearray:
        """Return this thread's buffer, of exactly this size. It is the same one each time."""
        kept: bytearray | None = getattr(self._mine, "buffer", None)
        if kept is None or len(kept) != size:
            self._mine.buffer = None  # or there would be two for a moment
            kept = self._mine.buffer = bytearray(size)
        return kept

    def _wait_for_all(self) -> None:
        deadline = None
        with self._changed:
            while self._busy or (self._waiting and not self._is_stopping):
                self._changed.wait(_SLICE_SECONDS)
                if self._is_stopping and deadline is None:
                    deadline = time.monotonic() + self._grace
                if deadline is not None and time.monotonic() > deadline:
                    return
            self._changed.notify_all()

    def _worker_loop(self, work: Callable[[Item], Result]) -> None:
        while True:
            with self._changed:
                while (job := self._next_job(work)) is None:
                    if self._is_stopping or not (self._busy or self._waiting):
                        return
                    self._changed.wait(_SLICE_SECONDS * 5)
            job()

    def _next_job(self, work: Callable[[Item], Result]) -> Callable[[], Any] | None:
        if self._is_stopping:
            return None
        if self._waiting:
            number, item = self._waiting.popleft()
            self._busy += 1
            return lambda: self._do(work, number, item)
        for shared in self._shared:
            if not shared.is_over:
                shared.helpers += 1
                return lambda: self._help_with(shared)
        return None

    def _do(self, work: Callable[[Item], Result], number: int | None, item: Item) -> None:
        try:
            result = work(item)
            if number is not None:
                self._results[number] = result
        except BaseException as error:  # any: it is raised again in the thread that waits
            with self._changed:
                self._error = self._error or error
                self._waiting.clear()
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _help_with(self, work: SharedWork, first: Callable[[], None] | None = None) -> None:
        self._mine.work = work
        try:
            if first is not None:
                first()
            while not work.is_over and not self._is_stopping and work.step():
                pass
        except BaseException as error:
            self._mine.buffer = None  # another thread may still read from it
            with self._changed:
                work.error = work.error or error
        finally:
            self._mine.work = None
            with self._changed:
                work.is_over = True
                work.helpers -= 1
                self._changed.notify_all()

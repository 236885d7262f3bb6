"""
Deciding which of many tasks to poll, when, and by which request: one scheduler for all waits of a connection.

A few tasks are polled one by one through Task/Detail, as :func:`~airflow_provider_wiro.api.operations.
wait_for_task` does. Many share pages of Task/List (:mod:`~airflow_provider_wiro.watching.task_list`): then a
poll costs a small part of a request, and each task one Detail at its end. Only Detail is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.operations import out_of_time
from airflow_provider_wiro.api.polling import SHORTEST_PAUSE_SECONDS, PollPatience
from airflow_provider_wiro.exceptions import WiroError, WiroRateLimitError
from airflow_provider_wiro.watching.intervals import PollIntervals
from airflow_provider_wiro.watching.task_list import ListScan, TaskList
from airflow_provider_wiro.watching.watch import GATHERING, DueQueue, TaskWatch, WatchUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.polling import Polling

#: The task may have been polled long ago: a triggerer that was down resumes with old tasks.
LONGEST_FIRST_PAUSE_SECONDS = 2.0
#: Once in this time a task that the list shows is polled by Detail, to notice a list that lags.
AUDIT = timedelta(seconds=30)


@dataclass(frozen=True)
class DetailRequest:
    """A request for one task by Task/Detail."""

    watch: TaskWatch


#: A scan is answered page by page.
PollRequest = DetailRequest | ListScan


class PollScheduler:
    """
    Schedules the polls of all watches.

    :param random: a number from [0, 1); spreads polls of single tasks.
    :param is_pushed: whether a task's end can be expected to be reported over the WebSocket.
    """

    def __init__(
        self, random: Callable[[], float], is_pushed: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._random = random
        self._is_pushed = is_pushed
        self._list = TaskList()
        self._by_id: dict[str, list[TaskWatch]] = {}
        self._count = 0
        self._queue = DueQueue()
        self._intervals = PollIntervals(random)
        self._audit_at: datetime | None = None
        self._polled_singly: set[TaskWatch] = set()
        self._failing: set[TaskWatch] = set()

    def __len__(self) -> int:
        return self._count

    def add(
        self, wiro_task_id: str, polling: Polling, *, patience_seconds: float, is_seen: bool, now: datetime
    ) -> TaskWatch:
        """
        Watch a task from now on.

        :param is_seen: it was polled a moment ago, so begin with a pause.
        """
        patience = PollPatience(patience_seconds, now)
        watch = TaskWatch(wiro_task_id, polling, patience, now, now, last_seen_at=now, detail_at=now)
        self._by_id.setdefault(wiro_task_id, []).append(watch)
        self._count += 1
        pause = GATHERING.total_seconds()
        if is_seen:
            pause = min(LONGEST_FIRST_PAUSE_SECONDS, self._pause(watch, now))
        self._schedule(watch, now, polling.planned_pause(pause, now) if is_seen else pause)
        return watch

    def remove(self, watch: TaskWatch) -> None:
        """End a watch. Ending it twice does nothing."""
        if not watch.is_active:
            return
        watch.is_active = False
        self._count -= 1
        self._polled_singly.discard(watch)
        self._failing.discard(watch)
        watches = self._by_id[watch.wiro_task_id]
        watches.remove(watch)
        if not watches:
            del self._by_id[watch.wiro_task_id]

    def watches_of(self, wiro_task_id: str) -> Sequence[TaskWatch]:
        """Return all watches of a task."""
        return self._by_id.get(wiro_task_id, ())

    def next_due_at(self) -> datetime | None:
        """Return when :meth:`due_requests` has something to return, None if never."""
        watch = self._queue.first()
        return None if watch is None else watch.due_at

    def due_requests(self, now: datetime) -> list[PollRequest]:
        """Return the requests to send now. Each must end in a call of an ``on_…`` method."""
        taken = self._queue.pop_due(now)
        try:
            return self._requests_for(taken, now)
        finally:
            # Those that need no request after all, and all of them after a bug.
            for watch in taken:
                if not watch.in_flight:
                    self._queue.put(watch)

    def _requests_for(self, taken: list[TaskWatch], now: datetime) -> list[PollRequest]:
        requests: list[PollRequest] = []
        together: list[TaskWatch] = []
        for watch in taken:
            if self._waits_for_message(watch, now):
                continue
            by_detail = watch.wants_detail or watch.polling.is_over(now)
            if by_detail or not (self._list.is_open(now) and watch.position.is_listed(now)):
                requests.append(DetailRequest(watch))
            else:
                together.append(watch)
        if together:
            requests += self._audit(together, now)
            # Only now: where all are polled one by one, taking early ones along for each would take long.
            early = self._queue.pop_early(now)
            taken += early
            together += [watch for watch in early if watch.position.is_listed(now) and not watch.wants_detail]
        for scan in self._list.scans(together):
            start, single = self._list.next_start(scan)
            requests += [DetailRequest(watch) for watch in single if watch.due_at <= now]
            if start is not None:
                requests.append(scan)
        for request in requests:
            for watch in (request.watch,) if isinstance(request, DetailRequest) else request.wanted:
                watch.in_flight = True
        return requests

    def _waits_for_message(self, watch: TaskWatch, now: datetime) -> bool:
        """Extend the pause of a task whose first messages have arrived since it was planned."""
        if not (watch.can_wait and self._is_pushed(watch.wiro_task_id)):
            return False
        since_seen = (now - watch.last_seen_at).total_seconds()
        pause = self._intervals.longest_pause(watch.polling, now) - since_seen
        if pause > 0:
            self._schedule(watch, now, pause)
        return pause > 0

    def _audit(self, together: list[TaskWatch], now: datetime) -> Iterable[DetailRequest]:
        """Take out one of the watches now and then, to be polled by Detail."""
        if self._audit_at is None or now >= self._audit_at:
            if self._audit_at is not None:
                oldest = min(together, key=lambda watch: watch.detail_at)
                together.remove(oldest)
                yield DetailRequest(oldest)
            self._audit_at = now + AUDIT

    def hold_back(self, now: datetime, seconds: float) -> list[DetailRequest]:
        """
        Put off the polls that are due, while Wiro's rate limit lets nothing through.

        :return: those that aren't put off: the last polls of watches whose deadline has passed.
        """
        last_polls = []
        for watch in self._queue.pop_due(now):
            if watch.polling.is_over(now):
                watch.in_flight = True
                last_polls.append(DetailRequest(watch))
            else:
                self._schedule(watch, now, min(seconds, watch.polling.seconds_left(now)))
        return last_polls

    @property
    def page_size(self) -> int:
        """How many tasks a page is requested with."""
        return self._list.limit

    def next_start(self, scan: ListScan, now: datetime) -> int | None:
        """Return where a scan's next page starts, None if it is over; call it just before the request."""
        # A scan can be long: watches that were ended, or whose deadline has passed meanwhile, leave it.
        leaving = [watch for watch in scan.wanted if not watch.is_active or watch.polling.is_over(now)]
        scan.wanted = [watch for watch in scan.wanted if watch.is_active and not watch.polling.is_over(now)]
        start, single = self._list.next_start(scan)
        for watch in (*leaving, *single):
            watch.detail_next = True
            self._return(watch, now)
        return start

    def on_task(self, request: DetailRequest, task: Task, now: datetime) -> list[WatchUpdate]:
        """Take in what Detail shows of a task, and return the updates to notify of."""
        watch = request.watch
        watch.in_flight, watch.detail_next, watch.detail_at = False, watch.poll_again, now
        if not watch.is_active:
            return []
        if task.is_terminal:
            self._list.on_end(watch.wiro_task_id, now)
            self.remove(watch)
            return [WatchUpdate(watch, task, watch.seen_until, is_over=True)]
        if watch.needs_detail:
            # The list, which showed an end, can't be relied on for this task.
            watch.needs_detail, watch.list_was_wrong = False, True
        updates = watch.on_seen(task, now)
        self._failing.discard(watch)
        if watch.polling.is_over(now):
            return [*updates, self._time_out(watch)]
        self._schedule_usual(watch, now)
        return updates

    def on_page(
        self, scan: ListScan, start: int, tasks: Sequence[Task], asked_at: datetime, now: datetime
    ) -> list[WatchUpdate]:
        """
        Take in what a page of the list shows, and return the updates to notify of.

        The scan is not over before :meth:`next_start` returns None.
        """
        if self._list.is_behind(tasks, asked_at):
            self._end_scan(scan, now, 0.0)
            return []
        known = [
            (watch, index)
            for index, task in enumerate(tasks)
            if task.status  # an item without one says nothing
            for watch in self._by_id.get(task.id, ())
        ]
        expected = {id(watch) for watch in scan.wanted}
        result = self._list.read(scan, start, tasks, known, asked_at)
        updates: list[WatchUpdate] = []
        for watch, task in result.shown:
            if (watch.in_flight or watch.wants_detail) and id(watch) not in expected:
                continue  # another request about it is in flight or due, and knows better
            watch.in_flight = False
            if task.is_terminal:
                watch.needs_detail = True
                self._schedule(watch, now, 0.0)
            elif task.has_error_status and watch.last_status != task.status:
                watch.detail_next = True  # the list may leave out the reason, which belongs in the log
                self._schedule(watch, now, 0.0)
            else:
                updates += watch.on_seen(task, now)
                self._failing.discard(watch)
                self._schedule_usual(watch, now, tasks_on_page=len(known))
        for watch in result.missing:
            self._return(watch, now)
        return updates

    def on_error(self, request: PollRequest, error: WiroError, now: datetime) -> list[WatchUpdate]:
        """Take in that a request failed, and return the updates to notify of."""
        is_rate_limited = isinstance(error, WiroRateLimitError)
        if is_rate_limited:
            self._intervals.slow_down(now)
        if isinstance(request, DetailRequest):
            request.watch.in_flight = False
            return self._on_failed_detail(request.watch, error, now) if request.watch.is_active else []
        pause = SHORTEST_PAUSE_SECONDS if is_rate_limited else self._list.on_error(error, now, self._random())
        self._end_scan(request, now, pause)
        return []

    def _on_failed_detail(self, watch: TaskWatch, error: WiroError, now: datetime) -> list[WatchUpdate]:
        polling, patience = watch.polling, watch.patience
        is_rate_limited = isinstance(error, WiroRateLimitError)
        end = None if is_rate_limited else patience.failed(watch.wiro_task_id, error, polling, now)
        if end is not None:
            self.remove(watch)
            return [WatchUpdate(watch, error=end, is_over=True)]
        if polling.is_over(now):
            return [self._time_out(watch)]
        if is_rate_limited:
            patience.held_back(now)
            self._schedule(watch, now, SHORTEST_PAUSE_SECONDS)  # the rate limit's own comes before it
            return []
        watch.failures += 1
        self._failing.add(watch)
        usual = self._pause(watch, now)
        failing = len(self._failing)
        pause = self._intervals.pause_after_failure(usual, watch.failures, failing=failing)
        self._schedule(watch, now, patience.shortened(pause, polling, now))
        return []

    def on_message(self, wiro_task_id: str, now: datetime, *, is_end: bool = True) -> None:
        """
        Take in that a message over the WebSocket reports the end of a task: poll it now.

        :param is_end: False: it may have ended. Only the first such message is followed by a poll at once,
            since a model can write to stderr many times a second.
        """
        for watch in self._by_id.get(wiro_task_id, ()):
            if is_end or not watch.end_reported:
                watch.end_reported = watch.detail_next = True
                self._poll_now(watch, now)

    def poll_now(self, wiro_task_ids: Iterable[str], now: datetime) -> None:
        """Poll tasks without waiting for their pauses to end."""
        for wiro_task_id in wiro_task_ids:
            for watch in self._by_id.get(wiro_task_id, ()):
                self._poll_now(watch, now)

    def require_detail(self, watch: TaskWatch, now: datetime) -> None:
        """Poll a task now, by Detail: a page didn't show enough of it."""
        watch.detail_next = True
        self._poll_now(watch, now)

    def _poll_now(self, watch: TaskWatch, now: datetime) -> None:
        if watch.in_flight:
            watch.poll_again = True
        else:
            self._schedule(watch, now, 0.0)

    def _end_scan(self, scan: ListScan, now: datetime, pause: float) -> None:
        """End a scan; what it still looks for is polled again after a pause."""
        for watch in scan.wanted:
            self._return(watch, now, watch.polling.planned_pause(pause, now))
        scan.wanted = []

    def _return(self, watch: TaskWatch, now: datetime, pause: float = 0.0) -> None:
        """Schedule a watch after a request that showed nothing of it: not before it was due."""
        watch.in_flight = False
        if watch.is_active:
            self._schedule(watch, now, max(pause, (watch.due_at - now).total_seconds()))

    def _schedule_usual(self, watch: TaskWatch, now: datetime, *, tasks_on_page: int = 0) -> None:
        can_wait = not watch.poll_again
        self._schedule(watch, now, self._pause(watch, now, tasks_on_page=tasks_on_page))
        watch.can_wait = can_wait

    def _schedule(self, watch: TaskWatch, now: datetime, pause: float) -> None:
        watch.can_wait = False
        if watch.poll_again:
            watch.poll_again, pause = False, 0.0
        watch.planned_at = now
        watch.due_at = now + timedelta(seconds=pause)
        self._queue.put(watch)

    def _pause(self, watch: TaskWatch, now: datetime, *, tasks_on_page: int = 0) -> float:
        """
        Return the pause before the next poll, in seconds.

        :param tasks_on_page: how many watched tasks the page showed; 0 for a task polled by Detail.
        """
        is_pushed = not watch.end_reported and self._is_pushed(watch.wiro_task_id)
        if tasks_on_page or is_pushed:
            self._polled_singly.discard(watch)
        else:
            self._polled_singly.add(watch)
        if is_pushed:
            return self._intervals.longest_pause(watch.polling, now)
        return self._intervals.pause(
            watch.polling,
            now,
            in_flight=self._count,
            tasks_on_page=tasks_on_page,
            polled_singly=len(self._polled_singly),
        )

    def _time_out(self, watch: TaskWatch) -> WatchUpdate:
        self.remove(watch)
        error = out_of_time(watch.wiro_task_id, watch.last_status_with_reason)
        return WatchUpdate(watch, error=error, is_over=True)

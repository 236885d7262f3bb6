"""
Following many tasks at once: whom to look at, when, and by which request. One plan for all tasks of a
connection in a process, without I/O and without a clock.

Few tasks are looked at one by one through Task/Detail, as :func:`~airflow_provider_wiro.api.operations.
wait_for_task` does. Many share pages of Task/List (see :mod:`~airflow_provider_wiro.watching.task_list`):
then a task costs a small part of a request a look, and one Detail at its end, which is what is believed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.operations import out_of_time
from airflow_provider_wiro.api.patience import PollPatience
from airflow_provider_wiro.api.polling import SHORTEST_PAUSE_SECONDS
from airflow_provider_wiro.exceptions import WiroError, WiroRateLimitError
from airflow_provider_wiro.watching.due_queue import GATHERING, DueQueue
from airflow_provider_wiro.watching.intervals import PollIntervals
from airflow_provider_wiro.watching.task_list import TaskList
from airflow_provider_wiro.watching.watch import DetailRequest, TaskWatch, WatchUpdate, watched_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.polling import Polling
    from airflow_provider_wiro.watching.task_list import ListScan
    from airflow_provider_wiro.watching.watch import Look

#: Whoever looked before may have done so long ago: a triggerer that was down goes on with old tasks.
LONGEST_FIRST_PAUSE_SECONDS = 2.0
#: Once in this time, one task that the list shows is asked for by itself, to find a list that lags.
AUDIT = timedelta(seconds=30)


class PollScheduler:
    """
    The plan.

    :param random: a number from [0, 1); spreads single looks.
    :param is_pushed: whether a task's end can be expected to be told over the WebSocket.
    """

    def __init__(
        self, random: Callable[[], float], is_pushed: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._random = random
        self._is_pushed = is_pushed
        self._list: TaskList[TaskWatch] = TaskList()
        self._by_id: dict[str, list[TaskWatch]] = {}
        self._count = 0
        self._queue = DueQueue()
        self._pace = PollIntervals(random)
        self._audit_at: datetime | None = None
        self._alone: set[TaskWatch] = set()
        self._failing: set[TaskWatch] = set()

    def __len__(self) -> int:
        return self._count

    def add(
        self,
        wiro_task_id: str,
        polling: Polling,
        *,
        patience_seconds: float,
        is_seen: bool,
        now: datetime,
    ) -> TaskWatch:
        """
        Follow a task from now on.

        :param is_seen: it was looked at a moment ago, so begin with a pause.
        """
        patience = PollPatience(patience_seconds, now)
        watched = TaskWatch(wiro_task_id, polling, patience, now, now, last_seen_at=now, asked_at=now)
        self._by_id.setdefault(wiro_task_id, []).append(watched)
        self._count += 1
        pause = GATHERING.total_seconds()
        if is_seen:
            pause = min(LONGEST_FIRST_PAUSE_SECONDS, self._pause(watched, now))
        self._plan(watched, now, polling.settled(pause, now) if is_seen else pause)
        return watched

    def remove(self, watched: TaskWatch) -> None:
        """Follow a task no more. Removing it twice does nothing."""
        if not watched.is_followed:
            return
        watched.is_followed = False
        self._count -= 1
        self._alone.discard(watched)
        self._failing.discard(watched)
        waiting = self._by_id[watched.wiro_task_id]
        waiting.remove(watched)
        if not waiting:
            del self._by_id[watched.wiro_task_id]

    def waiting_for(self, wiro_task_id: str) -> Sequence[TaskWatch]:
        """Return all waits for a task."""
        return self._by_id.get(wiro_task_id, ())

    def next_due_at(self) -> datetime | None:
        """Return when :meth:`looks` has something to do, None if never."""
        watched = self._queue.first()
        return None if watched is None else watched.due_at

    def looks(self, now: datetime) -> list[Look]:
        """Return what to ask for now. Each look must be answered by one of the methods below."""
        taken = self._queue.take_due(now)
        try:
            return self._looks_at(taken, now)
        finally:
            # Whoever is not needed now, and everyone after a bug.
            for watched in taken:
                if not watched.is_away:
                    self._queue.put(watched)

    def _looks_at(self, taken: list[TaskWatch], now: datetime) -> list[Look]:
        looks: list[Look] = []
        together: list[TaskWatch] = []
        for watched in taken:
            goes_alone = watched.wants_detail or watched.polling.is_over(now)
            if goes_alone or not (self._list.is_open(now) and watched.place.is_listed(now)):
                looks.append(DetailRequest(watched))
            else:
                together.append(watched)
        if together:
            looks += self._audit(together, now)
            # Only now: where all are looked at one by one, going through a crowd for each would take long.
            early = self._queue.take_early(now)
            taken += early
            together += [
                watched for watched in early if watched.place.is_listed(now) and not watched.wants_detail
            ]
        for walk in self._list.walks(together):
            looks += self._begin(walk, now)
        for look in looks:
            for watched in watched_by(look):
                watched.is_away = True
        return looks

    def _audit(self, together: list[TaskWatch], now: datetime) -> Iterable[Look]:
        """Have one of the tasks asked for by itself now and then."""
        if self._audit_at is None or now >= self._audit_at:
            if self._audit_at is not None:
                unasked = min(together, key=lambda watched: watched.asked_at)
                together.remove(unasked)
                yield DetailRequest(unasked)
            self._audit_at = now + AUDIT

    def _begin(self, walk: ListScan[TaskWatch], now: datetime) -> Iterable[Look]:
        start, alone = self._list.next_start(walk, now)
        yield from (DetailRequest(watched) for watched in alone if watched.due_at <= now)
        if start is not None:
            yield walk

    @property
    def page_size(self) -> int:
        """How many tasks to ask for at once."""
        return self._list.limit

    def next_start(self, walk: ListScan[TaskWatch], now: datetime) -> int | None:
        """Return where a walk's next page begins, None if it is over; asked just before the page is."""
        # A walk can be long: who has left or run out of time meanwhile doesn't go on.
        gone = [one for one in walk.wanted if not one.is_followed or one.polling.is_over(now)]
        walk.wanted = [one for one in walk.wanted if one.is_followed and not one.polling.is_over(now)]
        start, alone = self._list.next_start(walk, now)
        for watched in (*gone, *alone):
            watched.is_away = False
            if watched.is_followed:
                watched.goes_alone = True
                self._plan_anew(watched, now, 0.0)
        return start

    def saw_task(self, detail: DetailRequest, task: Task, now: datetime) -> list[WatchUpdate]:
        """Learn what Detail shows of a task."""
        watched = detail.watched
        watched.is_away, watched.goes_alone, watched.asked_at = False, watched.is_called, now
        if not watched.is_followed:
            return []
        if task.is_terminal:
            self._list.ended(watched.wiro_task_id, now)
            self.remove(watched)
            return [WatchUpdate(watched, task, watched.seen_until, is_over=True)]
        if watched.needs_detail:
            # What said that it had ended is not to be relied on for this one.
            watched.needs_detail, watched.was_misled = False, True
        news = self._seen(watched, task, now)
        if watched.polling.is_over(now):
            return [*news, self._times_out(watched)]
        self._plan(watched, now, self._pause(watched, now))
        return news

    def saw_page(
        self, walk: ListScan[TaskWatch], start: int, tasks: Sequence[Task], asked_at: datetime, now: datetime
    ) -> list[WatchUpdate]:
        """Learn what a page of the list shows; the walk may go on."""
        if self._list.is_behind(tasks, asked_at):
            self._end(walk, now)
            return []
        known = [
            (watched, offset)
            for offset, task in enumerate(tasks)
            if task.status  # an item without one tells nothing
            for watched in self._by_id.get(task.id, ())
        ]
        expected = {id(watched) for watched in walk.wanted}
        found = self._list.read(walk, start, tasks, known, asked_at)
        news: list[WatchUpdate] = []
        for watched, task in found.shown:
            if (watched.is_away or watched.wants_detail) and id(watched) not in expected:
                continue  # another request about it is on its way or due, and knows better
            watched.is_away = False
            if task.is_terminal:
                watched.needs_detail = True
                self._plan(watched, now, 0.0)
            elif task.has_error_status and watched.last_status != task.status:
                watched.goes_alone = True  # the list may leave out the reason, which belongs in the log
                self._plan(watched, now, 0.0)
            else:
                news += self._seen(watched, task, now)
                self._plan(watched, now, self._pause(watched, now, company=len(known)))
        for watched in (*found.elsewhere, *found.later):
            watched.is_away = False
        for watched in found.elsewhere:
            if watched.is_followed:
                self._plan_anew(watched, now, 0.0)
        for watched in found.later:
            if watched.is_followed:
                # It was not seen: a whole pause more would let its end be seen two pauses late.
                self._plan(watched, now, min(LONGEST_FIRST_PAUSE_SECONDS, self._pause(watched, now)))
        return news

    def hasten(self, wiro_task_ids: Iterable[str], now: datetime) -> None:
        """Look at tasks now."""
        for wiro_task_id in wiro_task_ids:
            for watched in self._by_id.get(wiro_task_id, ()):
                self._call(watched, now)

    def ask_alone(self, watched: TaskWatch, now: datetime) -> None:
        """Ask Detail for a task of which a page didn't tell enough."""
        watched.goes_alone = True
        self._call(watched, now)

    def _call(self, watched: TaskWatch, now: datetime) -> None:
        if watched.is_away:
            watched.is_called = True
        else:
            self._plan(watched, now, 0.0)

    def _end(self, walk: ListScan[TaskWatch], now: datetime, pause: float = 0.0) -> None:
        """Give up a walk; who was looked for is looked for again after a pause."""
        for watched in walk.wanted:
            watched.is_away = False
            if watched.is_followed:
                self._plan_anew(watched, now, watched.polling.settled(pause, now))
        walk.wanted = []

    def failed(self, look: Look, error: WiroError, now: datetime) -> list[WatchUpdate]:
        """Learn that a look brought nothing."""
        if isinstance(error, WiroRateLimitError):
            self._pace.slow_down(now)
        if isinstance(look, DetailRequest):
            look.watched.is_away = False
            return self._failed_alone(look.watched, error, now) if look.watched.is_followed else []
        if isinstance(error, WiroRateLimitError):
            self._end(look, now, SHORTEST_PAUSE_SECONDS)
        else:
            self._end(look, now, self._list.failed(error, now, self._random()))
        return []

    def _failed_alone(self, watched: TaskWatch, error: WiroError, now: datetime) -> list[WatchUpdate]:
        polling, patience = watched.polling, watched.patience
        is_rate_limited = isinstance(error, WiroRateLimitError)
        end = None if is_rate_limited else patience.failed(watched.wiro_task_id, error, polling, now)
        # Past the deadline it is a timeout whatever passing looks say: that error gets the task stopped.
        if polling.is_over(now) and end is not error:
            return [self._times_out(watched)]
        if end is not None:
            self.remove(watched)
            return [WatchUpdate(watched, error=end, is_over=True)]
        if is_rate_limited:
            patience.held_back(now)
            self._plan(watched, now, SHORTEST_PAUSE_SECONDS)  # the rate limit's own comes before it
            return []
        watched.failures += 1
        self._failing.add(watched)
        usual = self._pause(watched, now)
        failing = len(self._failing)
        pause = self._pace.pause_after_failure(usual, watched.failures, failing=failing)
        self._plan(watched, now, patience.cut(pause, polling, now))
        return []

    def wait(self, now: datetime, seconds: float) -> list[DetailRequest]:
        """
        Put off the looks that are due, while Wiro's rate limit lets nothing through.

        :return: those that aren't put off: the last looks of waits whose deadline has passed.
        """
        last_looks = []
        for watched in self._queue.take_due(now):
            if watched.polling.is_over(now):
                watched.is_away = True
                last_looks.append(DetailRequest(watched))
            else:
                self._plan(watched, now, min(seconds, watched.polling.seconds_left(now)))
        return last_looks

    def heard(self, wiro_task_id: str, now: datetime, *, is_end: bool = True) -> None:
        """
        Be told over the WebSocket that a task has ended.

        :param is_end: False: it may have. That is looked at once; from then on the usual pauses are kept,
            since a model can write to stderr many times a second.
        """
        for watched in self._by_id.get(wiro_task_id, ()):
            if is_end or not watched.was_told:
                watched.was_told = watched.goes_alone = True
                self._call(watched, now)

    def _seen(self, watched: TaskWatch, task: Task, now: datetime) -> list[WatchUpdate]:
        since, watched.last_seen_at = watched.seen_until, now
        watched.failures = 0
        watched.patience.succeeded(now)
        self._failing.discard(watched)
        is_same = task.status == watched.last_status
        has_new_reason = task.status_with_reason not in {task.status, watched.last_status_with_reason}
        if not is_same or has_new_reason:  # the list may leave a reason out that is known
            watched.last_status_with_reason = task.status_with_reason
        if is_same:
            # Not since the last look: a reason is none of the messages that are expected over the WebSocket.
            return [WatchUpdate(watched, task)] if has_new_reason else []
        watched.last_status = task.status
        return [WatchUpdate(watched, task, since)]

    def _times_out(self, watched: TaskWatch) -> WatchUpdate:
        self.remove(watched)
        error = out_of_time(watched.wiro_task_id, watched.last_status_with_reason)
        return WatchUpdate(watched, error=error, is_over=True)

    def _plan(self, watched: TaskWatch, now: datetime, pause: float) -> None:
        if watched.is_called:
            watched.is_called, pause = False, 0.0
        watched.planned_at = now
        watched.due_at = now + timedelta(seconds=pause)
        self._queue.put(watched)

    def _plan_anew(self, watched: TaskWatch, now: datetime, pause: float) -> None:
        """Plan a look after one that brought nothing; who was only taken along isn't due before it was."""
        self._plan(watched, now, max(pause, (watched.due_at - now).total_seconds()))

    def _pause(self, watched: TaskWatch, now: datetime, *, company: int = 0) -> float:
        """
        Return the pause before the next look, in seconds.

        :param company: how many the last page showed; 0 for one that was asked for by itself.
        """
        is_pushed = not watched.was_told and self._is_pushed(watched.wiro_task_id)
        if company or is_pushed:
            self._alone.discard(watched)
        else:
            self._alone.add(watched)
        if is_pushed:
            return self._pace.longest_pause(watched.polling, now)
        return self._pace.pause(
            watched.polling, now, in_flight=self._count, company=company, alone=len(self._alone)
        )

"""One wait for a Wiro task, and the queue of all waits, ordered by when each is due for a poll."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.models import UNKNOWN_STATUS

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.polling import Polling, PollPatience
    from airflow_provider_wiro.exceptions import WiroError

#: A watch may be polled this share of its pause early, together with others that are due.
EARLY_SHARE = 0.3
#: Or this much early: waits that begin one after the other are polled together.
GATHERING = timedelta(seconds=0.05)
FIRST_ABSENCE = timedelta(seconds=5)
LONGEST_ABSENCE = timedelta(minutes=10)
#: A list that can be relied on shows a change within this time.
MAX_LIST_LAG = timedelta(seconds=5)


@dataclass
class ListPosition:
    """
    Where a task is in Wiro's task list.

    :ivar rank: its position when a page last showed it, from 0; None before.
    :ivar absences: how many times in a row the list didn't show it.
    :ivar absent_until: until then the task is not looked up in the list.
    :ivar awaited_from: when the newest task of the list was first found to be older than this one.
    :ivar awaited_until: when that was last found.
    """

    rank: int | None = None
    absences: int = 0
    absent_until: datetime | None = None
    awaited_from: datetime | None = None
    awaited_until: datetime | None = None

    def is_listed(self, now: datetime) -> bool:
        """Whether the list may show the task."""
        return self.absent_until is None or now >= self.absent_until

    def note_absence(self, now: datetime) -> None:
        """Don't look the task up in the list for a while, longer with each absence."""
        self.rank = None
        self.absent_until = now + min(LONGEST_ABSENCE, FIRST_ABSENCE * 2 ** min(self.absences, 10))
        self.absences += 1

    def note_wait(self, now: datetime) -> None:
        """Note that all tasks of the list are older than this one."""
        self.awaited_from, self.awaited_until = self.awaited_from or now, now

    @property
    def was_late(self) -> bool:
        """Whether the list took long to show the task: it will be late with its end, too."""
        if self.awaited_from is None or self.awaited_until is None:
            return False
        return self.awaited_until - self.awaited_from >= MAX_LIST_LAG


@dataclass(eq=False)
class TaskWatch:
    """
    One wait for a task. Two waits for one task are two of these.

    :ivar patience: for how long failing polls are tolerated.
    :ivar due_at: when to poll next.
    :ivar planned_at: when that was decided.
    :ivar queued_for: when its queue entry comes up, at the latest at ``due_at``; None without an entry.
    :ivar last_seen_at: when a poll last showed it.
    :ivar detail_at: when Detail last showed it; before that, when the wait began.
    :ivar failures: how many Details in a row failed since it was last seen.
    :ivar in_flight: a request about it is in flight.
    :ivar poll_again: a message came meanwhile, so that the response may be older than the message.
    :ivar can_wait: the pause before the next poll is a usual one, of a task that push didn't work for: if it
        works by then, the pause is extended.
    :ivar is_active: False once the wait is over.
    :ivar needs_detail: something says that the task has ended; only Detail is believed.
    :ivar detail_next: the next poll is by Detail: a page of the list is not worth it.
    :ivar end_reported: its end was reported over the WebSocket, so no further message is expected.
    :ivar list_was_wrong: the list showed an end that Detail didn't; from then on only Detail is asked.
    :ivar position: where it is in the task list.
    """

    wiro_task_id: str
    polling: Polling
    patience: PollPatience
    due_at: datetime
    planned_at: datetime
    last_seen_at: datetime
    detail_at: datetime
    last_status: str = UNKNOWN_STATUS
    last_status_with_reason: str = UNKNOWN_STATUS
    queued_for: datetime | None = None
    failures: int = 0
    in_flight: bool = False
    poll_again: bool = False
    can_wait: bool = False
    is_active: bool = True
    needs_detail: bool = False
    detail_next: bool = False
    end_reported: bool = False
    list_was_wrong: bool = False
    position: ListPosition = field(default_factory=ListPosition)

    @property
    def wants_detail(self) -> bool:
        """Whether the next poll must be a Detail."""
        return self.needs_detail or self.detail_next or self.list_was_wrong

    def on_seen(self, task: Task, now: datetime) -> list[WatchUpdate]:
        """Note what a poll shows of the task, which hasn't ended; return an update if it is news."""
        since, self.last_seen_at = self.seen_until, now
        self.failures = 0
        self.patience.succeeded(now)
        is_same = task.status == self.last_status
        has_new_reason = task.status_with_reason not in {task.status, self.last_status_with_reason}
        if not is_same or has_new_reason:  # the list may leave out a reason that is known
            self.last_status_with_reason = task.status_with_reason
        if is_same:
            # Without `since`: no message is expected over the WebSocket for a reason.
            return [WatchUpdate(self, task)] if has_new_reason else []
        self.last_status = task.status
        return [WatchUpdate(self, task, since)]

    @property
    def seen_until(self) -> datetime | None:
        """When a poll last showed it; None if none did."""
        return None if self.last_status == UNKNOWN_STATUS else self.last_seen_at


@dataclass(frozen=True)
class WatchUpdate:
    """
    What a wait is notified of: the task's status has changed, or the wait is over.

    :ivar task: as a poll shows it now.
    :ivar since: when a poll last showed another status; None if none did.
    :ivar error: why the wait is over although the task hasn't ended.
    :ivar is_over: no further update follows.
    """

    watch: TaskWatch
    task: Task | None = None
    since: datetime | None = None
    error: WiroError | None = None
    is_over: bool = False


class DueQueue:
    """
    Priority queue of watches by due time, with lazy rescheduling.

    ``due_at`` may change while a watch is queued, and mostly does before it comes up: a message or a page
    that showed the task came first. Watches in flight or over are skipped when they come up.
    """

    def __init__(self) -> None:
        self._serial = count()
        self._heap: list[tuple[datetime, int, TaskWatch]] = []

    def put(self, watch: TaskWatch) -> None:
        """Queue a watch for its due time; an entry that comes up sooner is kept instead."""
        if watch.queued_for is None or watch.due_at < watch.queued_for:
            watch.queued_for = watch.due_at
            heappush(self._heap, (watch.due_at, next(self._serial), watch))

    def first(self) -> TaskWatch | None:
        """Return the watch that is due next, and requeue those before it that were put off."""
        while self._heap:
            queued_for, _, watch = self._heap[0]
            is_current = watch.is_active and not watch.in_flight and watch.queued_for == queued_for
            if is_current and watch.due_at == queued_for:
                return watch
            self._pop()
            if is_current:
                self.put(watch)
        return None

    def pop_due(self, now: datetime) -> list[TaskWatch]:
        """Take out the watches that are due."""
        due: list[TaskWatch] = []
        while (watch := self.first()) is not None and watch.due_at <= now:
            self._pop()
            due.append(watch)
        return due

    def pop_early(self, now: datetime) -> list[TaskWatch]:
        """Take out the watches that are due soon enough to share a page with those that are due."""
        early: list[TaskWatch] = []
        while (watch := self.first()) is not None:
            slack = max(GATHERING, (watch.due_at - watch.planned_at) * EARLY_SHARE)
            if watch.due_at - now > slack:
                break
            self._pop()
            early.append(watch)
        return early

    def _pop(self) -> None:
        queued_for, _, watch = heappop(self._heap)
        if watch.queued_for == queued_for:
            watch.queued_for = None

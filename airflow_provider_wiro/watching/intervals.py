"""Poll intervals: how long each of many tasks pauses between polls, so that all together stay moderate."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.polling import SHARE_OF_AGE, SHORTEST_PAUSE_SECONDS
from airflow_provider_wiro.api.retry import backoff_seconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_provider_wiro.api.polling import Polling

#: With this many watched tasks on a page a poll costs next to nothing, and is made more often.
SHARED_PAGE_TASKS = 10
SHARE_OF_AGE_ON_SHARED_PAGE = 0.13
#: No pause is longer, so that with the request no end is seen more than 30 s late.
LONGEST_PAUSE_SECONDS = 27.0
#: At most eight pages of a hundred tasks a second or, up to 1,000 tasks in flight, four: young tasks would be
#: polled every second, also those whose end the WebSocket will soon report.
TASKS_PER_SECOND = 800.0
FEW_TASKS_PER_SECOND = 400.0
FEW_TASKS = 1000
#: At most this many Details a second for all tasks together, where the list is missing or doesn't show them.
#: Each takes a triggerer about a millisecond: 5 % of a core. An end among 1,000 is seen 9 s late on average.
#: Beyond 1,350 tasks the longest pause counts.
DETAILS_PER_SECOND = 50.0
#: A Detail that failed is repeated after no longer than this, however often it failed: six failures in a row
#: must not make an end half a minute late. The limit above holds for these, too.
LONGEST_PAUSE_AFTER_A_FAILURE_SECONDS = 4.0
#: After a 429 all pauses are this much longer, up to three times; without one they shrink again.
STRETCH = 1.5
MAX_STRETCH = 3.0
RELAX = timedelta(minutes=1)
AT_ONCE = timedelta(seconds=5)


class PollIntervals:
    """
    The pauses of all tasks of a connection.

    :param random: a number from [0, 1); spreads polls of single tasks.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._stretch = 1.0
        self._relax_at: datetime | None = None

    def longest_pause(self, polling: Polling, now: datetime) -> float:
        """Return the pause, in seconds, of a task whose end the WebSocket reports."""
        return polling.planned_pause(LONGEST_PAUSE_SECONDS, now)

    def pause(
        self, polling: Polling, now: datetime, *, in_flight: int, tasks_on_page: int, polled_singly: int
    ) -> float:
        """
        Return the pause before a task's next poll, in seconds.

        :param in_flight: how many tasks are watched.
        :param tasks_on_page: how many of them the last page showed.
        :param polled_singly: how many of them are polled by Detail.
        """
        age = polling.age_seconds(now)
        if tasks_on_page >= SHARED_PAGE_TASKS:
            # Not spread by chance: tasks that were seen together are to be due together.
            sweep = min(in_flight, FEW_TASKS) / FEW_TASKS_PER_SECOND
            pause = max(SHARE_OF_AGE_ON_SHARED_PAGE * age, sweep, in_flight / TASKS_PER_SECOND)
            spread = 1.0
        else:
            pause = max(SHARE_OF_AGE * age, polled_singly / DETAILS_PER_SECOND)
            spread = 0.8 + 0.2 * self._random()
        pause = min(LONGEST_PAUSE_SECONDS, max(SHORTEST_PAUSE_SECONDS, pause) * self._stretched(now))
        return polling.planned_pause(max(SHORTEST_PAUSE_SECONDS, pause * spread), now)

    def pause_after_failure(self, usual: float, failures: int, *, failing: int) -> float:
        """
        Return the pause after a Detail that failed: 1 s, doubling to 4 s, but never longer than usual.

        So an end isn't seen a whole pause later for one failure.

        :param failures: how many of the task's Details have failed in a row.
        :param failing: how many tasks' last Details have failed: a server that is down must not get more
            requests the more tasks there are.
        """
        backoff = min(LONGEST_PAUSE_AFTER_A_FAILURE_SECONDS, backoff_seconds(failures, self._random()))
        return min(usual, max(backoff, failing / DETAILS_PER_SECOND))

    def slow_down(self, now: datetime) -> None:
        """Stretch the pauses; once for all requests that one rate limit has refused."""
        if self._relax_at is None or now > self._relax_at - RELAX + AT_ONCE:
            self._stretch = min(MAX_STRETCH, self._stretch * STRETCH)
            self._relax_at = now + RELAX

    def _stretched(self, now: datetime) -> float:
        while self._relax_at is not None and now >= self._relax_at:
            self._stretch = max(1.0, self._stretch / STRETCH)
            self._relax_at = self._relax_at + RELAX if self._stretch > 1.0 else None
        return self._stretch

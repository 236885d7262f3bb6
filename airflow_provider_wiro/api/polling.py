"""How often to poll a task, how long its failing polls are tolerated, and when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

from airflow_provider_wiro.exceptions import WiroConnectionError, WiroError, WiroNotFoundError, WiroUsageError

if TYPE_CHECKING:
    from datetime import datetime, timedelta

#: How a task's end is detected: by polling alone, over the WebSocket too, or as the watcher decides.
Watch = Literal["auto", "poll", "websocket"]
WATCHES: tuple[str, ...] = get_args(Watch)

SHORTEST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
#: The longest fixed interval: infinity and the like would raise an OverflowError in sleep.
LONGEST_INTERVAL_SECONDS = 24 * 3600.0
FIRST_SLOT_PAUSE_SECONDS = 5.0
LONGEST_SLOT_PAUSE_SECONDS = 60.0
#: A pause as a share of the task's age, so that its end is seen on average 9 % of its run time late.
SHARE_OF_AGE = 0.18
#: For an unknown id Detail says "There is no task yet."; for a task just started it may mean "not yet".
NOT_YET_SECONDS = 30.0
#: One gap between two polls counts for at most this share of the patience. A process that was suspended for
#: an hour (a frozen VM, a closed lid) made no poll meanwhile, so the hour says nothing about Wiro.
_LARGEST_SHARE_OF_A_GAP = 0.5


@dataclass(frozen=True)
class Polling:
    """
    The plan for following one task.

    :ivar started_at: when Wiro accepted the task, or, where that isn't known, when the task was submitted or
        first polled. Its age counts from here.
    :ivar deadline: when to give up, None for never.
    :ivar interval_seconds: a fixed pause between polls; None is adaptive: quick at first, slower with age.
    """

    started_at: datetime
    deadline: datetime | None = None
    interval_seconds: float | None = None

    def shifted(self, by: timedelta) -> Polling:
        """Return the same plan for a clock that is ahead by this much."""
        deadline = None if self.deadline is None else self.deadline + by
        return replace(self, started_at=self.started_at + by, deadline=deadline)

    def age_seconds(self, now: datetime) -> float:
        """Seconds since the start; 0 if the clock has jumped back before it."""
        return max(0.0, (now - self.started_at).total_seconds())

    def pause_seconds(self, now: datetime, random: float) -> float:
        """
        Return the pause before the next poll, which ends at the deadline at the latest.

        :param random: from [0, 1); spreads tasks that started together.
        """
        share = SHARE_OF_AGE * self.age_seconds(now)
        adaptive = min(LONGEST_PAUSE_SECONDS, max(SHORTEST_PAUSE_SECONDS, share)) * (0.8 + 0.2 * random)
        return self.planned_pause(adaptive, now)

    def planned_pause(self, adaptive_seconds: float, now: datetime) -> float:
        """Return the task's fixed pause, or else the adaptive one; it ends at the deadline at the latest."""
        pause = adaptive_seconds if self.interval_seconds is None else self.interval_seconds
        return min(pause, self.seconds_left(now))

    def seconds_left(self, now: datetime) -> float:
        """Return the seconds until the deadline, infinity without one."""
        return math.inf if self.deadline is None else max(0.0, (self.deadline - now).total_seconds())

    def not_yet_seconds_left(self, now: datetime, first_poll_at: datetime) -> float:
        """
        Return for how many more seconds an unknown id may belong to a task that is too new to be known.

        :param first_poll_at: when this wait started to poll. A retry more than half a minute after the task's
            start then doesn't trust its first poll alone.
        """
        passed = (now - max(self.started_at, first_poll_at)).total_seconds()
        return max(0.0, NOT_YET_SECONDS - max(0.0, passed))

    def is_over(self, now: datetime) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and now >= self.deadline


def lost_sight(wiro_task_id: str, error: WiroError) -> WiroConnectionError:
    """Return the error of a wait whose polls have failed for too long."""
    return WiroConnectionError(f"Lost sight of Wiro task {wiro_task_id}, which may still run: {error}")


@dataclass
class PollPatience:
    """
    Adds up the time over which the polls of a task have failed since the last one that worked.

    :ivar patience_seconds: when the sum reaches this, the wait ends. 0: at the first failure.
    :ivar last_poll_at: when the last poll ended, or the wait started.
    :ivar failure: what failed at the last poll, empty if it worked.
    """

    patience_seconds: float
    last_poll_at: datetime
    failure: str = ""
    _failing_seconds: float = 0.0
    _was_seen: bool = False
    _is_not_yet: bool = False
    _started_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._started_at = self.last_poll_at

    def succeeded(self, now: datetime) -> None:
        """Reset the sum: a poll worked."""
        self._failing_seconds = 0.0
        self.failure = ""
        self.last_poll_at = now
        self._was_seen, self._is_not_yet = True, False

    def failed(
        self, wiro_task_id: str, error: WiroError, polling: Polling, now: datetime
    ) -> WiroError | None:
        """
        Count a poll that failed, and return the error that ends the wait; None: poll again.

        "There is no task yet." costs no patience while the task may be too new, and means an unknown id
        afterwards. For a task that this wait has seen before, it is a failure like an outage.

        Past the deadline, exhausted patience is no error here: the caller raises a timeout instead, which
        gets the task stopped.
        """
        self.failure = str(error)
        is_unknown = isinstance(error, WiroNotFoundError)
        may_come = not self._was_seen and polling.not_yet_seconds_left(now, self._started_at) > 0
        self._is_not_yet = is_unknown and may_come
        if self._is_not_yet:
            self.last_poll_at = now
            return None
        if not error.may_retry and not (is_unknown and self._was_seen):
            return error
        gap = (now - self.last_poll_at).total_seconds()
        self._failing_seconds += min(max(0.0, gap), self.patience_seconds * _LARGEST_SHARE_OF_A_GAP)
        self.last_poll_at = now
        if self._failing_seconds < self.patience_seconds:
            return None
        if is_unknown:
            return error
        return None if polling.is_over(now) else lost_sight(wiro_task_id, error)

    def held_back(self, now: datetime) -> None:
        """Note a poll that a rate limit refused: Wiro responds, so the time doesn't count."""
        self.last_poll_at = now

    def shortened(self, pause_seconds: float, polling: Polling, now: datetime) -> float:
        """
        Return the pause before the next poll: it ends at the latest when an unknown id becomes certain.
        """
        if not self._is_not_yet:
            return pause_seconds
        return min(pause_seconds, polling.not_yet_seconds_left(now, self._started_at))


def slot_pause_seconds(attempt: int, random: float) -> float:
    """
    Return the pause before the next try for a slot of the account's concurrency limit: 5 s doubling to 60 s.

    :param attempt: how many times Wiro has refused, from 1.
    :param random: from [0, 1); a pause is between half and all of it, so that waiting tasks spread.
    """
    ceiling = min(LONGEST_SLOT_PAUSE_SECONDS, FIRST_SLOT_PAUSE_SECONDS * 2.0 ** min(attempt - 1, 10))
    return ceiling * (0.5 + random / 2)


def check_poll_interval(poll_interval: float | None) -> float | None:
    """
    Return the interval as a float, None for adaptive.

    :raises WiroUsageError: it is not a positive number of seconds up to a day.
    """
    if poll_interval is None:
        return None
    is_number = isinstance(poll_interval, int | float) and not isinstance(poll_interval, bool)
    if not is_number or not 0 < poll_interval <= LONGEST_INTERVAL_SECONDS:
        raise WiroUsageError(
            "Expected poll_interval as a positive number of seconds up to a day, or None for adaptive, "
            f"found {poll_interval!r}."
        )
    return float(poll_interval)


def check_defer_after(defer_after: float) -> float:
    """
    Return the seconds as a float.

    :raises WiroUsageError: it is not a number of seconds, 0 or more.
    """
    is_number = isinstance(defer_after, int | float) and not isinstance(defer_after, bool)
    if not is_number or not 0 <= defer_after < float("inf"):
        raise WiroUsageError(
            f"Expected defer_after as a number of seconds, 0 or more, found {defer_after!r}."
        )
    return float(defer_after)


def check_watch(watch: Watch) -> Watch:
    """
    Return the argument unchanged.

    :raises WiroUsageError: it is none of ``WATCHES``.
    """
    if watch not in WATCHES:
        raise WiroUsageError(f"Expected watch as one of {', '.join(map(repr, WATCHES))}, found {watch!r}.")
    return watch

"""How often to look at a task, and when to stop looking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from datetime import datetime

SHORTEST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
#: A pause is this part of the task's age, so that on average its end is seen 9 % of its run time late.
SHARE_OF_AGE = 0.18
#: "There is no task yet." is what Detail says of an unknown id; of one just started it may mean "not yet".
NOT_YET_SECONDS = 30.0


@dataclass(frozen=True)
class Polling:
    """
    The plan for following one task.

    :ivar started_at: when the task was submitted, or first looked at. Its age counts from here.
    :ivar deadline: when to give up, None for never.
    :ivar interval_seconds: a fixed pause between polls; None is adaptive: quick at first, slower with age.
    """

    started_at: datetime
    deadline: datetime | None = None
    interval_seconds: float | None = None

    def age_seconds(self, now: datetime) -> float:
        """Seconds since the start; 0 if the clock has jumped back before it."""
        return max(0.0, (now - self.started_at).total_seconds())

    def pause_seconds(self, now: datetime, random: float) -> float:
        """
        Return the pause before the next poll, cut at the deadline.

        :param random: from [0, 1); spreads tasks that started together.
        """
        if self.interval_seconds is not None:
            pause = self.interval_seconds
        else:
            share = SHARE_OF_AGE * self.age_seconds(now)
            pause = min(LONGEST_PAUSE_SECONDS, max(SHORTEST_PAUSE_SECONDS, share)) * (0.8 + 0.2 * random)
        if self.deadline is not None:
            pause = min(pause, max(0.0, (self.deadline - now).total_seconds()))
        return pause

    def is_over(self, now: datetime) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and now >= self.deadline


def check_poll_interval(poll_interval: float | None) -> float | None:
    """
    Return the interval as given.

    :raises WiroUsageError: it is not a positive number of seconds.
    """
    if poll_interval is None:
        return None
    if isinstance(poll_interval, bool) or not isinstance(poll_interval, int | float) or not poll_interval > 0:
        raise WiroUsageError(
            "Expected poll_interval as a positive number of seconds, or None for adaptive, found "
            f"{poll_interval!r}."
        )
    return float(poll_interval)

"""How long failing polls of a task are tolerated, and the error that then ends the wait."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroConnectionError, WiroError, WiroNotFoundError

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_wiro.api.polling import Polling

#: One gap between two polls counts for at most this share of the patience. A process that was suspended for
#: an hour (a frozen VM, a closed lid) made no poll meanwhile, so the hour says nothing about Wiro.
_LARGEST_SHARE_OF_A_GAP = 0.5


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

    def cut(self, pause_seconds: float, polling: Polling, now: datetime) -> float:
        """
        Return the pause before the next poll: it ends at the latest when an unknown id becomes certain.
        """
        if not self._is_not_yet:
            return pause_seconds
        return min(pause_seconds, polling.not_yet_seconds_left(now, self._started_at))

"""For how long failing polls of one task are ridden out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

#: One gap between two polls counts for no more than this share of the patience. A process that was suspended
#: for an hour (a frozen VM, a closed lid) made no poll meanwhile, so that the hour says nothing about Wiro.
_LARGEST_SHARE_OF_A_GAP = 0.5


@dataclass
class PollPatience:
    """
    Adds up the time over which the polls of a task have failed since the last one that worked.

    :ivar patience_seconds: when it reaches this, the task is lost sight of. 0: at the first failure.
    :ivar last_poll_at: when the last poll was answered, or the wait began.
    """

    patience_seconds: float
    last_poll_at: datetime
    _failing_seconds: float = 0.0

    def succeeded(self, now: datetime) -> None:
        """Begin again: a poll worked."""
        self._failing_seconds = 0.0
        self.last_poll_at = now

    def failed(self, now: datetime) -> bool:
        """Note a poll that failed, and return whether patience is over."""
        gap = (now - self.last_poll_at).total_seconds()
        self._failing_seconds += min(max(0.0, gap), self.patience_seconds * _LARGEST_SHARE_OF_A_GAP)
        self.last_poll_at = now
        return self._failing_seconds >= self.patience_seconds

    def held_back(self, now: datetime) -> None:
        """Note a poll that a rate limit turned away: Wiro answers, so the time doesn't count."""
        self.last_poll_at = now

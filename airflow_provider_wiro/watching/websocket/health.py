"""
Judging Wiro's WebSocket: when to reconnect, and for which tasks messages arrive.

Moments (``now``, ``since``) are seconds on a clock that never jumps, such as the event loop's.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
#: After this many failures in a row (about two minutes) no connection is tried for a while.
MOST_FAILURES = 8
SUSPENSION_SECONDS = 600.0
#: A connection that delivered something and lasted this long was a good one: the next pause is short again.
#: One that broke at once was not, or a server that drops each would be connected to each second.
GOOD_AFTER_SECONDS = 10.0
#: The same for one that delivered nothing, which may only mean that nothing happened.
GOOD_WHEN_IDLE_AFTER_SECONDS = 60.0
#: How far a message may be behind what a poll shows, and a poll's response behind what it shows.
GRACE_SECONDS = 2.0
#: This many changes that polls saw, without a message of any kind, show that a connection delivers nothing.
MOST_IDLE_MISSES = 3


class ReconnectBackoff:
    """
    When to connect again.

    :ivar failures: in a row.
    """

    def __init__(self) -> None:
        self.failures = 0
        self._not_before = float("-inf")

    def wait_seconds(self, now: float) -> float:
        """Return how long to wait before the next connection, 0 if not at all."""
        return max(0.0, self._not_before - now)

    def is_suspended(self, now: float) -> bool:
        """Whether connecting has been given up for a while."""
        return self.failures >= MOST_FAILURES and now < self._not_before

    def on_failure(self, now: float, random: float) -> None:
        """
        Count a connection that could not be made or was given up, and set the pause.

        :param random: from [0, 1); spreads the processes that lost the same server.
        """
        self.failures += 1
        if self.failures >= MOST_FAILURES:
            pause = SUSPENSION_SECONDS
        else:
            pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (self.failures - 1))
        self._not_before = now + pause * (0.5 + random / 2)

    def on_break(self, now: float, random: float, *, lasted_seconds: float, has_delivered: bool) -> None:
        """Count a connection that broke; failures before a good one are forgotten."""
        good_after = GOOD_AFTER_SECONDS if has_delivered else GOOD_WHEN_IDLE_AFTER_SECONDS
        if lasted_seconds >= good_after:
            self.failures = 0
        self.on_failure(now, random)

    def suspend(self, now: float, random: float) -> None:
        """Give up at once: the server accepts connections and delivers nothing."""
        self.failures = max(self.failures, MOST_FAILURES - 1)
        self.on_failure(now, random)


@dataclass(eq=False)
class PushedTask:
    """
    A task that is registered for messages, or will be.

    :ivar registered_at: when it was, on the present connection; None before.
    :ivar message_at: when the last message about it arrived.
    :ivar is_reliable: a message about it has arrived, and since then polls have shown no unreported change.
    """

    token: str
    registered_at: float | None = None
    message_at: float = float("-inf")
    is_reliable: bool = False

    def on_message(self, now: float) -> None:
        """Note that a message about it arrived."""
        self.message_at, self.is_reliable = now, True

    def has_missed(self, since: float) -> bool:
        """
        Judge, the grace after a poll showed a change, whether no message reported it.

        :param since: when a poll last showed the task as it was before.
        """
        if self.registered_at is None or self.registered_at >= since:  # it may have changed before
            return False
        if self.message_at >= since - GRACE_SECONDS:
            return False
        self.is_reliable = False
        return True


class ConnectionHealth:
    """
    Whether one connection delivers anything.

    :ivar has_delivered: it has, at least once.
    """

    def __init__(self) -> None:
        self.has_delivered = False
        self._delivered_at = float("-inf")
        self._idle_misses = 0

    def on_frame(self, now: float) -> None:
        """Note that something arrived, about whichever task."""
        self.has_delivered, self._delivered_at, self._idle_misses = True, now, 0

    def is_dead(self, since: float) -> bool:
        """
        Judge a connection after a change of a registered task was missed.

        :param since: when a poll last showed the task as it was before.
        """
        if self._delivered_at >= since - GRACE_SECONDS:
            return False
        self._idle_misses += 1
        return self._idle_misses >= MOST_IDLE_MISSES

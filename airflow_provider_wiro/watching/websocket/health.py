"""
What becomes of a line to Wiro's WebSocket: when to connect again, and whether anything is told over it.

Moments (``now``, ``since``) are seconds on a clock that never jumps, such as the event loop's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
#: After so many failures in a row (about two minutes) push is out of order for a while.
MOST_FAILURES = 8
OUT_OF_ORDER_SECONDS = 600.0
#: A connection that told something and lasted so long was a good one: the next pause is short again. One that
#: told something and broke at once is not, or a server that drops each would be asked each second.
GOOD_AFTER_SECONDS = 10.0
#: The same for one over which nothing was told, which may only mean that nothing happened.
GOOD_WHEN_SILENT_AFTER_SECONDS = 60.0
#: How far a message may be behind what a poll shows, and a poll's answer behind what it shows.
GRACE_SECONDS = 2.0
#: So many misses show that the server tells nothing at all, or only of one task on each connection.
TELLING_MISSES = 3
#: So often in a row must a connection that stood with one task be closed on a second one to show that the
#: server takes no more: a connection may break at any moment.
TELLING_CLOSURES = 2


class ReconnectBackoff:
    """When to connect again, for all lines to one server."""

    def __init__(self) -> None:
        self.failures = 0
        self._not_before = float("-inf")
        self._is_out_of_order = False

    def wait_seconds(self, now: float) -> float:
        """Return how long to wait before the next connection, 0 if not at all."""
        return max(0.0, self._not_before - now)

    def is_out_of_order(self, now: float) -> bool:
        """Whether connecting has been given up for a while."""
        return self._is_out_of_order and now < self._not_before

    def failed(self, now: float, random: float) -> bool:
        """
        Count a connection that failed, or broke, and set the pause.

        :param random: from [0, 1); spreads the processes that lost the same server.
        :return: False for another line of an outage that is counted already.
        """
        if now < self._not_before:
            return False
        self.failures += 1
        self._is_out_of_order = self.failures >= MOST_FAILURES
        if self._is_out_of_order:
            pause = OUT_OF_ORDER_SECONDS
        else:
            pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (self.failures - 1))
        self._not_before = now + pause * (0.5 + random / 2)
        return True

    def broke(self, now: float, random: float, *, lasted_seconds: float, told_something: bool) -> bool:
        """Count a connection that stood and broke; the failures before a good one are forgotten."""
        good_after = GOOD_AFTER_SECONDS if told_something else GOOD_WHEN_SILENT_AFTER_SECONDS
        if lasted_seconds >= good_after:
            self.failures = 0
        return self.failed(now, random)

    def give_up(self, now: float, random: float) -> None:
        """Be out of order at once: the server takes connections and tells nothing."""
        self.failures = max(self.failures, MOST_FAILURES - 1)
        self.failed(now, random)


class TasksPerSocket(Enum):
    """How many tasks one connection can be registered for, which Wiro's API reference doesn't say."""

    UNKNOWN = "unknown"
    MANY = "many"
    ONE = "one"


class ServerHealth:
    """
    What is known of the server, from all its connections so far.

    :ivar sharing: found out once and kept.
    :ivar has_told: something was told since the server was last found to tell nothing. Until then nothing is
        expected, or a proxy that eats all messages would be noticed by no more than the first late ends.
    :ivar is_cautious: a connection was closed soon after several tasks were registered, so that the next one
        is to stand with one of them first.
    """

    def __init__(self) -> None:
        self.sharing = TasksPerSocket.UNKNOWN
        self.has_told = False
        self.is_cautious = False
        self._misses_beside_others = 0
        self._misses_in_silence = 0
        self._closures = 0

    def broke(self, hearing: ConnectionHealth, now: float) -> bool:
        """
        Learn from a connection that broke.

        :return: whether it shows, with those before, that a connection takes one task.
        """
        first, second = hearing.first_registered_at, hearing.second_registered_at
        if self.sharing is not TasksPerSocket.UNKNOWN or first is None or second is None:
            return False
        if now > second + GRACE_SECONDS:
            self.is_cautious, self._closures = False, 0
        elif second < first + GRACE_SECONDS:
            self.is_cautious = True
        else:
            self._closures += 1
            if self._closures >= TELLING_CLOSURES:
                self.sharing = TasksPerSocket.ONE
                return True
        return False

    def hear(self, *, proves_many: bool) -> None:
        """Something was told."""
        self.has_told = True
        self._misses_in_silence = 0
        if proves_many and self.sharing is TasksPerSocket.UNKNOWN:
            self.sharing = TasksPerSocket.MANY

    def miss(self, *, others_were_heard: bool) -> None:
        """A change of a registered task was not told."""
        if not others_were_heard:
            self._misses_in_silence += 1
            return
        self._misses_beside_others += 1
        if self.sharing is TasksPerSocket.UNKNOWN and self._misses_beside_others >= TELLING_MISSES:
            self.sharing = TasksPerSocket.ONE

    @property
    def is_suspect(self) -> bool:
        """Whether something was missed and nothing told since."""
        return self._misses_in_silence > 0

    def take_silence(self) -> bool:
        """Return whether so much was missed in silence that nothing can be expected; then counts anew."""
        if self._misses_in_silence < TELLING_MISSES:
            return False
        self._misses_in_silence = 0
        self.has_told = False
        return True


@dataclass
class _Registration:
    """One task on one connection. ``superseded_at``: when the next one was registered."""

    is_first: bool
    registered_at: float
    superseded_at: float | None = None
    heard_at: float | None = None
    is_doubtful: bool = False


class ConnectionHealth:
    """What one connection has told so far, task by task."""

    def __init__(self) -> None:
        self.told_something = False
        self.first_registered_at: float | None = None
        self.second_registered_at: float | None = None
        self._registrations: dict[str, _Registration] = {}
        self._latest: _Registration | None = None
        self._heard_at = float("-inf")
        self._dropped_at = float("-inf")
        self._told_of_a_later_one = False
        self._told_of_a_superseded_one = False

    def __contains__(self, wiro_task_id: object) -> bool:
        return wiro_task_id in self._registrations

    def register(self, wiro_task_id: str, now: float) -> None:
        """A task was registered."""
        if self._latest is not None:
            self._latest.superseded_at = now
        if self.first_registered_at is None:
            self.first_registered_at = now
        elif self.second_registered_at is None:
            self.second_registered_at = now
        self._latest = _Registration(is_first=self._latest is None, registered_at=now)
        self._registrations[wiro_task_id] = self._latest

    def forget(self, wiro_task_id: str) -> None:
        """A task is of no interest any more."""
        self._registrations.pop(wiro_task_id, None)

    def hear(self, wiro_task_id: str, now: float) -> None:
        """Something was told of a task."""
        self.told_something = True
        registration = self._registrations.get(wiro_task_id)
        if registration is None:
            return
        self._heard_at = registration.heard_at = now
        registration.is_doubtful = False
        if not registration.is_first:
            self._told_of_a_later_one = True
        superseded_at = registration.superseded_at
        if superseded_at is not None and now > superseded_at + GRACE_SECONDS:
            self._told_of_a_superseded_one = True

    def drop(self, now: float) -> None:
        """A message was too long to be read, and did not say at its beginning which task it was about."""
        self._dropped_at = now

    def may_have_dropped(self, since: float) -> bool:
        """Whether what was missed since then may have been in a message that was dropped."""
        return self._dropped_at >= since - GRACE_SECONDS

    @property
    def is_for_one(self) -> bool:
        """Whether one task was registered so far."""
        return self.first_registered_at is not None and self.second_registered_at is None

    @property
    def proves_many(self) -> bool:
        """Whether it was told of more than the first, and of more than the latest registration."""
        return self._told_of_a_later_one and self._told_of_a_superseded_one

    def is_reliable(self, wiro_task_id: str) -> bool:
        """Whether a task is registered and nothing was missed since it was last heard of."""
        registration = self._registrations.get(wiro_task_id)
        return registration is not None and not registration.is_doubtful

    def has_missed(self, wiro_task_id: str, since: float) -> bool:
        """
        Judge, the grace after a poll showed a change, whether the change was not told.

        :param since: when a poll last showed the task as it was before.
        """
        registration = self._registrations.get(wiro_task_id)
        if registration is None or registration.registered_at >= since:  # it may have changed before
            return False
        heard_at = registration.heard_at
        registration.is_doubtful = heard_at is None or heard_at < since - GRACE_SECONDS
        return registration.is_doubtful

    def heard_of_any(self, since: float) -> bool:
        """Whether anything was told since then, of whichever task."""
        return self._heard_at >= since - GRACE_SECONDS

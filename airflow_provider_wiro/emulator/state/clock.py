"""The emulator's clock, real or moved by hand, and waiting for a moment or for a change of a task."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """Where the emulator gets its time from."""

    def now(self) -> float:
        """Return the present moment in Unix seconds."""

    def real_seconds_until(self, moment: float) -> float | None:
        """Return how long to sleep until `moment`; `None` if sleeping won't bring it nearer."""


class WallClock:
    """The real time of this machine, or a time that is ahead of it or behind it."""

    def __init__(self, offset_seconds: float = 0.0) -> None:
        """Be ahead of this machine's time by `offset_seconds`; below zero: behind it."""
        self._offset = offset_seconds

    def now(self) -> float:
        """Return the present moment in Unix seconds."""
        return time.time() + self._offset

    def real_seconds_until(self, moment: float) -> float | None:
        """Return the seconds between now and `moment`, never below zero."""
        return max(0.0, moment - self.now())


class ManualClock:
    """A clock that stands still until `advance` moves it."""

    def __init__(self, start: float = 1_734_513_807.0) -> None:
        """Start at `start`, in Unix seconds; by default the moment of the sample task in Wiro's reference."""
        self._now = start
        self._listeners: list[Callable[[], object]] = []

    def now(self) -> float:
        """Return the moment to which the clock was last moved, in Unix seconds."""
        return self._now

    def real_seconds_until(self, moment: float) -> float | None:
        """Return zero for a moment in the past, else `None`: only `advance` can bring it nearer."""
        return 0.0 if moment <= self._now else None

    def advance(self, seconds: float) -> None:
        """Move the clock forward and call the listeners."""
        if seconds < 0:
            raise ValueError(f"a clock runs forward only, got {seconds} seconds")
        self._now += seconds
        for listener in tuple(self._listeners):
            listener()

    def on_advance(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener` after each move, in the thread that moves the clock; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


class ChangeNotifier:
    """
    Wakes those who wait for one task, or for the clock, to change. For the server's event loop only.

    Each task has an event of its own: with thousands of tasks in flight, a change of one must not wake the
    others' waiters.
    """

    def __init__(self) -> None:
        """Start without subscribers."""
        # An event lives as long as somebody waits for it.
        self._events: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()

    def subscribe(self, task_id: str) -> asyncio.Event:
        """
        Return the event that the next `notify` for this task sets.

        Subscribe before you read the task: a change between reading and subscribing would be missed.
        """
        return self._events.setdefault(task_id, asyncio.Event())

    def notify(self, task_id: str) -> None:
        """Report that this task has changed."""
        event = self._events.pop(task_id, None)
        if event is not None:
            event.set()

    def notify_all(self) -> None:
        """Report that the clock was moved."""
        for task_id in list(self._events):
            self.notify(task_id)


async def wait_for(change: asyncio.Event, clock: Clock, moment: float | None) -> None:
    """Return at the next change, or when the clock reaches `moment`; `None` is a moment that never comes."""
    try:
        async with asyncio.timeout(None if moment is None else clock.real_seconds_until(moment)):
            await change.wait()
    except TimeoutError:
        return

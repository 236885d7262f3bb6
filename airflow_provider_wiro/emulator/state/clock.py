"""
The emulator's own time: real or moved by hand.

Nothing else in the package asks the operating system what time it is, so a test can live through an hour
of a task's life without sleeping.
"""

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
        """Return how long to sleep until `moment`; `None` when sleeping won't bring it nearer."""


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
    """A clock that stands still until somebody moves it."""

    def __init__(self, start: float = 1_734_513_807.0) -> None:
        """Start at `start`, in Unix seconds; by default the moment of the sample task in Wiro's reference."""
        self._now = start
        self._listeners: list[Callable[[], None]] = []

    def now(self) -> float:
        """Return the moment the clock was last moved to, in Unix seconds."""
        return self._now

    def real_seconds_until(self, moment: float) -> float | None:
        """Return zero for a moment in the past, else `None`: only `advance` can bring it nearer."""
        return 0.0 if moment <= self._now else None

    def advance(self, seconds: float) -> None:
        """Move the clock forward and wake whoever waits for a moment."""
        if seconds < 0:
            raise ValueError(f"a clock runs forward only, got {seconds} seconds")
        self._now += seconds
        for listener in tuple(self._listeners):
            listener()

    def on_advance(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener`, in the thread that moves the clock, after each move; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


class Pulse:
    """
    Wakes who waits for a task, or the clock, to change.

    With thousands of tasks in flight a change of one must not wake the others' waiters. To be used on the
    server's event loop.
    """

    def __init__(self) -> None:
        """Start with nobody waiting."""
        # An event is there as long as somebody waits for it.
        self._events: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()

    def listen(self, task_id: str) -> asyncio.Event:
        """
        Return what the next `wake` for this task sets. Take it before looking at the task, or a wake in
        between is missed.
        """
        return self._events.setdefault(task_id, asyncio.Event())

    def wake(self, task_id: str) -> None:
        """Wake who waits for this task."""
        event = self._events.pop(task_id, None)
        if event is not None:
            event.set()

    def wake_all(self) -> None:
        """Wake everyone, since the clock was moved."""
        for task_id in list(self._events):
            self.wake(task_id)


async def wait_for(change: asyncio.Event, clock: Clock, moment: float | None) -> None:
    """Return at the next change, or when the clock reaches `moment`; `None` is a moment that never comes."""
    try:
        async with asyncio.timeout(None if moment is None else clock.real_seconds_until(moment)):
            await change.wait()
    except TimeoutError:
        return

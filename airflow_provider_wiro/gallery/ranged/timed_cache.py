"""TimedCache: values kept for a short time and within a limit, for all threads of a process. Pure."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

V = TypeVar("V")


class TimedCache(Generic[V]):
    """
    Values by key. Where there is no room, the one goes that was used the longest time ago.

    :param seconds: how long a value is kept.
    :param room: the sum of the sizes that fit.
    :param clock: returns seconds, which only grow.
    """

    def __init__(self, seconds: float, room: int, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._room = room
        self._clock = clock
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, tuple[float, int, V]] = OrderedDict()
        self._used = 0

    @property
    def used(self) -> int:
        """The sum of the sizes of all values."""
        return self._used

    def get(self, key: Hashable) -> V | None:
        """Return a value, None if there is none, or none any more."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            until, _, value = found
            if self._clock() >= until:
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return value

    def put(self, key: Hashable, value: V, size: int = 1) -> None:
        """Keep a value, if it fits at all."""
        with self._lock:
            self._drop(key)
            if size > self._room:
                return
            while self._used + size > self._room:
                self._drop(next(iter(self._kept)))
            self._kept[key] = (self._clock() + self._seconds, size, value)
            self._used += size

    def forget(self, key: Hashable) -> None:
        """Keep a value no longer."""
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._kept.clear()
            self._used = 0

    def _drop(self, key: Hashable) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self._used -= found[1]

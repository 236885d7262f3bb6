"""Position: up to where a task list was read, so that the next reading gives only what is new."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from airflow_provider_wiro.api.endpoints import MAX_ID_LENGTH

#: How many of the newest ids a position remembers.
MAX_RECENT = 200


def number_of(wiro_task_id: str) -> int | None:
    """Return the number that an id is, None if it is none that gives the same id again."""
    if not (wiro_task_id.isascii() and wiro_task_id.isdecimal() and len(wiro_task_id) <= MAX_ID_LENGTH):
        return None
    number = int(wiro_task_id)
    return number if str(number) == wiro_task_id else None


@dataclass(frozen=True)
class Position:
    """
    Up to where a list has been read.

    A server can give a task an id and show it only after a later one. So the newest ids are remembered: what
    is among them and was not shown then is new as well.

    :ivar floor: ids up to this one are not new.
    :ivar recent: all larger ids that were shown, the smallest first.
    """

    floor: int = 0
    recent: tuple[int, ...] = ()

    @property
    def high(self) -> int:
        """The largest id that was shown."""
        return self.recent[-1] if self.recent else self.floor

    def is_new(self, number: int) -> bool:
        """Whether the list has not shown this id before."""
        if number > self.high or number <= self.floor:
            return number > self.high
        index = bisect_left(self.recent, number)
        return self.recent[index] != number

    def merged(self, other: Position) -> Position:
        """Return the position of two readings together."""
        recent = sorted({*self.recent, *other.recent})
        floor = max(self.floor, other.floor, *recent[:-MAX_RECENT])
        return Position(floor, tuple(number for number in recent if number > floor))

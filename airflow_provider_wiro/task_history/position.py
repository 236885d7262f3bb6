"""Position: up to where a task list was read, so that the next reading gives only what is new."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from airflow_provider_wiro.api.endpoints import MAX_ID_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    How far a list has been read.

    A server can give a task an id and show it only after a later one. So the newest ids are remembered: what
    is among them and was not shown then is new as well.

    :ivar high: the largest id that was shown; 0 if none was.
    :ivar recent: the newest ids that were shown, the smallest first.
    """

    high: int = 0
    recent: tuple[int, ...] = ()

    def is_new(self, number: int) -> bool:
        """Whether the list has not shown this id before."""
        if number > self.high or not self.recent:
            return number > self.high
        if number < self.recent[0]:
            return False
        index = bisect_left(self.recent, number)
        return self.recent[index] != number

    def after(self, shown: Iterable[int]) -> Self:
        """Return the position after further ids were shown; any order, and only the newest matter."""
        recent = tuple(sorted({*self.recent, *shown})[-MAX_RECENT:])
        return type(self)(max(self.high, recent[-1] if recent else 0), recent)

"""A set of Wiro task ids that takes 8 bytes for each."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Ids below this fit into 8 bytes: 10,000 take 80 KB.
_LARGEST_NUMBER = 2**63


class TaskIdSet:
    """A set of task ids. One that is a number, as Wiro's are, takes 8 bytes."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._others: set[str] = set()

    def add(self, wiro_task_id: str) -> None:
        """Add an id. That is cheap, since the newest are the largest."""
        if not _is_number(wiro_task_id):
            self._others.add(wiro_task_id)
        elif wiro_task_id not in self:
            self._numbers.insert(bisect_left(self._numbers, int(wiro_task_id)), int(wiro_task_id))

    def __contains__(self, wiro_task_id: object) -> bool:
        if not isinstance(wiro_task_id, str) or not _is_number(wiro_task_id):
            return wiro_task_id in self._others
        number = int(wiro_task_id)
        index = bisect_left(self._numbers, number)
        return index < len(self._numbers) and self._numbers[index] == number

    def __iter__(self) -> Iterator[str]:
        yield from map(str, self._numbers)
        yield from self._others

    @property
    def largest(self) -> str | None:
        """The largest id that is a number, None if there is none."""
        return str(self._numbers[-1]) if self._numbers else None

    def latest(self, count: int) -> list[str]:
        """Return up to ``count`` of the largest ids that are numbers, the largest first."""
        return [str(number) for number in reversed(self._numbers[-count:])]


def _is_number(wiro_task_id: str) -> bool:
    return (
        wiro_task_id.isascii()
        and wiro_task_id.isdecimal()
        and str(int(wiro_task_id[:20])) == wiro_task_id
        and int(wiro_task_id) < _LARGEST_NUMBER
    )

"""Which items' files are still to be deleted from Wiro, and which are deleted or stay there."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum


class Deletion(IntEnum):
    """What becomes of Wiro's copies of an item's files."""

    UNWANTED = 0
    PENDING = 1  # its result is recorded; the deletion may have been done, unrecorded
    DELETED = 2
    KEPT = 3  # other runs may need them, or Wiro refuses
    UNCLEAR = 4  # as pending, but the item's result is missing


class Deletions:
    """
    A byte for each item, and the tasks of those whose files are still to be deleted.

    :ivar pending: item → its task.
    """

    def __init__(self, total: int) -> None:
        self.pending: dict[int, str] = {}
        self._states = bytearray(total)
        self._counts: Counter[Deletion] = Counter()

    def of(self, item: int) -> Deletion:
        """Return what becomes of an item's files."""
        return Deletion(self._states[item])

    def count(self, deletion: Deletion) -> int:
        """Return of how many items that becomes."""
        return self._counts[deletion]

    def may_be_gone(self, item: int) -> bool:
        """Whether Wiro may not have an item's files any more."""
        return self.of(item) in {Deletion.PENDING, Deletion.DELETED, Deletion.UNCLEAR}

    def begin(self, item: int, wiro_task_id: str) -> None:
        """Note that an item's files are to be deleted."""
        self.pending[item] = wiro_task_id
        self._move(item, Deletion.PENDING)

    def end(self, item: int, deletion: Deletion) -> None:
        """Note what has become of an item's files."""
        self.pending.pop(item, None)
        self._move(item, deletion)

    def _move(self, item: int, deletion: Deletion) -> None:
        self._counts[self.of(item)] -= 1
        self._counts[deletion] += 1
        self._states[item] = deletion

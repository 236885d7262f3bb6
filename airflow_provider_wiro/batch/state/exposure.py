"""What the runs of a batch may cost whose cost isn't known: in flight, ended, lost, or left behind."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

_NOTHING = Decimal(0)


class Exposure:
    """
    The upper ends of the estimates of all runs that may be billed and whose bill isn't known.

    An upper end that isn't known counts as nothing: such a run counts once its cost is known.
    """

    def __init__(self) -> None:
        #: Item → its run, from the intent until it has ended.
        self._held: dict[int, Decimal] = {}
        #: Item → its sendings that are considered not started, until that was checked once more.
        self._lost: defaultdict[int, list[Decimal]] = defaultdict(list)
        #: Task id → a run that was billed, until its cost is read.
        self._unread: dict[str, Decimal] = {}
        #: What will never be known better; and what earlier inputs cost.
        self._fixed = _NOTHING
        self._open = _NOTHING

    @property
    def open_usd(self) -> Decimal:
        """What may turn out to cost less."""
        return self._open

    @property
    def fixed_usd(self) -> Decimal:
        """What counts for good."""
        return self._fixed

    def lost_usd(self, item: int) -> Decimal | None:
        """Return what one of the sendings of an item, considered not started, may cost; None if not known."""
        return max(self._lost.get(item, ()), default=None)

    def holds(self, item: int) -> bool:
        """Whether an item's run counts."""
        return item in self._held

    def held(self, item: int) -> Decimal:
        """Return what counts for an item's run."""
        return self._held.get(item, _NOTHING)

    def intend(self, item: int, usd: Decimal | None) -> None:
        """Count an item's run from its intent on."""
        self.release(item)
        self._held[item] = usd or _NOTHING
        self._open += usd or _NOTHING

    def release(self, item: int) -> None:
        """Count an item's run no longer: it started nothing, or isn't billed, or its bill is known."""
        self._open -= self._held.pop(item, _NOTHING)

    def fix(self, item: int) -> None:
        """Count an item's run for good: it may be billed, and nobody will know."""
        usd = self._held.get(item, _NOTHING)
        self.release(item)
        self._fixed += usd

    def unread(self, item: int, wiro_task_id: str | None) -> None:
        """Count an item's run until its cost is read. One whose task isn't known counts for good."""
        if wiro_task_id is None:
            self.fix(item)
            return
        usd = self._held.get(item, _NOTHING)
        self.release(item)
        self.unread_task(wiro_task_id, usd)

    def unread_task(self, wiro_task_id: str, usd: Decimal | None) -> None:
        """Count a task that is no item's result until its cost is read."""
        if usd:
            self._open += usd - self._unread.get(wiro_task_id, _NOTHING)
            self._unread[wiro_task_id] = usd

    def read(self, wiro_task_id: str) -> None:
        """Count a task no longer: its cost is known, and on the bill."""
        self._open -= self._unread.pop(wiro_task_id, _NOTHING)

    def lose(self, item: int) -> None:
        """Count a sending that is considered not started until it is checked once more."""
        if usd := self._held.pop(item, _NOTHING):
            self._lost[item].append(usd)

    def check(self, item: int, *, is_certain: bool) -> None:
        """
        Count an item's lost sendings no longer: their tasks, if any, are on the bill.

        :param is_certain: False: the check failed, so they count for good.
        """
        usd = sum(self._lost.pop(item, ()), _NOTHING)
        self._open -= usd
        self._fixed += _NOTHING if is_certain else usd

    def add(self, usd: Decimal) -> None:
        """Count what the runs of earlier inputs have cost, or may have."""
        self._fixed += usd

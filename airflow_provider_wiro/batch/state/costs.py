"""What the runs of a batch cost, as far as Wiro has recorded it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.decoding.fields import plain_usd

if TYPE_CHECKING:
    from collections.abc import Collection


class BatchCosts:
    """
    The bill of a batch: each run that succeeded at Wiro, including those that were repeated for their
    outputs, and those that an earlier sending of an item had started.

    :ivar learned: task id → cost in USD, of runs whose cost was not known when they ended.
    """

    def __init__(self) -> None:
        self.learned: dict[str, str] = {}
        self._known = Decimal(0)
        self._unknown_ids: set[str] = set()
        self._unknown_others = 0

    def bill(self, wiro_task_id: str | None, cost: str | None) -> None:
        """
        Count a run.

        :param cost: in USD; None if it is not known yet.
        """
        if cost is not None:
            self._known += Decimal(cost)
        elif wiro_task_id is None:
            self._unknown_others += 1
        else:
            self._unknown_ids.add(wiro_task_id)

    def learn(self, wiro_task_id: str, cost: str) -> None:
        """Add a cost that was not known before. A run that isn't counted changes nothing."""
        if wiro_task_id in self._unknown_ids:
            self._known += Decimal(cost)
            self._unknown_ids.discard(wiro_task_id)
            self.learned[wiro_task_id] = cost

    @property
    def known(self) -> Decimal:
        """The sum of the known costs."""
        return self._known

    @property
    def known_usd(self) -> str:
        """The sum of the known costs, as text."""
        return plain_usd(self._known)

    @property
    def total_usd(self) -> str | None:
        """The sum of all costs, None while one is not known."""
        return None if self.unknown else self.known_usd

    @property
    def unknown(self) -> int:
        """How many runs have an unknown cost."""
        return len(self._unknown_ids) + self._unknown_others

    @property
    def unknown_ids(self) -> Collection[str]:
        """The ids of their tasks."""
        return self._unknown_ids

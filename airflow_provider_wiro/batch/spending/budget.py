"""Budget: whether an item's run may still be sent, given what the batch has spent and may have to."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_wiro.batch.state.batch_state import BatchState


_NOTHING = Decimal(0)


class Affordability(Enum):
    """Whether a run fits into the budget."""

    FITS = "fits"
    LATER = "later"  # if what is in flight costs less than its upper end
    NEVER = "never"


class Budget:
    """
    The budget of a batch, over all tries of its Airflow task.

    What counts is the state's: the costs that are known, and the upper end of the estimate of each run whose
    cost isn't. What is being sent, and has no intent in the journal yet, is reserved here; and what has just
    ended, and isn't in the journal yet (its outputs may be landing), counts with its cost.

    :param limit: in US dollars.
    :param refuses_unknown: a run whose upper end isn't known never fits; else it fits while anything is left,
        and counts once its cost is known.
    :param ended: returns the items whose runs have ended, and whose end isn't in the state yet → what these
        cost, as far as that is known.
    """

    def __init__(
        self,
        limit: Decimal,
        state: BatchState,
        *,
        refuses_unknown: bool,
        ended: Callable[[], Mapping[int, Decimal]] = dict,
    ) -> None:
        self.limit = limit
        self._state = state
        self.refuses_unknown = refuses_unknown
        self._ended = ended
        self._reserved: dict[int, Decimal | None] = {}

    @property
    def committed(self) -> Decimal:
        """What is spent, or may turn out to be."""
        exposure = self._state.exposure
        reserved = (usd or _NOTHING for item, usd in self._reserved.items() if not exposure.holds(item))
        ended = (usd - exposure.held(item) for item, usd in self._ended().items())
        return self._state.committed_usd + sum(reserved, _NOTHING) + sum(ended, _NOTHING)

    @property
    def is_sending(self) -> bool:
        """Whether a run is being sent."""
        return bool(self._reserved)

    def judge(self, usd: Decimal | None) -> Affordability:
        """
        Say whether a run may be sent.

        :param usd: the upper end of its estimate, None if not known.
        """
        if usd is None and self.refuses_unknown:
            return Affordability.NEVER
        if self._has_room(self.committed, usd):
            return Affordability.FITS
        least = self._state.costs.known + self._state.exposure.fixed_usd
        return Affordability.LATER if self._has_room(least, usd) else Affordability.NEVER

    def _has_room(self, committed: Decimal, usd: Decimal | None) -> bool:
        return committed < self.limit if usd is None else committed + usd <= self.limit

    def reserve(self, item: int, usd: Decimal | None) -> None:
        """Count an item's run from now on."""
        self._reserved[item] = usd

    def reserved(self, item: int) -> Decimal | None:
        """Return the upper end of an item's run that is being sent."""
        return self._reserved.get(item)

    def conclude(self, item: int) -> None:
        """Leave an item's run to the state: its intent is there, or it wasn't sent."""
        self._reserved.pop(item, None)

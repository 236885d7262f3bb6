"""How many runs of a batch are in flight at once, as the account's concurrency limit allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.api.polling import slot_pause_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

#: After this many seconds without a refusal, more runs are tried.
RAISE_AFTER_SECONDS = 15.0
#: A worker that has free slots but was refused more asks again after so long.
LONGEST_WITHOUT_RAISE_SECONDS = 60.0


class ActiveLimit:
    """
    How many runs may be in flight: ``most``, or as many as the account's concurrency limit (code 96) allows.

    A refusal lowers it to what was in flight; time without one raises it, by steps that double, so that a
    batch of hundreds is back within minutes. The account's limit moves with its balance, and with what else
    it runs. A refused Run costs a request, and nothing else.

    :param most: the user's ``max_active``; never more than that.
    :param random: from [0, 1), spreads batches that are refused together.
    :param current: what an earlier part of the batch, before a deferral, has learned.
    """

    def __init__(self, most: int, random: Callable[[], float], *, current: int | None = None) -> None:
        self.most = most
        self.current = most if current is None else max(1, min(most, current))
        self._random = random
        self._refusals_in_a_row = 0
        # A deferral is time without a refusal, and such a part may not live long enough to raise it later.
        self._raise_at: float | None = None if current is None else 0.0
        self._step = 1 if current is None else max(1, self.current // 2)
        self._not_before = 0.0

    def allows(self, active: int, now: float) -> bool:
        """
        Whether another run may be sent.

        :param active: runs in flight, including those whose response is awaited.
        :param now: Unix time in seconds.
        """
        self._raise_when_due(now)
        return active < self.current and now >= self._not_before

    def refused(self, active: int, now: float) -> None:
        """
        Note that Wiro had no slot for a run.

        :param active: the other runs in flight.
        """
        self._refusals_in_a_row += 1
        self.current = max(1, min(self.current, active))
        self._raise_at = now + RAISE_AFTER_SECONDS
        self._step = 1
        if not active:  # no run of this batch will free a slot by its end
            self._not_before = now + slot_pause_seconds(self._refusals_in_a_row, self._random())

    def accepted(self) -> None:
        """Note that Wiro took a run."""
        self._refusals_in_a_row = 0

    def next_change_at(self, active: int) -> float | None:
        """Return when time alone allows another run, as Unix time; None if it doesn't."""
        if active < self.current:
            return self._not_before
        return self._raise_at if self.current < self.most else None

    def _raise_when_due(self, now: float) -> None:
        if self._raise_at is not None and now >= self._raise_at:
            self.current = min(self.most, self.current + self._step)
            self._step *= 2
            self._raise_at = now + RAISE_AFTER_SECONDS if self.current < self.most else None

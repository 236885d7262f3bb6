"""Where an item is (ItemState), and its current run (Attempt)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from airflow_provider_wiro.input_files.sent_files import Digests
    from airflow_provider_wiro.recovery.sending import Sending


class ItemState(IntEnum):
    """How far an item is."""

    PENDING = 0
    INTENDED = 1  # its Run may have been sent; the task isn't known
    RUNNING = 2  # its task is known
    DONE = 3
    FAILED = 4  # permanently, in this try of the Airflow task


@dataclass(slots=True)
class Attempt:
    """
    The current run of an item that is not over.

    :ivar sending: the Run; its time is restarted when the item's timeout is.
    :ivar try_number: the try of the Airflow task that sent it.
    :ivar files: digests of the files whose bytes are sent, as far as they are known.
    :ivar item_id: the user's name for the item, None if it has none.
    :ivar accepted_at: Unix time at which the task's id was received; None in older entries.
    :ivar max_usd: the upper end of the run's estimate, None if it wasn't known or there was no budget.
    :ivar has_ended: an entry says that its task has ended; only its outputs or its result are missing.
    """

    fingerprint: str
    sending: Sending
    try_number: int
    wiro_task_id: str | None = None
    files: Digests = field(default_factory=dict)
    accepted_at: float | None = None
    max_usd: Decimal | None = None
    item_id: str | None = None
    has_ended: bool = False

    @property
    def followed_since(self) -> float:
        """Unix time from which the timeout counts: when Wiro had the task, or when it was restarted."""
        return max(self.sending.intended_at, self.accepted_at or 0.0)

"""Where an item is (ItemState), and its current run (Attempt)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from airflow_provider_wiro.recovery.sending import Loss, Sending

if TYPE_CHECKING:
    from airflow_provider_wiro.input_files.sent_files import Digests


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

    For the fields that are not listed see :class:`~airflow_provider_wiro.recovery.sending.Sending`.

    :ivar intended_at: Unix time, taken before the Run was sent.
    :ivar try_number: the try of the Airflow task that sent it.
    :ivar files: digests of the files whose bytes are sent, as far as they are known.
    :ivar accepted_at: Unix time at which the task's id was received; None in older entries.
    :ivar uploaded_for: for how many seconds its files were uploading; None in older entries.
    """

    fingerprint: str
    newest_before: str | None
    intended_at: float
    try_number: int
    wiro_task_id: str | None = None
    wiro_at: float | None = None
    loss: Loss | None = None
    lost_after: float | None = None
    files: Digests = field(default_factory=dict)
    accepted_at: float | None = None
    uploaded_for: float | None = None

    @property
    def followed_since(self) -> float:
        """Unix time from which the timeout counts: when Wiro had the task, or when it was restarted."""
        return max(self.intended_at, self.accepted_at or 0.0)

    @property
    def sending(self) -> Sending:
        return Sending(
            self.intended_at,
            self.newest_before,
            self.wiro_at,
            self.loss,
            self.lost_after,
            self.uploaded_for,
        )

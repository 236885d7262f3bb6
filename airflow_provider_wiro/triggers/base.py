"""What every trigger of this package does: wait, fire one event, and never end a deferral too soon."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.hooks.flow_context import SteadyClock
from airflow_provider_wiro.redaction.loggers import PlainLogs
from airflow_provider_wiro.triggers.cancellation import on_cancelled
from airflow_provider_wiro.triggers.deferral import SHORTEST_DEFERRAL_SECONDS, shortest_deferral_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class WiroTrigger(PlainLogs, BaseTrigger):
    """
    Waits, and fires one event, at the soonest ``[wiro] shortest_deferral`` seconds after the deferral began.

    The reason is in :func:`~airflow_provider_wiro.triggers.deferral.shortest_deferral_seconds`. Where no
    scheduler is involved (``dag.test()`` runs a trigger without a task instance), nothing is held back.

    :param deferred_at: Unix time at which the deferral began. None is now: an operator makes its trigger when
        it defers. Stored, so that a restart of the triggerer doesn't renew it.
    """

    def __init__(self, *, deferred_at: float | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow leaves it unannotated
        self.deferred_at = time.time() if deferred_at is None else deferred_at
        self._is_finished = False
        self._now = SteadyClock().timestamp
        self._began_at = self.deferred_at
        self._not_before = 0.0

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield the one event."""
        self._now = SteadyClock().timestamp
        # Not in the future: the clock of the worker that deferred may be ahead of this one.
        self._began_at = min(self.deferred_at, self._now())
        self._not_before = self._began_at + self._shortest_seconds()
        try:
            event = await self._wait()
            await self._hold()
        except asyncio.CancelledError:
            await on_cancelled(self.on_kill)
            raise
        self._is_finished = True
        yield TriggerEvent(event)

    def _here(self, moment: float) -> float:
        """Return a stored Unix time by this clock; the worker's was ahead of it, or was set back since."""
        return moment - (self.deferred_at - self._began_at)

    @abstractmethod
    async def _wait(self) -> dict[str, Any]:
        """Return the event's payload as soon as there is one."""

    async def on_kill(self) -> None:
        """Stop what the trigger waits for, if a user has ended the Airflow task; by default nothing."""

    def _shortest_seconds(self) -> float:
        if self.task_instance is None:
            return 0.0
        try:
            return shortest_deferral_seconds()
        except WiroUsageError as error:
            # The worker has checked its own; a triggerer may be configured otherwise.
            self.log.warning("%s Using %.0f s.", error, SHORTEST_DEFERRAL_SECONDS)
            return SHORTEST_DEFERRAL_SECONDS

    async def _hold(self) -> None:
        seconds = self._not_before - self._now()
        if seconds > 0:
            self.log.info("Resuming the Airflow task in %.0f s: a shorter deferral may fail.", seconds)
            await asyncio.sleep(seconds)

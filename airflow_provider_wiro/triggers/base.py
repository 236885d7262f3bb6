"""The base of all triggers: wait, fire one event, never end a deferral too soon, and stop Wiro tasks."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.hooks.flow_context import SteadyClock
from airflow_provider_wiro.redaction.loggers import PlainLogs
from airflow_provider_wiro.triggers.cancellation import on_cancelled, stop_if_abandoned
from airflow_provider_wiro.triggers.shortest_deferral import (
    SHORTEST_DEFERRAL_SECONDS,
    shortest_deferral_seconds,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from airflow_provider_wiro.triggers.cancellation import TasksToStop


class WiroTrigger(PlainLogs, BaseTrigger):
    """
    Waits, and fires one event, at the soonest ``[wiro] shortest_deferral`` seconds after the deferral began.

    The reason is in :mod:`~airflow_provider_wiro.triggers.shortest_deferral`. Where no scheduler is involved
    (``dag.test()`` runs a trigger without a task instance), nothing is held back.

    :param try_number: the try of the Airflow task that waits, handed back in the event. Airflow 3.0 gives a
        retry the event of the try before.
    :param deferred_at: Unix time at which the deferral began. None is now: an operator makes its trigger when
        it defers. Stored, so that a restart of the triggerer doesn't renew it.
    """

    #: The arguments to store besides ``deferred_at``; those in ``_optional_fields`` only where they are set.
    _fields: Sequence[str] = ()
    _optional_fields: Sequence[str] = ()

    def __init__(self, *, try_number: int | None = None, deferred_at: float | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow leaves it unannotated
        self.try_number = try_number
        self.deferred_at = time.time() if deferred_at is None else deferred_at
        self._is_finished = False
        self._now = SteadyClock().timestamp
        self._began_at = self.deferred_at
        self._not_before = 0.0

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what another triggerer needs to resume: no secret, since Airflow stores it as plain text."""
        stored = {name: getattr(self, name) for name in (*self._fields, "deferred_at")}
        optional = {name: getattr(self, name) for name in self._optional_fields}
        stored |= {name: value for name, value in optional.items() if value is not None}
        return f"{type(self).__module__}.{type(self).__qualname__}", stored

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
        yield TriggerEvent({**event, "try_number": self.try_number})

    @abstractmethod
    async def _wait(self) -> dict[str, Any]:
        """Return the event's payload as soon as there is one."""

    @abstractmethod
    def _tasks_to_stop(self) -> TasksToStop | None:
        """Return the Wiro tasks to stop if a user has ended the Airflow task; None if there are none."""

    async def on_kill(self) -> None:
        """Stop the Wiro tasks, if a user has ended the Airflow task."""
        if self._is_finished or self.task_instance is None:
            return
        tasks = self._tasks_to_stop()
        if tasks is not None:
            await stop_if_abandoned(self.task_instance, tasks, self.log, self._after_stop)

    async def _after_stop(self) -> None:
        """Do what follows once the Wiro tasks are stopped; nothing, by default."""

    def _local_time(self, moment: float) -> float:
        """Return a stored Unix time by this clock; the worker's was ahead of it, or was set back since."""
        return moment - (self.deferred_at - self._began_at)

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


def from_unix(unix_time: float | None) -> datetime | None:
    """Return a Unix time as an aware datetime."""
    return None if unix_time is None else datetime.fromtimestamp(unix_time, tz=UTC)

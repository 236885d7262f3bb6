"""Finds tasks that earlier sendings of an item have started after all, once the item is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.lost_runs.unknown_sendings import OWN_IDS
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.recovery.strays import billed, find_strays, stray_warnings, unknown_strays_warning

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.item_queue import ItemQueue
    from airflow_provider_wiro.batch.lost_runs.resolver import LostRunResolver
    from airflow_provider_wiro.batch.run_sender import StoppableHook


class StrayRuns:
    """
    Searches, once for each item that is over, for tasks of its earlier sendings; stops and reports them.

    It searches only while no Run is in flight or lost: an unknown task could be that one's.
    """

    def __init__(self, queue: ItemQueue, hook: StoppableHook, resolver: LostRunResolver) -> None:
        self._queue = queue
        self._state = queue.state
        self._hook = hook
        self._resolver = resolver
        self._checking = asyncio.Lock()

    @property
    def is_due(self) -> bool:
        """Whether there is something to search for, and this is a time for it."""
        is_quiet = not self._resolver.in_flight and not self._resolver.items
        return is_quiet and not self._checking.locked() and bool(self._over())

    def _over(self) -> list[int]:
        states = {ItemState.DONE, ItemState.FAILED}
        return [item for item in self._state.lost_sendings if self._state.item_state(item) in states]

    async def check(self) -> None:
        """Search for the tasks of all items that are over. Fails nothing."""
        async with self._checking:
            for item in self._over():
                self._resolver.is_exclusive = True
                try:
                    is_certain = await self._check(item)
                finally:
                    self._resolver.is_exclusive = False
                self._queue.recorder.note(entries.strays_checked(item, is_certain=is_certain))
        self._queue.wake()

    async def _check(self, item: int) -> bool:
        """Return whether the tasks are known, if there are any."""
        log, name = self._queue.settings.log, self._queue.inputs.name(item)
        try:
            earlier = [
                await self._resolver.lost_run(number, item, sending)
                for number, sending in enumerate(self._state.lost_sendings.get(item, ()))
            ]
            if not earlier:
                return True
            found = await self._hook.run_flow(
                lambda context: find_strays(
                    context,
                    earlier,
                    self._state.known_ids,
                    own_ids=self._state.known_ids.latest(OWN_IDS),
                    patience_seconds=self._queue.settings.lost_run_patience,
                    resent_after=self._state.resent_after.get(item),
                )
            )
        except WiroError as error:
            log.warning("%s", unknown_strays_warning(name, error))
            return False
        max_usd = self._state.exposure.lost_usd(item)
        for wiro_task_id, usd in billed(found):
            self._queue.recorder.note(entries.task_billed(wiro_task_id, usd, max_usd))
        for warning in stray_warnings(found, name):
            log.warning("%s", warning)
        return found.open_until is None

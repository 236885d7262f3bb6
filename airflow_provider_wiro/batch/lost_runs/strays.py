"""After the end of items that were sent again: whether earlier sendings have started tasks after all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.recovery.strays import billed, find_strays, stray_warnings, unknown_strays_warning

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.item_queue import ItemQueue
    from airflow_provider_wiro.batch.lost_runs.resolver import LostRunResolver
    from airflow_provider_wiro.batch.run_sender import StoppableHook

_OWN_IDS = 3


class StrayRuns:
    """
    Looks, once for each item that is over, for tasks of its earlier sendings; stops and reports them.

    It looks only while no Run is in flight or looked for: a task that isn't known could be that one's.
    """

    def __init__(self, going: ItemQueue, hook: StoppableHook, settler: LostRunResolver) -> None:
        self._going = going
        self._record = going.record
        self._hook = hook
        self._settler = settler
        self._looking = asyncio.Lock()

    @property
    def is_due(self) -> bool:
        """Whether there is something to look for, and now is a time for it."""
        is_quiet = not self._settler.on_their_way and not self._settler.items
        return is_quiet and not self._looking.locked() and bool(self._over())

    def _over(self) -> list[int]:
        states = {ItemState.DONE, ItemState.FAILED}
        return [item for item in self._record.lost_sendings if self._record.state(item) in states]

    async def look(self) -> None:
        """Look for the tasks of all that are over. Fails nothing."""
        async with self._looking:
            for item in self._over():
                self._settler.is_exclusive = True
                try:
                    await self._look(item)
                finally:
                    self._settler.is_exclusive = False
                self._going.ledger.note(entries.strays_checked(item))
        self._going.wake()

    async def _look(self, item: int) -> None:
        log, name = self._going.job.log, self._going.inputs.name(item)
        try:
            earlier = [
                await self._settler.lost_run(number, item, sending)
                for number, sending in enumerate(self._record.lost_sendings.get(item, ()))
            ]
            if not earlier:
                return
            found = await self._hook.converse(
                lambda outside: find_strays(
                    outside,
                    earlier,
                    self._record.known_ids,
                    own_ids=self._record.known_ids.latest(_OWN_IDS),
                    patience_seconds=self._going.job.lost_run_patience,
                    resent_after=self._record.resent_after.get(item),
                )
            )
        except WiroError as error:
            log.warning("%s", unknown_strays_warning(name, error))
            return
        for wiro_task_id, usd in billed(found):
            self._going.ledger.note(entries.task_billed(wiro_task_id, usd))
        for warning in stray_warnings(found, name):
            log.warning("%s", warning)

"""Finds the tasks of a batch's lost Runs in Wiro's list, or that they were certainly not started."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.lost_runs.unknown_sendings import OWN_IDS, lost_run
from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from airflow_provider_wiro.recovery import lost_runs
from airflow_provider_wiro.recovery.lost_runs import Findings, find_lost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.run_sender import RunSender, StoppableHook
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.batch.state.batch_state import BatchState
    from airflow_provider_wiro.recovery.lost_runs import LostRun
    from airflow_provider_wiro.recovery.sending import Sending

#: A wait that is at least this long is logged.
_LONG_WAIT_SECONDS = 30


class Resolution:
    """
    What became of lost Runs.

    :ivar found: the findings about the Runs that are resolved.
    :ivar doubts: item → why a person has to check.
    """

    def __init__(self, found: Findings, doubts: dict[int, str]) -> None:
        self.found = found
        self.doubts = doubts


class LostRunResolver:
    """
    Searches Wiro's list for lost Runs.

    Meanwhile others may be sent: their tasks are known once their responses arrive. Only when the search
    finds a task that may be a lost Run's, it has to rule out the Runs in flight: then nothing more is sent
    until all of their responses have arrived, and it searches again.
    """

    def __init__(
        self,
        settings: BatchSettings,
        hook: StoppableHook,
        state: BatchState,
        inputs: Inputs,
        sender: RunSender,
    ) -> None:
        #: Nothing may be sent while this is set.
        self.is_exclusive = False
        #: Whether it waits before the next search for all lost Runs.
        self.is_pausing = False
        self._settings = settings
        self._hook = hook
        self._state = state
        self._inputs = inputs
        self._sender = sender
        self._items: set[int] = set()
        #: Item → seconds until it can be certain, at the Unix time of the last search.
        self._open: dict[int, float] = {}
        self._searched_at = 0.0
        #: Items whose wait was logged.
        self._logged: set[int] = set()
        self._sent = 0
        self._in_flight = 0
        self._concluded = asyncio.Event()
        self._has_more = asyncio.Event()

    @property
    def items(self) -> list[int]:
        """The items whose Runs are lost."""
        return list(self._items)

    @property
    def in_flight(self) -> int:
        """How many Runs were sent and have no response yet."""
        return self._in_flight

    def run_sent(self) -> None:
        """Count a Run as in flight."""
        self._sent += 1
        self._in_flight += 1

    def run_concluded(self) -> None:
        """Count a Run as no longer in flight; call it after its journal entry is applied."""
        self._in_flight -= 1
        self._concluded.set()

    def add_lost(self, item: int) -> None:
        """Search for the Run of an item from now on."""
        self._items.add(item)
        self.is_pausing = False
        self._has_more.set()

    def give_up(self) -> None:
        """Search no more; a later try will."""
        self._items.clear()

    def next_search_at(self, *, is_deferred: bool) -> float | None:
        """
        Return when to search again, as Unix time; None if no Run is lost.

        :param is_deferred: each search needs a worker, so it comes less often.
        """
        if not self._items:
            return None
        pauses = [
            lost_runs.search_pause_seconds(
                self._searched_at - self._state.attempts[item].sending.intended_at,
                self._open.get(item, 0.0),
                is_deferred=is_deferred,
            )
            for item in self._items
        ]
        return self._searched_at + min(pauses)

    async def resolve(self) -> Resolution:
        """
        Return once at least one Run is resolved.

        :raises WiroError: Wiro can't be asked.
        """
        while self._items:
            self._has_more.clear()
            try:
                found = await self._find()
            except WiroOrphanedRunError as error:
                doubts = {item: str(error) for item in self.items}
                return self._resolved(Resolution(Findings(), doubts))
            doubts = {
                item: str(lost_runs.doubt(self._settings.model, ids)) for item, ids in found.doubts.items()
            }
            if found.tasks or doubts or found.not_started:
                return self._resolved(Resolution(found, doubts))
            await self._pause(found)
        return Resolution(Findings(), {})

    async def _find(self) -> Findings:
        sent = self._sent
        was_quiet = not self._in_flight
        found = await self._search()
        if not found.has_tasks or (was_quiet and sent == self._sent):
            return found
        self.is_exclusive = True
        try:
            while self._in_flight:
                self._concluded.clear()
                await self._concluded.wait()
            return await self._search()
        finally:
            self.is_exclusive = False

    async def _search(self) -> Findings:
        lost = await self.lost_runs(self.items)
        if not lost:
            return Findings()
        return await self._hook.run_flow(
            lambda context: find_lost(
                context,
                lost,
                self._state.known_ids,
                own_ids=self._state.known_ids.latest(OWN_IDS),
                patience_seconds=self._settings.lost_run_patience,
            )
        )

    async def lost_runs(self, items: Iterable[int]) -> list[LostRun]:
        """
        Return the lost Runs of items, to search for.

        Reading an item's files takes a while, during which other Runs can be lost, or found.
        """
        lost = []
        for item in list(items):
            attempt = self._state.attempts.get(item)
            if attempt is not None and attempt.wiro_task_id is None:
                lost.append(await self.lost_run(item, item, attempt.sending))
        return lost

    async def lost_run(self, number: int, item: int, sending: Sending) -> LostRun:
        """
        Return a sending of an item, to search for.

        :param number: identifies it in the findings.
        """
        spec = self._inputs[item]
        files = await self._sender.sent_files(spec)
        attempt = self._state.attempts.get(item)
        digests = {} if attempt is None else attempt.files
        return lost_run(self._settings, self._inputs, number, spec, sending, files, digests)

    async def _pause(self, found: Findings) -> None:
        self._searched_at, self._open = self._settings.now(), found.open
        if self._has_more.is_set():
            return
        self._log_waits(found.open)
        self.is_pausing = True
        until = self.next_search_at(is_deferred=False)
        try:
            async with asyncio.timeout(None if until is None else until - self._searched_at):
                await self._has_more.wait()
        except TimeoutError:
            return
        finally:
            self.is_pausing = False

    def _log_waits(self, seconds_open: Mapping[int, float]) -> None:
        """Log once for each item that it takes a while until its Run may be sent again."""
        new = {
            item: seconds
            for item, seconds in seconds_open.items()
            if item not in self._logged and seconds >= _LONG_WAIT_SECONDS
        }
        if not new:
            return
        self._logged.update(new)
        until = datetime.fromtimestamp(self._searched_at + max(new.values()), UTC)
        others = f" and {len(new) - 1:,} more" if len(new) > 1 else ""
        self._settings.log.info(
            "It isn't known whether the Run of %s%s has started a task. Wiro may still start one, so the "
            "batch searches Wiro's list until %s UTC at most, and sends nothing for it again before.",
            self._inputs.name(min(new)).replace("Item", "item", 1),
            others,
            until.strftime("%H:%M:%S"),
        )

    def _resolved(self, resolution: Resolution) -> Resolution:
        self._items.difference_update(resolution.found.tasks, resolution.found.not_started, resolution.doubts)
        return resolution

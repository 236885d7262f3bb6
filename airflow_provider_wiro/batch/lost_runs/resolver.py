"""Runs of a batch whose answers were lost: found among Wiro's tasks, or certainly not started."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.lost_runs.unknown_sendings import OWN_IDS, lost_run
from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from airflow_provider_wiro.recovery import lost_runs
from airflow_provider_wiro.recovery.lost_runs import Findings, find_lost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.run_sender import RunSender, StoppableHook
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.batch.state.batch_state import BatchState
    from airflow_provider_wiro.recovery.lost_runs import LostRun
    from airflow_provider_wiro.recovery.sending import Sending


class Resolution:
    """
    What has become of lost runs.

    :ivar found: the findings about the runs that are settled.
    :ivar doubts: item → why a person has to look.
    """

    def __init__(self, found: Findings, doubts: dict[int, str]) -> None:
        self.found = found
        self.doubts = doubts


class LostRunResolver:
    """
    Looks for lost runs.

    While it looks, others may be sent: their tasks are known as soon as they are answered. Only when a task
    is found that may be a lost one, it has to be certain that it is none of those still on their way: then
    nothing more is sent until all of these are answered, and it looks again.
    """

    def __init__(
        self,
        job: BatchSettings,
        hook: StoppableHook,
        record: BatchState,
        inputs: Inputs,
        submitter: RunSender,
    ) -> None:
        #: Nothing may be sent while this is set.
        self.is_exclusive = False
        #: Whether all lost runs were looked for, and it waits before it looks again.
        self.is_pausing = False
        self._job = job
        self._hook = hook
        self._record = record
        self._inputs = inputs
        self._submitter = submitter
        self._items: set[int] = set()
        #: Item → seconds until it can be certain, at the Unix time of the last look.
        self._open: dict[int, float] = {}
        self._looked_at = 0.0
        self._sent = 0
        self._on_their_way = 0
        self._answered = asyncio.Event()
        self._has_more = asyncio.Event()

    @property
    def items(self) -> list[int]:
        """The items whose runs are looked for."""
        return list(self._items)

    @property
    def on_their_way(self) -> int:
        """Runs that were sent and not yet answered."""
        return self._on_their_way

    def sends(self) -> None:
        """Count a Run as in flight."""
        self._sent += 1
        self._on_their_way += 1

    def is_answered(self) -> None:
        """Count a Run as answered or lost; to be called after the record knows."""
        self._on_their_way -= 1
        self._answered.set()

    def lose(self, item: int) -> None:
        """Look for the Run of an item from now on."""
        self._items.add(item)
        self.is_pausing = False
        self._has_more.set()

    def give_up(self) -> None:
        """Look for nothing any more; a later try will."""
        self._items.clear()

    def look_at(self, *, is_deferred: bool) -> float | None:
        """
        Return when to look again, as Unix time; None if nothing is looked for.

        :param is_deferred: each look takes a worker from its queue, so that it comes more seldom.
        """
        if not self._items:
            return None
        pauses = [
            lost_runs.search_pause_seconds(
                self._looked_at - self._record.attempts[item].sending.intended_at,
                self._open.get(item, 0.0),
                is_deferred=is_deferred,
            )
            for item in self._items
        ]
        return self._looked_at + min(pauses)

    async def settle(self) -> Resolution:
        """
        Return once there is news of at least one.

        :raises WiroError: Wiro can't be asked.
        """
        while self._items:
            self._has_more.clear()
            try:
                found = await self._find()
            except WiroOrphanedRunError as error:
                doubts = {item: str(error) for item in self.items}
                return self._verdict(Resolution(Findings(), doubts))
            doubts = {item: str(lost_runs.doubt(self._job.model, ids)) for item, ids in found.doubts.items()}
            if found.tasks or doubts or found.not_started:
                return self._verdict(Resolution(found, doubts))
            await self._pause(found)
        return Resolution(Findings(), {})

    async def _find(self) -> Findings:
        sent = self._sent
        was_quiet = not self._on_their_way
        found = await self._look()
        if not found.has_tasks or (was_quiet and sent == self._sent):
            return found
        self.is_exclusive = True
        try:
            while self._on_their_way:
                self._answered.clear()
                await self._answered.wait()
            return await self._look()
        finally:
            self.is_exclusive = False

    async def _look(self) -> Findings:
        lost = await self.lost_runs(self.items)
        if not lost:
            return Findings()
        return await self._hook.converse(
            lambda outside: find_lost(
                outside,
                lost,
                self._record.known_ids,
                own_ids=self._record.known_ids.latest(OWN_IDS),
                patience_seconds=self._job.lost_run_patience,
            )
        )

    async def lost_runs(self, items: Iterable[int]) -> list[LostRun]:
        """
        Return the sent Runs of items whose task is not known, to be looked for.

        Reading an item's files takes a while, in which others can be lost, or found.
        """
        lost = []
        for item in list(items):
            attempt = self._record.attempts.get(item)
            if attempt is not None and attempt.wiro_task_id is None:
                lost.append(await self.lost_run(item, item, attempt.sending))
        return lost

    async def lost_run(self, number: int, item: int, sending: Sending) -> LostRun:
        """
        Return a sending of an item, to be looked for.

        :param number: what it is called in the findings.
        """
        spec = self._inputs[item]
        files = await self._submitter.sent_files(spec)
        attempt = self._record.attempts.get(item)
        digests = {} if attempt is None else attempt.files
        return lost_run(self._job, self._inputs, number, spec, sending, files, digests)

    async def _pause(self, found: Findings) -> None:
        self._looked_at, self._open = self._job.now(), found.open
        if self._has_more.is_set():
            return
        self.is_pausing = True
        until = self.look_at(is_deferred=False)
        try:
            async with asyncio.timeout(None if until is None else until - self._looked_at):
                await self._has_more.wait()
        except TimeoutError:
            return
        finally:
            self.is_pausing = False

    def _verdict(self, verdict: Resolution) -> Resolution:
        self._items.difference_update(verdict.found.tasks, verdict.found.not_started, verdict.doubts)
        return verdict

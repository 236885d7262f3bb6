"""Runs of a batch whose answers were lost: found among Wiro's tasks, or certainly not started."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_wiro.api import resume
from airflow_provider_wiro.api.lost_runs import Findings, LostRun, find_lost
from airflow_provider_wiro.exceptions import WiroOrphanedRunError

if TYPE_CHECKING:
    from airflow_provider_wiro.api.batch_record import BatchRecord
    from airflow_provider_wiro.batch.inputs import Inputs
    from airflow_provider_wiro.batch.job import Job
    from airflow_provider_wiro.batch.submitting import StoppableHook

_LONGEST_PAUSE_SECONDS = 8.0


@dataclass(frozen=True)
class Verdict:
    """
    What has become of lost runs.

    :ivar tasks: item → its task.
    :ivar not_started: items whose Run has certainly started nothing.
    :ivar doubts: item → why a person has to look.
    """

    tasks: dict[int, str]
    not_started: list[int]
    doubts: dict[int, str]


class Settler:
    """
    Looks for lost runs.

    While it looks, others may be sent: their tasks are known as soon as they are answered. Only when a task
    is found that may be a lost one, it has to be certain that it is none of those still on their way: then
    nothing more is sent until all of these are answered, and it looks again.
    """

    def __init__(self, job: Job, hook: StoppableHook, record: BatchRecord, inputs: Inputs) -> None:
        #: Nothing may be sent while this is set.
        self.is_exclusive = False
        self._job = job
        self._hook = hook
        self._record = record
        self._inputs = inputs
        self._certain_at: dict[int, float] = {}
        self._sent = 0
        self._on_their_way = 0
        self._answered = asyncio.Event()
        self._has_more = asyncio.Event()
        self._looks = 0

    @property
    def items(self) -> list[int]:
        """The items whose runs are looked for."""
        return list(self._certain_at)

    @property
    def on_their_way(self) -> int:
        """Runs that were sent and not yet answered."""
        return self._on_their_way

    def sends(self) -> None:
        """Be told that a Run is sent."""
        self._sent += 1
        self._on_their_way += 1

    def is_answered(self) -> None:
        """Be told that a Run was answered, or its answer lost, and that the record knows."""
        self._on_their_way -= 1
        self._answered.set()

    def lose(self, item: int) -> None:
        """Look for the Run of an item from now on. It may still be on its way, however old the intent is."""
        self._certain_at[item] = self._job.now() + resume.SETTLING.total_seconds()
        self._looks = 0
        self._has_more.set()

    def give_up(self) -> None:
        """Look for nothing any more; a later try will."""
        self._certain_at.clear()

    async def settle(self) -> Verdict:
        """
        Return once there is news of at least one.

        :raises WiroError: Wiro can't be asked.
        """
        while True:
            self._has_more.clear()
            began_at = self._job.now()
            try:
                findings = await self._find()
            except WiroOrphanedRunError as error:
                return self._verdict(Findings(), [], {item: str(error) for item in self.items})
            overdue = [
                item
                for item, certain_at in self._certain_at.items()
                if certain_at <= began_at and item not in findings.tasks and item not in findings.doubts
            ]
            doubts = {item: self._doubt(ids) for item, ids in findings.doubts.items()}
            if self._job.project_id is not None:
                doubts |= {item: self._unlisted() for item in overdue}
                overdue = []
            if findings.tasks or doubts or overdue:
                return self._verdict(findings, overdue, doubts)
            await self._pause()

    async def _find(self) -> Findings:
        sent = self._sent
        was_quiet = not self._on_their_way
        findings = await self._look()
        if findings.is_empty or (was_quiet and sent == self._sent):
            return findings
        self.is_exclusive = True
        try:
            while self._on_their_way:
                self._answered.clear()
                await self._answered.wait()
            return await self._look()
        finally:
            self.is_exclusive = False

    async def _look(self) -> Findings:
        lost = [self._lost(item) for item in self._certain_at]
        return await self._hook.converse(lambda outside: find_lost(outside, lost, self._record.known_ids))

    def _lost(self, item: int) -> LostRun:
        attempt = self._record.attempts[item]
        return LostRun(
            item, self._job.model, self._inputs[item].parameters, attempt.fingerprint, attempt.baseline
        )

    async def _pause(self) -> None:
        self._looks += 1
        until_certain = max(0.1, min(self._certain_at.values()) - self._job.now())
        seconds = min(2.0 ** min(self._looks, 10), _LONGEST_PAUSE_SECONDS, until_certain)
        try:
            async with asyncio.timeout(seconds):
                await self._has_more.wait()
        except TimeoutError:
            return

    def _verdict(self, findings: Findings, not_started: list[int], doubts: dict[int, str]) -> Verdict:
        for item in (*findings.tasks, *not_started, *doubts):
            del self._certain_at[item]
        return Verdict(findings.tasks, not_started, doubts)

    def _doubt(self, ids: list[str]) -> str:
        return (
            f"The answer of a Run of {self._job.model} was lost, and it can't be told which task it has "
            f"started, if any: {', '.join(ids)}. Look at them in the dashboard at wiro.ai. "
            "on_orphaned_intent='resubmit' starts a new run."
        )

    def _unlisted(self) -> str:
        return (
            f"The answer of a Run of {self._job.model} was lost. It bills another project, and may be "
            "missing from this one's list. Look in the dashboard at wiro.ai. on_orphaned_intent='resubmit' "
            "starts a new run."
        )

"""One item's Run from the intent to the id, and what becomes of it where that fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_wiro.api import batch_record
from airflow_provider_wiro.api.batch_record import Attempt
from airflow_provider_wiro.api.resume import MAX_LOSSES, never_started
from airflow_provider_wiro.exceptions import (
    WiroConcurrencyLimitError,
    WiroError,
    WiroLostRunError,
    WiroOrphanedRunError,
    WiroUsageError,
    WiroValidationError,
)
from airflow_provider_wiro.hooks.shell import poll_patience_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.api.batching import ActiveLimit
    from airflow_provider_wiro.batch.going import Going
    from airflow_provider_wiro.batch.settling import Settler
    from airflow_provider_wiro.batch.submitting import StoppableHook, Submitter

#: After a Run that failed through no fault of its item's (an outage), nothing is sent for so long.
TROUBLE_PAUSE_SECONDS = 5.0


class Sending:
    """
    Sends items' Runs, and finds out about lost ones.

    :param follows: begins to follow an item that has a task.
    """

    def __init__(
        self,
        going: Going,
        hook: StoppableHook,
        submitter: Submitter,
        settler: Settler,
        limit: ActiveLimit,
        follows: Callable[[int], None],
    ) -> None:
        #: Nothing is sent before this Unix time.
        self.not_before = 0.0
        self._going = going
        self._job = going.job
        self._hook = hook
        self._submitter = submitter
        self._settler = settler
        self._limit = limit
        self._follows = follows
        #: In a row, of items that have no task yet: errors hold frames, so they go when it has one.
        self._losses: dict[int, list[WiroLostRunError]] = {}
        self._trouble_since: float | None = None

    @property
    def is_in_trouble(self) -> bool:
        """Whether Runs fail for a reason that is not their own."""
        return self._trouble_since is not None

    async def send(self, item: int) -> bool:
        """
        Send an item's Run, and return whether it has a task now.

        :raises WiroRecordError: the intent can't be kept; nothing was sent.
        """
        spec = self._going.inputs[item]
        attempt = Attempt(
            self._going.inputs.fingerprint_of(spec),
            await self._submitter.newest_before(),
            self._job.now(),
            self._job.try_number,
        )
        await self._going.ledger.intend(item, attempt)
        try:
            self._hook.check()
            started = await self._submitter.send(spec, attempt.intended_at + self._job.timeout_seconds)
        except WiroLostRunError as error:
            self._lose(item, error)
            return False
        except Exception as error:
            self._going.ledger.note(batch_record.gone(item))
            await self._not_started(item, error)
            return False
        self._trouble_since = None
        self._losses.pop(item, None)
        self._limit.accepted()
        await self._going.ledger.started(item, started.wiro_task_id)
        return True

    async def _not_started(self, item: int, error: Exception) -> None:
        """Decide what it means that a Run certainly started nothing: for its item, or for all."""
        now, going = self._job.now(), self._going
        if isinstance(error, WiroValidationError | WiroUsageError):
            await going.fail(item, error, is_final=True)
            return
        going.put_back(item)
        if isinstance(error, WiroConcurrencyLimitError):
            before = self._limit.current
            self._limit.refused(len(going.active), now)
            if self._limit.current != before:
                self._job.log.info("%s Going on with %d at once.", error, self._limit.current)
        elif isinstance(error, WiroError) and error.may_retry:
            self._trouble_since = now if self._trouble_since is None else self._trouble_since
            self.not_before = now + TROUBLE_PAUSE_SECONDS
            if now - self._trouble_since >= poll_patience_seconds():
                going.end_all(error)
        else:
            going.end_all(error)

    def _lose(self, item: int, error: WiroLostRunError) -> None:
        self._losses.setdefault(item, []).append(error)
        self._job.log.warning(
            "%s: %s Looking for it among the project's latest tasks.", self._going.inputs.name(item), error
        )
        self._settler.lose(item)

    async def settle(self) -> None:
        """Find out about all lost runs."""
        while self._settler.items:
            lost = self._settler.items
            try:
                verdict = await self._settler.settle()
            except Exception as error:
                self._going.active.difference_update(lost)
                self._settler.give_up()
                self._going.end_all(error)
                return
            for item, wiro_task_id in verdict.tasks.items():
                self._job.log.info(
                    "Lost run of %s: it had started Wiro task %s.",
                    self._going.inputs.name(item),
                    wiro_task_id,
                )
                self._losses.pop(item, None)
                await self._going.ledger.started(item, wiro_task_id)
                self._follows(item)
            for item in verdict.not_started:
                self._job.log.info(
                    "Lost run of %s: Wiro has started no task for it.", self._going.inputs.name(item)
                )
                losses = self._losses.get(item, [])
                if len(losses) < MAX_LOSSES:
                    self._going.pend(item)
                else:
                    await self._going.fail(item, never_started(self._losses.pop(item)), is_final=True)
            for item, reason in verdict.doubts.items():
                await self._doubt(item, reason)
            # What comes of it may be more to do, or the end.
            self._going.wake()
            await asyncio.sleep(0)

    async def _doubt(self, item: int, reason: str) -> None:
        if self._job.resubmits_orphans:
            self._job.log.warning("%s: %s Starting anew.", self._going.inputs.name(item), reason)
            self._going.pend(item)
        else:
            await self._going.fail(item, WiroOrphanedRunError(reason), is_final=True, keeps_task=True)

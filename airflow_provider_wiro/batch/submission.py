"""One item's Run from the intent to the id, and what becomes of it where that fails."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.journal.interface import JournalFencedError
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.items import Attempt
from airflow_provider_wiro.exceptions import (
    WiroConcurrencyLimitError,
    WiroError,
    WiroLostRunError,
    WiroOrphanedRunError,
    WiroUsageError,
    WiroValidationError,
)
from airflow_provider_wiro.hooks.flow_context import poll_patience_seconds
from airflow_provider_wiro.input_files.sent_files import digests_of
from airflow_provider_wiro.recovery.resume import MAX_LOSSES, never_started
from airflow_provider_wiro.recovery.sending import Sending

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.batch.concurrency import ActiveLimit
    from airflow_provider_wiro.batch.item_queue import ItemQueue
    from airflow_provider_wiro.batch.lost_runs.resolver import LostRunResolver
    from airflow_provider_wiro.batch.run_sender import RunSender, StoppableHook

#: After a Run that failed through no fault of its item's (an outage), nothing is sent for so long.
TROUBLE_PAUSE_SECONDS = 5.0
#: A Run that is sent longer than this after its intent became durable is sent only if the journal takes that.
MOMENT_SECONDS = 1.0


class ItemSubmitter:
    """
    Sends items' Runs, and finds out about lost ones.

    :param follows: begins to follow an item that has a task.
    """

    def __init__(
        self,
        going: ItemQueue,
        hook: StoppableHook,
        submitter: RunSender,
        settler: LostRunResolver,
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
        #: The last of each item that has no task yet: errors hold frames, so they go when it has one.
        self._losses: dict[int, WiroLostRunError] = {}
        self._trouble_since: float | None = None

    @property
    def is_in_trouble(self) -> bool:
        """Whether Runs fail for a reason that is not their own."""
        return self._trouble_since is not None

    async def send(self, item: int) -> bool:
        """
        Send an item's Run, and return whether it has a task now.

        :raises OvertakenError: another process goes on with the batch; nothing was sent.
        :raises WiroRecordError: the intent can't be kept; nothing was sent.
        """
        spec = self._going.inputs[item]
        try:
            self._hook.check()
            self._going.inputs.check_trust(item)
            prepared = await self._submitter.prepare(spec)
        except Exception as error:
            await self._not_started(item, error)
            return False
        baseline = await self._submitter.baseline()
        attempt = Attempt(
            self._going.inputs.fingerprint_of(spec),
            Sending(self._job.now(), baseline.newest, baseline.wiro_at),
            self._job.try_number,
            files=digests_of(prepared.files),
        )
        await self._going.ledger.intend(item, attempt)
        leaving = _Leaving(item, attempt, self._going, self._submitter)
        watch = asyncio.create_task(prepared.upload.watch(lambda: leaving.left_at, leaving.note_upload))
        try:
            started = await self._submitter.send(
                prepared, attempt.sending.intended_at + self._job.timeout_seconds, leaving.confirm
            )
        except WiroLostRunError as error:
            after = leaving.seconds
            self._lose(item, error, after, after - (prepared.upload.seconds(leaving.left_at) or 0.0))
            return False
        except JournalFencedError:
            raise
        except Exception as error:
            self._going.ledger.note(entries.run_not_started(item))
            await self._not_started(item, error)
            return False
        finally:
            watch.cancel()
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

    def _lose(self, item: int, error: WiroLostRunError, after_seconds: float, silent_seconds: float) -> None:
        """
        Look for a Run whose answer was lost.

        :param after_seconds: from the sending to the loss.
        :param silent_seconds: from the last byte that was sent to the loss.
        """
        self._losses[item] = error
        sending = self._going.record.attempts[item].sending.lose(error, after_seconds, silent_seconds)
        self._going.ledger.note(entries.run_lost(item, sending))
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
            for item, wiro_task_id in verdict.found.tasks.items():
                await self._found(item, verdict.found.seen[wiro_task_id])
            for item in verdict.found.not_started:
                await self._may_be_sent_again(item)
            for item, reason in verdict.doubts.items():
                await self._doubt(item, reason)
            # What comes of it may be more to do, or the end.
            self._going.wake()
            await asyncio.sleep(0)

    async def _found(self, item: int, task: Task) -> None:
        going = self._going
        self._job.log.info("Lost run of %s: it had started Wiro task %s.", going.inputs.name(item), task.id)
        self._losses.pop(item, None)
        sending = going.record.attempts[item].sending
        await going.ledger.started(item, task.id)
        if sending.wiro_at is not None and task.created_at is not None:
            # Its time counts from when Wiro created the task, which can be minutes after the Run was sent.
            late = task.created_at.timestamp() - sending.wiro_at
            if late > 0:
                going.ledger.note(entries.timeout_restarted(item, sending.intended_at + late))
        self._follows(item)

    async def _may_be_sent_again(self, item: int) -> None:
        going = self._going
        self._job.log.info("Lost run of %s: Wiro has started no task for it.", going.inputs.name(item))
        count = going.record.losses(item) + 1
        if count < MAX_LOSSES:
            going.pend(item, was_lost=True)
            return
        last = self._losses.pop(item, None)
        going.ledger.note(entries.lost_run_not_started(item, self._job.try_number))
        await going.fail(item, never_started(count, last), is_final=True)

    async def _doubt(self, item: int, reason: str) -> None:
        if self._job.resubmits_orphans:
            self._job.log.warning("%s: %s Starting anew.", self._going.inputs.name(item), reason)
            self._going.pend(item, was_lost=True)
        else:
            await self._going.fail(item, WiroOrphanedRunError(reason), is_final=True, keeps_task=True)


class _Leaving:
    """
    The moment at which a Run leaves, and that it may.

    :ivar seconds: since it left.
    :ivar left_at: by the monotonic clock.
    """

    def __init__(self, item: int, attempt: Attempt, going: ItemQueue, submitter: RunSender) -> None:
        self._item = item
        self._attempt = attempt
        self._going = going
        self._submitter = submitter
        self._clock = time.monotonic
        self._noted_at = self.left_at = self._clock()
        self._noted_at_by_wall = time.time()

    @property
    def seconds(self) -> float:
        return self._clock() - self.left_at

    async def confirm(self) -> None:
        """
        Make sure that the batch is still this process's, where the intent is older than a moment.

        :raises OvertakenError: it is another's.
        :raises WiroRecordError: it can't be told.
        """
        # The monotonic clock stands still while a machine is suspended, and the wall's can be set.
        by_wall = abs(time.time() - self._noted_at_by_wall)
        if max(self._clock() - self._noted_at, by_wall) > MOMENT_SECONDS:
            baseline = await self._submitter.baseline(is_new=True)
            sending = Sending(self._going.job.now(), baseline.newest, baseline.wiro_at)
            self._attempt = replace(self._attempt, sending=sending)
            await self._going.ledger.renew(self._item, self._attempt)
            self._noted_at, self._noted_at_by_wall = self._clock(), time.time()
        self.left_at = self._clock()

    async def note_upload(self, seconds: float) -> None:
        """
        Keep for how long the Run's files have been on their way.

        :raises OvertakenError: the batch is another process's; nothing more may be sent.
        :raises WiroRecordError: it can't be kept.
        """
        sending = replace(self._attempt.sending, uploaded_for=seconds)
        self._attempt = replace(self._attempt, sending=sending)
        await self._going.ledger.renew(self._item, self._attempt)

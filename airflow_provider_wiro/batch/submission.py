"""Submits one item: from the intent to the task's id, and what to do if that fails."""

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
    from airflow_provider_wiro.batch.spending.gate import SpendingGate

#: How long nothing is sent after a Run that failed for a reason that isn't its item's, such as an outage.
TROUBLE_PAUSE_SECONDS = 5.0
#: A Run that is sent longer than this after its intent became durable needs another journal entry first.
MOMENT_SECONDS = 1.0


class ItemSubmitter:
    """
    Sends items' Runs, and resolves lost ones.

    :param follows: starts to follow an item that has a task.
    :param gate: gave out the items, with what they may cost.
    """

    def __init__(
        self,
        queue: ItemQueue,
        hook: StoppableHook,
        sender: RunSender,
        resolver: LostRunResolver,
        limit: ActiveLimit,
        follows: Callable[[int], None],
        gate: SpendingGate,
    ) -> None:
        #: Nothing is sent before this Unix time.
        self.not_before = 0.0
        self._queue = queue
        self._settings = queue.settings
        self._hook = hook
        self._sender = sender
        self._resolver = resolver
        self._limit = limit
        self._follows = follows
        self._gate = gate
        #: The last loss of each item without a task. Errors hold frames, so they are dropped once it has one.
        self._losses: dict[int, WiroLostRunError] = {}
        self._trouble_since: float | None = None

    @property
    def is_in_trouble(self) -> bool:
        """Whether Runs fail for a reason that isn't theirs."""
        return self._trouble_since is not None

    async def send(self, item: int) -> bool:
        """
        Send an item's Run, and return whether it has a task now.

        :raises JournalFencedError: another process continues the batch; nothing was sent.
        :raises WiroRecordError: the intent can't be kept; nothing was sent.
        """
        spec = self._queue.inputs[item]
        try:
            self._hook.check()
            self._queue.inputs.check_trust(item)
            if not self._settings.fails_fast and not self._queue.state.runs_sent(item):
                self._sender.rules.check(spec)  # else all were checked before the first Run
            prepared = await self._sender.prepare(spec)
        except Exception as error:
            await self._not_started(item, error)
            return False
        baseline = await self._sender.baseline()
        attempt = Attempt(
            self._queue.inputs.fingerprint_of(spec),
            Sending(self._settings.now(), baseline.newest, baseline.wiro_at),
            self._settings.try_number,
            files=digests_of(prepared.files),
            max_usd=self._gate.reserved(item),
            item_id=spec.id,
        )
        await self._queue.recorder.intend(item, attempt)
        departure = _Departure(item, attempt, self._queue, self._sender)
        watch = asyncio.create_task(prepared.upload.watch(lambda: departure.left_at, departure.note_upload))
        try:
            started = await self._sender.send(
                prepared, attempt.sending.intended_at + self._settings.timeout_seconds, departure.confirm
            )
        except WiroLostRunError as error:
            after = departure.seconds
            self._lose(item, error, after, after - (prepared.upload.seconds(departure.left_at) or 0.0))
            return False
        except JournalFencedError:
            raise
        except Exception as error:
            self._queue.recorder.note(entries.run_not_started(item))
            await self._not_started(item, error)
            return False
        finally:
            watch.cancel()
        self._trouble_since = None
        self._losses.pop(item, None)
        self._limit.accepted()
        await self._queue.recorder.started(item, started.wiro_task_id)
        return True

    async def _not_started(self, item: int, error: Exception) -> None:
        """Decide whether the reason why a Run started nothing concerns its item, or all of them."""
        now, queue = self._settings.now(), self._queue
        if isinstance(error, WiroValidationError | WiroUsageError):
            await queue.fail(item, error, is_final=True)
            return
        queue.requeue_first(item)
        if isinstance(error, WiroConcurrencyLimitError):
            before = self._limit.current
            self._limit.refused(len(queue.active), now)
            if self._limit.current != before:
                self._settings.log.info("%s Continuing with %d at once.", error, self._limit.current)
        elif isinstance(error, WiroError) and error.may_retry:
            self._trouble_since = now if self._trouble_since is None else self._trouble_since
            self.not_before = now + TROUBLE_PAUSE_SECONDS
            if now - self._trouble_since >= poll_patience_seconds():
                queue.close(error)
        else:
            queue.close(error)

    def _lose(self, item: int, error: WiroLostRunError, after_seconds: float, idle_seconds: float) -> None:
        """
        Have a Run searched for whose response was lost.

        :param after_seconds: from the sending to the loss.
        :param idle_seconds: from the last byte that was sent to the loss.
        """
        self._losses[item] = error
        sending = self._queue.state.attempts[item].sending.lose(error, after_seconds, idle_seconds)
        self._queue.recorder.note(entries.run_lost(item, sending))
        self._settings.log.warning(
            "%s: %s Searching for it among the project's latest tasks.", self._queue.inputs.name(item), error
        )
        self._resolver.add_lost(item)

    async def resolve_lost_runs(self) -> None:
        """Search for lost Runs until there are none, and handle what is found."""
        while self._resolver.items:
            lost = self._resolver.items
            try:
                resolution = await self._resolver.resolve()
            except Exception as error:
                self._queue.active.difference_update(lost)
                self._resolver.give_up()
                self._queue.close(error)
                return
            for item, wiro_task_id in resolution.found.tasks.items():
                await self._found(item, resolution.found.seen[wiro_task_id])
            for item in resolution.found.not_started:
                await self._may_be_sent_again(item)
            for item, reason in resolution.doubts.items():
                await self._doubt(item, reason)
            # There may be more to do now, or nothing.
            self._queue.wake()
            await asyncio.sleep(0)

    async def _found(self, item: int, task: Task) -> None:
        queue = self._queue
        self._settings.log.info(
            "Lost run of %s: it had started Wiro task %s.", queue.inputs.name(item), task.id
        )
        self._losses.pop(item, None)
        sending = queue.state.attempts[item].sending
        await queue.recorder.started(item, task.id)
        if sending.wiro_at is not None and task.created_at is not None:
            # The timeout counts from when Wiro created the task, which can be minutes after the Run was sent.
            late = task.created_at.timestamp() - sending.wiro_at
            if late > 0:
                queue.recorder.note(entries.timeout_restarted(item, sending.intended_at + late))
        self._follows(item)

    async def _may_be_sent_again(self, item: int) -> None:
        queue = self._queue
        self._settings.log.info("Lost run of %s: Wiro has started no task for it.", queue.inputs.name(item))
        count = queue.state.losses(item) + 1
        if count < MAX_LOSSES:
            queue.requeue(item, was_lost=True)
            return
        last = self._losses.pop(item, None)
        queue.recorder.note(entries.lost_run_not_started(item, self._settings.try_number))
        await queue.fail(item, never_started(count, last), is_final=True)

    async def _doubt(self, item: int, reason: str) -> None:
        if self._settings.resubmits_orphans:
            self._settings.log.warning("%s: %s Starting it again.", self._queue.inputs.name(item), reason)
            self._queue.requeue(item, was_lost=True)
        else:
            await self._queue.fail(item, WiroOrphanedRunError(reason), is_final=True, keeps_task=True)


class _Departure:
    """
    When a Run is sent, and that it still may be.

    :ivar seconds: since it was sent.
    :ivar left_at: when it was sent, by the monotonic clock.
    """

    def __init__(self, item: int, attempt: Attempt, queue: ItemQueue, sender: RunSender) -> None:
        self._item = item
        self._attempt = attempt
        self._queue = queue
        self._sender = sender
        self._clock = time.monotonic
        self._noted_at = self.left_at = self._clock()
        self._noted_at_by_wall = time.time()

    @property
    def seconds(self) -> float:
        return self._clock() - self.left_at

    async def confirm(self) -> None:
        """
        Make sure that this process still owns the journal, if the intent is older than a moment.

        :raises JournalFencedError: another one does.
        :raises WiroRecordError: it isn't known.
        """
        # The monotonic clock stands still while a machine is suspended, and the wall's can be set.
        by_wall = abs(time.time() - self._noted_at_by_wall)
        if max(self._clock() - self._noted_at, by_wall) > MOMENT_SECONDS:
            baseline = await self._sender.baseline(is_new=True)
            sending = Sending(self._queue.settings.now(), baseline.newest, baseline.wiro_at)
            self._attempt = replace(self._attempt, sending=sending)
            await self._queue.recorder.renew(self._item, self._attempt)
            self._noted_at, self._noted_at_by_wall = self._clock(), time.time()
        self.left_at = self._clock()

    async def note_upload(self, seconds: float) -> None:
        """
        Record for how long the Run's files have been uploading.

        :raises JournalFencedError: another process owns the journal; nothing more may be sent.
        :raises WiroRecordError: it can't be kept.
        """
        sending = replace(self._attempt.sending, uploaded_for=seconds)
        self._attempt = replace(self._attempt, sending=sending)
        await self._queue.recorder.renew(self._item, self._attempt)

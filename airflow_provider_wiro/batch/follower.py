"""One item from its task to its result: followed, stopped when overdue, landed."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.polling import Polling
from airflow_provider_wiro.api.run_summary import check_success, success_warnings
from airflow_provider_wiro.api.stop_task import STOP_PATIENCE_SECONDS
from airflow_provider_wiro.batch.deletion.own_inputs import own_inputs
from airflow_provider_wiro.batch.results.item_result import item_result
from airflow_provider_wiro.batch.reuse.few_lines import FewLines
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.exceptions import (
    WiroAnswerTooLargeError,
    WiroError,
    WiroNotFoundError,
    WiroOutputError,
    WiroOutputRefusedError,
    WiroTaskCancelledError,
    WiroTaskTimeoutError,
)
from airflow_provider_wiro.landing.deletion import reason_to_keep
from airflow_provider_wiro.recovery.resume import unknown_task
from airflow_provider_wiro.watching.task_log import ErrorStatusWarning
from airflow_provider_wiro.watching.watcher import watch_task

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.batch.item_queue import ItemQueue
    from airflow_provider_wiro.batch.landing import ItemTransfer
    from airflow_provider_wiro.batch.reuse.reused_items import ReusedItems
    from airflow_provider_wiro.batch.run_sender import StoppableHook
    from airflow_provider_wiro.batch.state.items import Attempt


class RunFollower:
    """
    Follows items that have a task to their end.

    :param transfer: lands outputs; None lands nothing.
    :param reused: knows where the card of an item's result belongs.
    :ivar must_poll: items whose tasks have to be read before anything is waited for.
    :ivar watched: items whose task is only followed at this moment.
    :ivar seen_running: items whose task was seen after it left Wiro's queue.
    """

    def __init__(
        self, queue: ItemQueue, hook: StoppableHook, transfer: ItemTransfer | None, reused: ReusedItems
    ) -> None:
        self.must_poll: set[int] = set()
        self.watched: set[int] = set()
        self.seen_running: set[int] = set()
        self._queue = queue
        self._settings = queue.settings
        self._hook = hook
        self._transfer = transfer
        self._reused = reused
        self._kept_log = FewLines(queue.settings.log)
        self._landing = asyncio.Semaphore(transfer.size if transfer else 1)

    def deadline(self, attempt: Attempt) -> float:
        """Return the Unix time at which an item's run times out."""
        return attempt.sending.intended_at + self._settings.timeout_seconds

    async def follow(self, item: int) -> None:
        """Follow an item with a task to its end, or until it is submitted again."""
        queue = self._queue
        while True:
            attempt = queue.state.attempts[item]
            self.watched.add(item)
            try:
                task = await self._watch(item, attempt)
            except WiroTaskTimeoutError as error:
                self._leave(item)
                is_over, ended = await self._stop_overdue(item, error)
                if ended is None and is_over:
                    # One that was killed while it ran can be charged, some time later.
                    was_running = item in self.seen_running
                    self.seen_running.discard(item)
                    await queue.fail(item, error, is_billed=was_running)
                    return
                if ended is None:
                    if not await queue.fail(item, error, keeps_task=True):
                        return
                    queue.active.add(item)
                    queue.recorder.note(entries.timeout_restarted(item, self._settings.now()))
                    continue
                task = ended
            except WiroNotFoundError:
                await self._handle_unknown_task(item, attempt)
                return
            except WiroAnswerTooLargeError as error:  # its task is kept, or it would be paid for again
                await queue.fail(item, error, is_final=True, keeps_task=True, is_billed=error.has_ended)
                return
            except WiroError as error:
                queue.active.discard(item)
                queue.close(error)
                return
            finally:
                self._leave(item)
            break
        queue.note_end(item, task)
        queue.active.discard(item)
        self.seen_running.discard(item)
        queue.run_times.note(task)
        queue.wake()
        await self._conclude(item, task)

    def _leave(self, item: int) -> None:
        self.watched.discard(item)
        self.must_poll.discard(item)

    async def _watch(self, item: int, attempt: Attempt) -> Task:
        def warn(line: str) -> None:
            self._settings.log.warning("%s", line)

        warning = ErrorStatusWarning(
            f"{self._queue.inputs.name(item)}: Wiro task {attempt.wiro_task_id}", warn
        )

        def observe(task: Task) -> None:
            warning.on_task(task)
            if not task.is_queued:
                self.seen_running.add(item)
            # A task that has ended is about to be returned, with its Detail; an overdue one times out.
            is_waiting = not task.is_terminal and self._settings.now() < self.deadline(attempt)
            if item in self.must_poll and is_waiting:
                self.must_poll.discard(item)
                self._queue.wake()

        if attempt.wiro_task_id is None:
            raise AssertionError("only a run with an id can be followed")
        since = min(attempt.followed_since, self._settings.now())
        started_at, deadline = map(self._settings.wall, (since, self.deadline(attempt)))
        return await watch_task(
            self._settings.wiro_conn_id,
            attempt.wiro_task_id,
            Polling(started_at, deadline, self._settings.poll_interval),
            watch=self._settings.watch,
            is_seen=item not in self.must_poll,
            observe=observe,
        )

    async def _stop_overdue(self, item: int, error: WiroTaskTimeoutError) -> tuple[bool, Task | None]:
        """Stop a task that timed out; return whether it is stopped, and the task if it ended by itself."""
        if not self._settings.cancel_on_timeout:
            return False, None
        try:
            task = await self._hook.stop_task(error.wiro_task_id, patience_seconds=STOP_PATIENCE_SECONDS)
            if task is None:  # it may have been running, and be charged, though no poll has seen that
                task = await self._hook.get_task(error.wiro_task_id)
        except WiroError as problem:
            self._settings.log.warning(
                "%s: Wiro task %s could not be stopped and may still run: %s",
                self._queue.inputs.name(item),
                error.wiro_task_id,
                problem,
            )
            return False, None
        if task is not None and task.started_at is not None:
            self.seen_running.add(item)
        if task is not None and task.is_cancelled:
            self._queue.count(task)
        has_ended_by_itself = task is not None and task.is_terminal and not task.is_cancelled
        return True, task if has_ended_by_itself else None

    async def _handle_unknown_task(self, item: int, attempt: Attempt) -> None:
        if self._settings.resubmits_orphans:
            self._queue.requeue(item, may_be_billed=True)
            return
        reason = unknown_task(str(attempt.wiro_task_id))
        await self._queue.fail(item, reason, is_final=True, keeps_task=True)

    async def _conclude(self, item: int, task: Task) -> None:
        """Handle a task that has ended, and count it once that is recorded."""
        was_counted = self._queue.state.attempts[item].has_ended
        if await self._settle(item, task) and not was_counted:
            self._queue.count(task)

    async def _settle(self, item: int, task: Task) -> bool:
        """Decide what becomes of the item of a task that has ended; False: the next try will see the end."""
        if task.has_succeeded and not task.outputs and self._queue.state.deletions.may_be_gone(item):
            gone = WiroOutputRefusedError(
                f"The outputs of Wiro task {task.id} landed in S3 and were deleted from Wiro, and then the "
                "part of the results that names them was lost. Find them by the task's id, in the keys or in "
                "the objects' metadata. The item is not run again."
            )
            await self._queue.fail(item, gone, task, is_final=True, keeps_task=True)
            return True
        try:
            check_success(task, min_outputs=self._settings.min_outputs)
        except WiroTaskCancelledError as error:
            self._hook.check()  # cancelled because this batch was stopped
            if self._queue.state.attempts[item].try_number != self._settings.try_number:
                # The earlier try that started it can stop it while this one follows it. What had run by then
                # is billed.
                if task.started_at is not None:
                    cost = task.cost_usd if task.cost_usd != "0" else None
                    usd = self._queue.state.attempts[item].max_usd
                    self._queue.recorder.note(entries.task_billed(task.id, cost, usd))
                self._queue.requeue(item)
                return True
            was_running = task.started_at is not None
            await self._queue.fail(item, error, task, is_final=True, is_billed=was_running)
        except WiroError as error:
            await self._queue.fail(item, error, task)
        else:
            for warning in success_warnings(task):
                self._queue.item_log.warn(item, warning)
            return await self._land(item, task)
        return True

    async def _land(self, item: int, task: Task) -> bool:
        """Land a task's outputs, if outputs land; only then the item is done. False: it is not over."""
        files: list[dict[str, Any]] | None = None
        inputs = await self._reused.fingerprint(item)
        if self._transfer is None:
            await self._reused.keep_text(inputs, task)
        else:
            async with self._landing:
                while files is None:
                    if self._queue.fatal is not None:
                        return False  # its task is known, and the next try lands it
                    self._hook.check()
                    try:
                        files = await self._landed(self._transfer, item, task, inputs)
                    except WiroOutputError as error:
                        if not await self._queue.fail(item, error, task, keeps_task=True):
                            return True
        starts = self._queue.state.runs_sent(item)
        result = item_result(
            "succeeded", starts, task, files=files, include_links=self._settings.include_links
        )
        await self._queue.end(item, result, deletes=await self._may_delete(item, task))
        return True

    async def _may_delete(self, item: int, task: Task) -> bool | None:
        """Return whether Wiro's copies of what has landed may be deleted; None where nobody wants that."""
        if self._transfer is None or not self._settings.delete_after:
            return None
        reason = reason_to_keep(
            task,
            self._transfer.unverified.pop(item, frozenset()),
            (await self._hook.get_wiro_connection()).base_url,
            deletes_shared_inputs=self._settings.deletes_shared_inputs,
            own_inputs=own_inputs(self._queue.inputs[item]),
        )
        if reason is not None:
            self._kept_log.warning(
                "%s: the files of Wiro task %s stay at Wiro: %s.",
                self._queue.inputs.name(item),
                task.id,
                reason,
            )
        return reason is None

    async def _landed(
        self, transfer: ItemTransfer, item: int, task: Task, inputs: str | None
    ) -> list[dict[str, Any]]:
        state = self._queue.state
        is_retry = state.attempts[item].try_number != self._settings.try_number or state.failures(item) > 0
        item_id = self._queue.inputs.id_of(item)
        land = partial(transfer.land, item, task, item_id=item_id, inputs=inputs, is_retry=is_retry)
        return await asyncio.get_running_loop().run_in_executor(transfer.threads, land)

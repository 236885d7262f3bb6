"""One item from its task to its result: followed, stopped when overdue, landed."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.polling import Polling
from airflow_provider_wiro.api.run_summary import check_success, success_warnings
from airflow_provider_wiro.api.stop_task import STOP_PATIENCE_SECONDS
from airflow_provider_wiro.batch.results.shards import item_result
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.exceptions import (
    WiroAnswerTooLargeError,
    WiroError,
    WiroNotFoundError,
    WiroOutputError,
    WiroTaskCancelledError,
    WiroTaskTimeoutError,
)
from airflow_provider_wiro.recovery.resume import unknown_task
from airflow_provider_wiro.watching.task_log import ErrorStatusWarning
from airflow_provider_wiro.watching.watcher import watch_task

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.batch.item_queue import ItemQueue
    from airflow_provider_wiro.batch.landing import ItemTransfer
    from airflow_provider_wiro.batch.run_sender import StoppableHook
    from airflow_provider_wiro.batch.state.items import Attempt


class RunFollower:
    """
    Sees items that have a task to their end.

    :param lander: None lands nothing.
    :ivar must_look: items whose tasks are to be looked at before anything is waited for.
    :ivar watched: items whose tasks are followed at this moment, and nothing else.
    :ivar seen_running: items whose tasks were seen after they left the queue.
    """

    def __init__(self, going: ItemQueue, hook: StoppableHook, lander: ItemTransfer | None) -> None:
        self.must_look: set[int] = set()
        self.watched: set[int] = set()
        self.seen_running: set[int] = set()
        self._going = going
        self._job = going.job
        self._hook = hook
        self._lander = lander
        self._landing = asyncio.Semaphore(lander.size if lander else 1)

    def deadline(self, attempt: Attempt) -> float:
        """Return when an item's run has to be over, as Unix time."""
        return attempt.sending.intended_at + self._job.timeout_seconds

    async def follow(self, item: int) -> None:
        """See an item with a task to its end, or to where it is submitted again."""
        going = self._going
        while True:
            attempt = going.record.attempts[item]
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
                    await going.fail(item, error, is_billed=was_running)
                    return
                if ended is None:
                    if not await going.fail(item, error, keeps_task=True):
                        return
                    going.active.add(item)
                    going.ledger.note(entries.timeout_restarted(item, self._job.now()))
                    continue
                task = ended
            except WiroNotFoundError:
                await self._forgotten(item, attempt)
                return
            except WiroAnswerTooLargeError as error:  # its task is kept, or it would be paid for again
                await going.fail(item, error, is_final=True, keeps_task=True, is_billed=error.has_ended)
                return
            except WiroError as error:
                going.active.discard(item)
                going.end_all(error)
                return
            finally:
                self._leave(item)
            break
        going.active.discard(item)
        self.seen_running.discard(item)
        going.run_times.note(task)
        going.wake()
        await self._conclude(item, task)

    def _leave(self, item: int) -> None:
        self.watched.discard(item)
        self.must_look.discard(item)

    async def _watch(self, item: int, attempt: Attempt) -> Task:
        def warn(line: str) -> None:
            self._job.log.warning("%s", line)

        warning = ErrorStatusWarning(
            f"{self._going.inputs.name(item)}: Wiro task {attempt.wiro_task_id}", warn
        )

        def observe(task: Task) -> None:
            warning.on_task(task)
            if not task.is_queued:
                self.seen_running.add(item)
            # One that has ended is about to be handed over, with all its Detail; one that is overdue, to be
            # given up.
            goes_on = not task.is_terminal and self._job.now() < self.deadline(attempt)
            if item in self.must_look and goes_on:
                self.must_look.discard(item)
                self._going.wake()

        if attempt.wiro_task_id is None:
            raise AssertionError("only a run with an id can be followed")
        since = min(attempt.followed_since, self._job.now())
        started_at, deadline = map(self._job.wall, (since, self.deadline(attempt)))
        return await watch_task(
            self._job.wiro_conn_id,
            attempt.wiro_task_id,
            Polling(started_at, deadline, self._job.poll_interval),
            watch=self._job.watch,
            is_seen=item not in self.must_look,
            observe=observe,
        )

    async def _stop_overdue(self, item: int, error: WiroTaskTimeoutError) -> tuple[bool, Task | None]:
        """Stop a task that is out of time. Whether it runs no more; and the task, if it ended by itself."""
        if not self._job.cancel_on_timeout:
            return False, None
        try:
            task = await self._hook.stop_task(error.wiro_task_id, patience_seconds=STOP_PATIENCE_SECONDS)
        except WiroError as problem:
            self._job.log.warning(
                "%s: Wiro task %s could not be stopped and may still run: %s",
                self._going.inputs.name(item),
                error.wiro_task_id,
                problem,
            )
            return False, None
        if task is not None and task.started_at is not None:
            self.seen_running.add(item)
        has_ended_by_itself = task is not None and task.is_terminal and not task.is_cancelled
        return True, task if has_ended_by_itself else None

    async def _forgotten(self, item: int, attempt: Attempt) -> None:
        if self._job.resubmits_orphans:
            self._going.pend(item)
            return
        reason = unknown_task(str(attempt.wiro_task_id))
        await self._going.fail(item, reason, is_final=True, keeps_task=True)

    async def _conclude(self, item: int, task: Task) -> None:
        """Do what is to be done with a task that has ended."""
        try:
            check_success(task, min_outputs=self._job.min_outputs)
        except WiroTaskCancelledError as error:
            self._hook.check()  # by our own stop
            if self._going.record.attempts[item].try_number != self._job.try_number:
                # The stop of the try that began it can come while this one follows it. What had run by then
                # is billed.
                if task.started_at is not None:
                    cost = task.cost_usd if task.cost_usd != "0" else None
                    self._going.ledger.note(entries.task_billed(task.id, cost))
                self._going.pend(item)
                return
            was_running = task.started_at is not None
            await self._going.fail(item, error, task, is_final=True, is_billed=was_running)
        except WiroError as error:
            await self._going.fail(item, error, task)
        else:
            for warning in success_warnings(task):
                self._going.item_log.warn(item, warning)
            await self._land(item, task)

    async def _land(self, item: int, task: Task) -> None:
        """Land a task's outputs, if they are to; only then the item is done."""
        files: list[dict[str, Any]] | None = None
        if self._lander is not None:
            async with self._landing:
                while files is None:
                    if self._going.fatal is not None:
                        return  # its task is known, and the next try lands it
                    self._hook.check()
                    try:
                        files = await self._landed(self._lander, item, task)
                    except WiroOutputError as error:
                        if not await self._going.fail(item, error, task, keeps_task=True):
                            return
        starts = self._going.record.runs_sent(item)
        result = item_result("succeeded", starts, task, files=files, include_links=self._job.include_links)
        await self._going.end(item, result)

    async def _landed(self, lander: ItemTransfer, item: int, task: Task) -> list[dict[str, Any]]:
        record = self._going.record
        is_retry = record.attempts[item].try_number != self._job.try_number or record.failures(item) > 0
        land = partial(lander.land, item, task, is_retry=is_retry)
        return await asyncio.get_running_loop().run_in_executor(lander.threads, land)

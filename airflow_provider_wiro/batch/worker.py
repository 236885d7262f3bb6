"""Runs a batch in a worker's process: its event loop, its journal thread, and how to stop both."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.cancellation.deadline import StopDeadline
from airflow_provider_wiro.batch.cancellation.stop_all import stop_all
from airflow_provider_wiro.batch.concurrency import ActiveLimit
from airflow_provider_wiro.batch.follower import RunFollower
from airflow_provider_wiro.batch.item_queue import ItemQueue
from airflow_provider_wiro.batch.journal.group_commit import GroupCommit
from airflow_provider_wiro.batch.journal.interface import JournalFencedError
from airflow_provider_wiro.batch.journal.recorder import BatchRecorder
from airflow_provider_wiro.batch.late_costs import read_costs
from airflow_provider_wiro.batch.lost_runs.resolver import LostRunResolver
from airflow_provider_wiro.batch.reuse.reused_items import ReusedItems
from airflow_provider_wiro.batch.run_sender import RunSender, StoppableHook
from airflow_provider_wiro.batch.runner import BatchRunner
from airflow_provider_wiro.batch.spending.budget import Budget
from airflow_provider_wiro.batch.spending.gate import SpendingGate
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.failures import TaskStoppedError
from airflow_provider_wiro.hooks.wiro_async import know_connection

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine

    from airflow_provider_wiro.batch.context import BatchContext
    from airflow_provider_wiro.batch.settings import BatchSettings, DeferralRequest
    from airflow_provider_wiro.batch.spending.report import SpendingReport

#: How long the last journal entries may take to write when the task is killed.
_LAST_WRITE_SECONDS = 0.7


class BatchWorker:
    """A batch that can be run once, and stopped from a signal handler."""

    def __init__(self, batch: BatchContext) -> None:
        self._batch = batch
        self._settings = batch.settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hook: StoppableHook | None = None
        self._runner: BatchRunner | None = None
        #: When it was killed, by the monotonic clock.
        self._killed_at: float | None = None
        #: Whether the loop has ended.
        self.is_over = False
        #: Whether nothing is left to stop: it was stopped, or could not be, or a later try follows it.
        self.has_stopped_all = False
        #: What ended the whole batch.
        self.fatal: Exception | None = None
        #: Why files that have landed are still at Wiro.
        self.undeleted: WiroError | None = None
        #: What was spent, if there is a budget.
        self.spending: SpendingReport | None = None

    def stop(self) -> None:
        """Stop everything. For a signal handler: it only wakes the loop."""
        if self._killed_at is None:
            self._killed_at = time.monotonic()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)

    def run(
        self, *, waits: bool, limit: int | None = None, must_poll: Collection[str] | None = None
    ) -> DeferralRequest | None:
        """
        Work until the batch is over, or until there is only something to wait for.

        :param waits: also wait here; False: return what to defer with.
        :param limit: how many runs may be in flight, as learned before a deferral.
        :param must_poll: see :class:`~airflow_provider_wiro.batch.runner.BatchRunner`.
        :raises TaskStoppedError: it was stopped.
        """
        executor = ThreadPoolExecutor(1, thread_name_prefix="wiro-journal")
        try:
            with asyncio.Runner() as runner:
                return self._run_through(
                    runner.get_loop(), self._run(executor, waits=waits, limit=limit, must_poll=must_poll)
                )
        finally:
            self.is_over = True
            executor.shutdown(wait=self._killed_at is None, cancel_futures=True)

    def _run_through(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, DeferralRequest | None]
    ) -> DeferralRequest | None:
        """
        Run the loop until the work is done, whatever a signal handler raises out of it.

        Airflow's timeout is raised wherever the main thread is, which is most often the loop itself, as it
        waits. Left there, Runs in flight would be aborted, and their tasks not be known.

        :raises BaseException: what a signal handler raised first, after the work has ended by it.
        """
        main = loop.create_task(work)
        interruption: BaseException | None = None
        while True:
            try:
                waiting = loop.run_until_complete(main)
            except BaseException as error:
                if main.done():
                    if interruption is None:
                        raise
                    raise interruption from error
                if interruption is None:
                    interruption = error
                    self._interrupt(error, main)
                else:
                    self.stop()  # a second interrupt means that there is no time
            else:
                if interruption is not None:
                    raise interruption
                return waiting

    def _interrupt(self, error: BaseException, main: asyncio.Task[Any]) -> None:
        if self._runner is None:
            main.cancel()
        else:
            self._runner.interrupt(error)
            self._stop()

    async def _run(
        self,
        executor: ThreadPoolExecutor,
        *,
        waits: bool,
        limit: int | None,
        must_poll: Collection[str] | None,
    ) -> DeferralRequest | None:
        settings, batch = self._settings, self._batch
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._on_loop_error)
        know_connection(settings.wiro_conn_id, batch.connection)
        recorder = BatchRecorder(
            settings, batch.state, GroupCommit(batch.journal, executor), batch.shards, executor
        )
        queue = ItemQueue(settings, batch.inputs, recorder)
        async with StoppableHook(settings.wiro_conn_id) as self._hook:
            hook = self._hook
            sender = RunSender(
                settings,
                hook,
                batch.state,
                shared_files=batch.inputs.files,
                shared=batch.shared,
                rules=batch.rules,
            )
            resolver = LostRunResolver(settings, hook, batch.state, batch.inputs, sender)
            reused = ReusedItems(batch.cards, queue, hook, sender, batch.transfer)
            follower = RunFollower(queue, hook, batch.transfer, reused)
            active_limit = ActiveLimit(settings.max_active, settings.random, current=limit)
            gate = SpendingGate(queue, hook, batch.rules, _budget(settings, queue))
            runner = BatchRunner(
                queue, hook, sender, resolver, follower, active_limit, gate, must_poll=must_poll
            )
            self._runner = runner
            if self._killed_at is not None:
                self._stop()
            try:
                if must_poll is None:  # else it continues after a deferral
                    if isinstance(batch.carried, WiroError):
                        queue.close(batch.carried)
                    elif batch.carried is not None:
                        await batch.carried.settle(queue, hook, batch.transfer)
                    await reused.settle()
                waiting = await runner.work(waits=waits)
                await _note_late_costs(hook, queue, waiting)
            except BaseException as error:
                # Anything else is a bug, after which the tasks keep running, for a retry to continue.
                self.has_stopped_all = isinstance(error, JournalFencedError)
                is_stop = isinstance(error, TaskStoppedError) or not isinstance(error, Exception)
                await self._end(queue, follower, resolver, recorder, stops=is_stop)
                raise
            else:
                return waiting
            finally:
                self.fatal = queue.fatal
                self.undeleted = runner.undeleted
                self.spending = gate.report()

    async def _end(
        self,
        queue: ItemQueue,
        follower: RunFollower,
        resolver: LostRunResolver,
        recorder: BatchRecorder,
        *,
        stops: bool,
    ) -> None:
        """
        Leave the loop early.

        :param stops: the Airflow task was killed, or timed out, so everything has to be stopped.
        """
        self._stop()
        if stops:
            await stop_all(queue, follower, resolver, StopDeadline(lambda: self._killed_at))
            self.has_stopped_all = True
        if self._runner is not None:
            await self._runner.leave()
        try:
            await asyncio.wait_for(recorder.keep(), _LAST_WRITE_SECONDS)
        except Exception as error:
            self._settings.log.warning("The last journal entries could not be written: %r", error)

    def _stop(self) -> None:
        if self._hook is not None:
            self._hook.stop()
        if self._runner is not None:
            self._runner.wake()
        if self._batch.transfer is not None:
            self._batch.transfer.stop()

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Airflow's timeout is raised wherever the loop is, also where it would only be logged."""
        error = context.get("exception")
        if isinstance(error, BaseException) and not isinstance(error, Exception) and self._runner is not None:
            self._runner.interrupt(error)
        else:
            loop.default_exception_handler(context)


def _budget(settings: BatchSettings, queue: ItemQueue) -> Budget | None:
    if settings.max_cost_usd is None:
        return None
    return Budget(
        settings.max_cost_usd,
        queue.state,
        refuses_unknown=settings.refuses_unknown_price,
        ended=lambda: queue.ended_costs,
    )


async def _note_late_costs(hook: StoppableHook, queue: ItemQueue, waiting: DeferralRequest | None) -> None:
    """Once a batch is over, ask again for the costs that were not known when their runs ended."""
    unknown = list(queue.state.costs.unknown_ids)
    if waiting is not None or queue.fatal is not None or not unknown:
        return
    for wiro_task_id, usd in (await read_costs(hook, unknown)).items():
        queue.recorder.note(entries.cost_learned(wiro_task_id, usd))
        if queue.settings.metrics is not None:
            queue.settings.metrics.count_late_cost(usd)
    await queue.recorder.keep()

"""A batch in a worker's process: its event loop, its thread for what blocks, and the way to stop it."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
from airflow_provider_wiro.batch.run_sender import RunSender, StoppableHook
from airflow_provider_wiro.batch.runner import BatchRunner
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.failures import TaskStoppedError
from airflow_provider_wiro.hooks.wiro_async import know_connection

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Mapping, Sequence

    from airflow_provider_wiro.api.parameters import FileValue
    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.batch.landing import ItemTransfer
    from airflow_provider_wiro.batch.results.shards import ResultShards
    from airflow_provider_wiro.batch.settings import BatchSettings, DeferralRequest
    from airflow_provider_wiro.batch.state.batch_state import BatchState
    from airflow_provider_wiro.storage.s3.put_object import OwnObjects
    from airflow_provider_wiro.transport.connection import WiroConnection

#: What is noted last, when the task is being killed, has to be written within this.
_LAST_WRITE_SECONDS = 0.7


@dataclass(frozen=True)
class BatchContext:
    """
    What a batch works with, opened where Airflow may be asked: in the main thread, before the loop begins.

    :ivar shared: the files of all items, looked at once.
    :ivar store: None keeps nothing.
    :ivar lander: None lands nothing.
    :ivar own: how the manifest is put into S3.
    """

    connection: WiroConnection
    inputs: Inputs
    shared: Mapping[str, Sequence[FileValue]]
    record: BatchState
    store: Journal | None
    parts: ResultShards
    lander: ItemTransfer | None
    own: OwnObjects | None = None


class BatchWorker:
    """A batch that can be run once, and told to stop from a signal handler."""

    def __init__(self, job: BatchSettings, resources: BatchContext) -> None:
        self._job = job
        self._resources = resources
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hook: StoppableHook | None = None
        self._runner: BatchRunner | None = None
        #: When it was told to stop by a kill, by the monotonic clock.
        self._killed_at: float | None = None
        #: Whether the loop has ended.
        self.is_over = False
        #: Whether everything that ran was stopped, or could not be, or is followed by a later try.
        self.has_stopped_all = False
        #: What ended the whole batch.
        self.fatal: Exception | None = None

    def stop(self) -> None:
        """Have everything stopped. For a signal handler: it only wakes the loop."""
        if self._killed_at is None:
            self._killed_at = time.monotonic()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)

    def run(
        self, *, waits: bool, limit: int | None = None, must_look: Collection[str] | None = None
    ) -> DeferralRequest | None:
        """
        Work until the batch is over, or, if it doesn't wait here, has nothing else to do.

        :param limit: how many runs may be on their way, as an earlier part has learned.
        :param must_look: see :class:`~airflow_provider_wiro.batch.runner.BatchRunner`.
        :raises TaskStoppedError: it was stopped.
        """
        executor = ThreadPoolExecutor(1, thread_name_prefix="wiro-journal")
        try:
            with asyncio.Runner() as runner:
                return self._run_through(
                    runner.get_loop(), self._run(executor, waits=waits, limit=limit, must_look=must_look)
                )
        finally:
            self.is_over = True
            executor.shutdown(wait=self._killed_at is None, cancel_futures=True)

    def _run_through(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, DeferralRequest | None]
    ) -> DeferralRequest | None:
        """
        Run the loop until the work is done, whatever a signal's handler raises out of it.

        Airflow's timeout is raised wherever the main thread is, and that is most often the loop itself, as it
        waits. Left there, Runs whose answers are on their way would be cut off, and their tasks not be known.

        :raises BaseException: what a signal's handler has raised first, after the work has ended by it.
        """
        main = loop.create_task(work)
        struck: BaseException | None = None
        while True:
            try:
                waiting = loop.run_until_complete(main)
            except BaseException as error:
                if main.done():
                    if struck is None:
                        raise
                    raise struck from error
                if struck is None:
                    struck = error
                    self._interrupt(error, main)
                else:
                    self.stop()  # whoever interrupts twice has no time
            else:
                if struck is not None:
                    raise struck
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
        must_look: Collection[str] | None,
    ) -> DeferralRequest | None:
        job, found = self._job, self._resources
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._on_loop_error)
        know_connection(job.wiro_conn_id, found.connection)
        ledger = BatchRecorder(job, found.record, GroupCommit(found.store, executor), found.parts, executor)
        going = ItemQueue(job, found.inputs, ledger)
        async with StoppableHook(job.wiro_conn_id) as self._hook:
            hook = self._hook
            submitter = RunSender(
                job, hook, found.record, shared_files=found.inputs.files, shared=found.shared
            )
            settler = LostRunResolver(job, hook, found.record, found.inputs, submitter)
            following = RunFollower(going, hook, found.lander)
            active_limit = ActiveLimit(job.max_active, job.random, current=limit)
            runner = BatchRunner(
                going, hook, submitter, settler, following, active_limit, must_look=must_look
            )
            self._runner = runner
            if self._killed_at is not None:
                self._stop()
            try:
                waiting = await runner.work(waits=waits)
                await _learn_costs(hook, going, waiting)
            except BaseException as error:
                # Anything else is a bug, after which the tasks run on, to be picked up by a retry.
                self.has_stopped_all = isinstance(error, JournalFencedError)
                is_stop = isinstance(error, TaskStoppedError) or not isinstance(error, Exception)
                await self._end(going, following, settler, ledger, stops=is_stop)
                raise
            else:
                return waiting
            finally:
                self.fatal = going.fatal

    async def _end(
        self,
        going: ItemQueue,
        following: RunFollower,
        settler: LostRunResolver,
        ledger: BatchRecorder,
        *,
        stops: bool,
    ) -> None:
        """
        Leave the loop early.

        :param stops: the Airflow task was killed, or Airflow's timeout ended it, so all is to be stopped.
        """
        self._stop()
        if stops:
            await stop_all(going, following, settler, StopDeadline(lambda: self._killed_at))
            self.has_stopped_all = True
        if self._runner is not None:
            await self._runner.leave()
        try:
            await asyncio.wait_for(ledger.keep(), _LAST_WRITE_SECONDS)
        except Exception as error:
            self._job.log.warning("What happened last could not be written down: %r", error)

    def _stop(self) -> None:
        if self._hook is not None:
            self._hook.stop()
        if self._runner is not None:
            self._runner.wake()
        if self._resources.lander is not None:
            self._resources.lander.stop()

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Airflow's timeout is raised wherever the loop is, also where it would only be logged."""
        error = context.get("exception")
        if isinstance(error, BaseException) and not isinstance(error, Exception) and self._runner is not None:
            self._runner.interrupt(error)
        else:
            loop.default_exception_handler(context)


async def _learn_costs(hook: StoppableHook, going: ItemQueue, waiting: DeferralRequest | None) -> None:
    """Once a batch is over, ask once more for the costs that were not known when their runs ended."""
    unknown = list(going.record.costs.unknown_ids)
    if waiting is not None or going.fatal is not None or not unknown:
        return
    for wiro_task_id, usd in (await read_costs(hook, unknown)).items():
        going.ledger.note(entries.cost_learned(wiro_task_id, usd))
    await going.ledger.keep()

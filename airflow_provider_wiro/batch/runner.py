"""
Runs a batch on one event loop: submits, follows and lands items, as many at once as allowed.

Each item that is worked on has an asyncio task, which is gone when the item is over; what is known of it then
is in the state, and its result in a shard. So memory grows with ``max_active`` and not with the items.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.concurrency import LONGEST_WITHOUT_RAISE_SECONDS
from airflow_provider_wiro.batch.deletion.deleter import FileDeleter
from airflow_provider_wiro.batch.journal.interface import JournalFencedError
from airflow_provider_wiro.batch.log import Progress, counts_of
from airflow_provider_wiro.batch.lost_runs.strays import StrayRuns
from airflow_provider_wiro.batch.lost_runs.unknown_sendings import unknown_items
from airflow_provider_wiro.batch.settings import DeferralRequest
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.submission import ItemSubmitter
from airflow_provider_wiro.exceptions import WiroError

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine

    from airflow_provider_wiro.batch.concurrency import ActiveLimit
    from airflow_provider_wiro.batch.follower import RunFollower
    from airflow_provider_wiro.batch.item_queue import ItemQueue
    from airflow_provider_wiro.batch.lost_runs.resolver import LostRunResolver
    from airflow_provider_wiro.batch.run_sender import RunSender, StoppableHook
    from airflow_provider_wiro.batch.spending.gate import SpendingGate

#: How many Runs are sent at once.
SUBMISSIONS_AT_ONCE = 8
#: How many items are worked on for each run that may be active: their outputs may still have to land.
_ITEMS_PER_ACTIVE_RUN = 2
_TICK_SECONDS = 1.0


class BatchRunner:
    """
    Works on the items that are not over.

    :param gate: gives out what to submit.
    :param must_poll: the tasks from before a deferral to read before anything is waited for; None: all.
    """

    def __init__(
        self,
        queue: ItemQueue,
        hook: StoppableHook,
        sender: RunSender,
        resolver: LostRunResolver,
        follower: RunFollower,
        limit: ActiveLimit,
        gate: SpendingGate,
        *,
        must_poll: Collection[str] | None = None,
    ) -> None:
        self._queue = queue
        self._settings = queue.settings
        self._hook = hook
        self._resolver = resolver
        self._follower = follower
        self._limit = limit
        self._gate = gate
        self._must_poll = must_poll
        self._submitter = ItemSubmitter(queue, hook, sender, resolver, limit, self._follow, gate)
        self._strays = StrayRuns(queue, hook, resolver)
        self._deleter = FileDeleter(queue, hook)
        self._children: set[asyncio.Task[None]] = set()
        self._resolving: asyncio.Task[None] | None = None
        self._interruption: BaseException | None = None
        #: How many runs were waited for, and nothing else, and since when by the loop's clock.
        self._waiting_since: tuple[int, float] | None = None

    async def work(self, *, waits: bool) -> DeferralRequest | None:
        """
        Work until all items are over or nothing more can be done.

        :param waits: False: return what to wait for once there is nothing else to do, and no run has ended
            for ``defer_after_seconds``.
        :raises TaskStoppedError: the Airflow task was stopped.
        :raises JournalFencedError: another process continues the batch.
        :raises BaseException: what interrupted the loop, such as Airflow's timeout.
        """
        queue = self._queue
        waiting: DeferralRequest | None = None
        progress = Progress(
            queue.recorder, self._settings.log, self._settings.now(), queue.run_times, in_waves=not waits
        )
        self._pick_up()
        while True:
            self._hook.check()
            if self._interruption is not None:
                raise self._interruption
            await self._check_owner()
            self._submit_more()
            if self._gate.is_due():
                self._begin(self._gate.settle())
            is_at_work = self._children or self._is_resolving
            if not is_at_work and (queue.is_closed or not queue.has_pending):
                break
            if not waits and self._may_defer():
                waiting = self._waiting()
                break
            progress.log(self._settings.now(), running=len(queue.active))
            self._note_progress()
            await self._keep(is_last=False)
            if self._strays.is_due and (is_at_work or self._gate.is_waiting):
                self._begin(self._strays.check())
            if self._deleter.is_due:
                self._begin(self._deleter.work())
            await queue.sleep(_TICK_SECONDS)
        await self.leave()
        await self._keep(is_last=True)
        if self._strays.is_due:
            await self._strays.check()
            await self._keep(is_last=True)
        await self._check_owner()
        if await self._deleter.finish():
            await self._keep(is_last=True)
        if waiting is not None:
            line = progress.line(running=len(queue.active))
            return replace(waiting, progress=line, counts=counts_of(queue.recorder, queue.active))
        progress.log(self._settings.now(), running=len(queue.active), is_last=True)
        return None

    def _note_progress(self) -> None:
        xcom = self._settings.progress
        if xcom is not None and xcom.is_due:
            xcom.note(counts_of(self._queue.recorder, self._queue.active))

    async def leave(self) -> None:
        """Follow nothing more; the tasks continue to run."""
        children = [*self._children, *([self._resolving] if self._resolving else [])]
        for child in children:
            child.cancel()
        await asyncio.gather(*children, return_exceptions=True)

    @property
    def undeleted(self) -> WiroError | None:
        """Why files that have landed are still at Wiro; None: nothing is in the way."""
        return self._deleter.problem

    def wake(self) -> None:
        """Have :meth:`work` check whether there is something to do."""
        self._queue.wake()

    def interrupt(self, error: BaseException) -> None:
        """End :meth:`work` with an error that came from elsewhere."""
        self._interruption = error
        self._queue.wake()

    def _pick_up(self) -> None:
        """Continue the items that an earlier part of the batch worked on."""
        queue, now = self._queue, self._settings.now()
        for item, attempt in list(queue.state.attempts.items()):
            queue.active.add(item)
            self._gate.pick_up(item, attempt)
            if attempt.wiro_task_id is None:
                self._resolver.add_lost(item)
                continue
            is_old = attempt.try_number != self._settings.try_number
            if is_old and not self._settings.cancel_on_timeout and self._follower.deadline(attempt) < now:
                # It was left running on purpose, to be followed again.
                queue.recorder.note(entries.timeout_restarted(item, now))
            is_overdue = self._follower.deadline(attempt) <= now
            if self._must_poll is None or attempt.wiro_task_id in self._must_poll or is_overdue:
                self._follower.must_poll.add(item)
            self._follow(item)

    async def _check_owner(self) -> None:
        """Leave at once when another process owns the journal: it follows what runs, nothing is kept here."""
        await self._queue.recorder.check_if_due()
        if isinstance(self._queue.fatal, JournalFencedError):
            raise self._queue.fatal

    async def _keep(self, *, is_last: bool) -> None:
        recorder = self._queue.recorder
        try:
            await (recorder.keep() if is_last else recorder.keep_if_due())
        except WiroError as error:
            self._queue.close(error)

    # Items.

    def _submit_more(self) -> None:
        while self._may_submit() and (item := self._gate.next_item()) is not None:
            self._queue.active.add(item)
            self._resolver.run_sent()
            self._begin(self._submit(item))
        if self._resolver.items and not self._is_resolving:
            self._resolving = asyncio.create_task(self._submitter.resolve_lost_runs())
            self._resolving.add_done_callback(self._end_child)

    @property
    def _is_resolving(self) -> bool:
        """Whether lost Runs are searched for, or what became of them is being recorded."""
        return self._resolving is not None and not self._resolving.done()

    def _may_submit(self) -> bool:
        now = self._settings.now()
        return (
            not self._queue.is_closed
            and not self._resolver.is_exclusive
            and self._resolver.in_flight < SUBMISSIONS_AT_ONCE
            and len(self._children) < _ITEMS_PER_ACTIVE_RUN * self._settings.max_active
            and now >= self._submitter.not_before
            and self._limit.allows(len(self._queue.active), now)
        )

    async def _submit(self, item: int) -> None:
        try:
            is_started = await self._submitter.send(item)
        except Exception:  # and not when it is cancelled, for its task may be known by then
            self._queue.active.discard(item)
            raise
        finally:
            self._gate.conclude(item)
            self._resolver.run_concluded()
            self._queue.wake()
        if is_started:
            await self._follower.follow(item)

    def _follow(self, item: int) -> None:
        self._begin(self._follower.follow(item))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        child = asyncio.create_task(work)
        self._children.add(child)
        child.add_done_callback(self._end_child)

    def _end_child(self, child: asyncio.Task[None]) -> None:
        self._children.discard(child)
        self._queue.wake()
        if child.cancelled() or (error := child.exception()) is None:
            return
        if isinstance(error, Exception):
            self._queue.close(error)
        else:
            self._interruption = error

    # Deferral.

    def _may_defer(self) -> bool:
        """
        Whether there is only something to wait for: no run has ended for ``defer_after_seconds``, and nothing
        is due before a deferral can end.
        """
        if not self._only_waits():
            self._waiting_since = None
            return False
        watched, now = len(self._follower.watched), asyncio.get_running_loop().time()
        if self._waiting_since is None or self._waiting_since[0] != watched:
            self._waiting_since = watched, now
        if now - self._waiting_since[1] < self._settings.defer_after_seconds:
            return False
        wake_at = self._waiting().wake_at
        soonest = self._settings.wall(
            self._settings.now() + self._settings.shortest_deferral_seconds
        ).timestamp()
        return wake_at is None or wake_at >= soonest

    def _only_waits(self) -> bool:
        return (
            (not self._is_resolving or self._resolver.is_pausing)
            and not self._resolver.in_flight
            and not self._submitter.is_in_trouble
            and len(self._children) == len(self._follower.watched)
            and not self._follower.must_poll
            and not (self._may_submit() and self._queue.has_pending and not self._gate.is_waiting)
            and not (self._gate.is_waiting and (self._queue.recorder.unkept or not self._follower.watched))
        )

    def _waiting(self) -> DeferralRequest:
        queue, now = self._queue, self._settings.now()
        attempts = [queue.state.attempts[item] for item in sorted(self._follower.watched)]
        wakes = [self._follower.deadline(attempt) for attempt in attempts]
        next_search_at = self._resolver.next_search_at(is_deferred=True)
        if next_search_at is not None:
            wakes.append(next_search_at)
        change_at = self._limit.next_change_at(len(queue.active))
        may_submit = queue.has_pending and not queue.is_closed and not self._gate.is_waiting
        if may_submit and change_at is not None:
            wakes.append(max(change_at, now + LONGEST_WITHOUT_RAISE_SECONDS) if attempts else change_at)
        return DeferralRequest(
            [attempt.wiro_task_id or "" for attempt in attempts],
            [attempt.followed_since for attempt in attempts],
            self._settings.wall(min(wakes)).timestamp() if wakes else None,
            self._limit.current,
            len(unknown_items(queue.state)),
        )

"""
A batch at work, on one event loop: submits, follows and lands items, as many at once as it may.

Each item in hand has an asyncio task of its own, which is gone when the item is over; what is known of an
item then is in the record, its result in a part. So memory goes by ``max_active`` and not by the items.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.concurrency import LONGEST_WITHOUT_RAISE_SECONDS
from airflow_provider_wiro.batch.journal.interface import JournalFencedError
from airflow_provider_wiro.batch.lost_runs.strays import StrayRuns
from airflow_provider_wiro.batch.lost_runs.unknown_sendings import unknown_items
from airflow_provider_wiro.batch.progress import Progress
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

#: Runs that are sent at once.
SUBMISSIONS_AT_ONCE = 8
#: Items in hand, those included whose outputs wait for being landed, for each that may run.
_IN_HAND_FOR_EACH_ACTIVE = 2
_TICK_SECONDS = 1.0


class BatchRunner:
    """
    Works on the items that are not over.

    :param must_look: the tasks of an earlier part that are to be looked at before anything is waited for;
        None for all.
    """

    def __init__(
        self,
        going: ItemQueue,
        hook: StoppableHook,
        submitter: RunSender,
        settler: LostRunResolver,
        following: RunFollower,
        limit: ActiveLimit,
        *,
        must_look: Collection[str] | None = None,
    ) -> None:
        self._going = going
        self._job = going.job
        self._hook = hook
        self._settler = settler
        self._following = following
        self._limit = limit
        self._must_look = must_look
        self._sending = ItemSubmitter(going, hook, submitter, settler, limit, self._follow)
        self._strays = StrayRuns(going, hook, settler)
        self._children: set[asyncio.Task[None]] = set()
        self._settling: asyncio.Task[None] | None = None
        self._interruption: BaseException | None = None
        #: How many runs have been waited for, and nothing else, since when by the loop's clock.
        self._waiting_since: tuple[int, float] | None = None

    async def work(self, *, waits: bool) -> DeferralRequest | None:
        """
        Work until all items are over or nothing more can be done.

        :param waits: False returns, with what there is to wait for, when nothing is left but to wait and no
            run has ended for the job's ``defer_after_seconds``.
        :raises TaskStoppedError: the Airflow task was stopped.
        :raises OvertakenError: another process goes on with the batch.
        :raises BaseException: what interrupted the loop, such as Airflow's timeout.
        """
        going = self._going
        waiting: DeferralRequest | None = None
        progress = Progress(going.ledger, self._job.log, self._job.now(), going.run_times, in_waves=not waits)
        self._pick_up()
        while True:
            self._hook.check()
            if self._interruption is not None:
                raise self._interruption
            await self._check_owner()
            self._submit_more()
            is_at_work = self._children or self._is_settling
            if not is_at_work and (going.is_closed or not going.has_pending):
                break
            if not waits and self._may_defer():
                waiting = self._waiting()
                break
            progress.log(self._job.now(), running=len(going.active))
            await self._keep(is_last=False)
            if self._strays.is_due and is_at_work:
                self._begin(self._strays.look())
            await going.sleep(_TICK_SECONDS)
        await self.leave()
        await self._keep(is_last=True)
        if self._strays.is_due:
            await self._strays.look()
            await self._keep(is_last=True)
        await self._check_owner()
        if waiting is not None:
            return replace(waiting, progress=progress.line(running=len(going.active)))
        progress.log(self._job.now(), running=len(going.active), is_last=True)
        return None

    async def leave(self) -> None:
        """Follow nothing any more; the tasks run on."""
        children = [*self._children, *([self._settling] if self._settling else [])]
        for child in children:
            child.cancel()
        await asyncio.gather(*children, return_exceptions=True)

    def wake(self) -> None:
        """Have :meth:`work` look whether there is something to do."""
        self._going.wake()

    def interrupt(self, error: BaseException) -> None:
        """End :meth:`work` with an error that came from elsewhere."""
        self._interruption = error
        self._going.wake()

    def _pick_up(self) -> None:
        """Go on with the items that an earlier part of the batch had in hand."""
        going, now = self._going, self._job.now()
        for item, attempt in list(going.record.attempts.items()):
            going.active.add(item)
            if attempt.wiro_task_id is None:
                self._settler.lose(item)
                continue
            is_old = attempt.try_number != self._job.try_number
            if is_old and not self._job.cancel_on_timeout and self._following.deadline(attempt) < now:
                # It was left running on purpose, to be waited for again.
                going.ledger.note(entries.timeout_restarted(item, now))
            is_overdue = self._following.deadline(attempt) <= now
            if self._must_look is None or attempt.wiro_task_id in self._must_look or is_overdue:
                self._following.must_look.add(item)
            self._follow(item)

    async def _check_owner(self) -> None:
        """Leave at once when another process has the journal: it follows what runs, nothing is kept here."""
        await self._going.ledger.check_if_due()
        if isinstance(self._going.fatal, JournalFencedError):
            raise self._going.fatal

    async def _keep(self, *, is_last: bool) -> None:
        ledger = self._going.ledger
        try:
            await (ledger.keep() if is_last else ledger.keep_if_due())
        except WiroError as error:
            self._going.end_all(error)

    # Items in hand.

    def _submit_more(self) -> None:
        while self._may_submit() and (item := self._going.next_item()) is not None:
            self._going.active.add(item)
            self._settler.sends()
            self._begin(self._submit(item))
        if self._settler.items and not self._is_settling:
            self._settling = asyncio.create_task(self._sending.settle())
            self._settling.add_done_callback(self._end_child)

    @property
    def _is_settling(self) -> bool:
        """Whether lost runs are looked for, or what has become of them is being written down."""
        return self._settling is not None and not self._settling.done()

    def _may_submit(self) -> bool:
        now = self._job.now()
        return (
            not self._going.is_closed
            and not self._settler.is_exclusive
            and self._settler.on_their_way < SUBMISSIONS_AT_ONCE
            and len(self._children) < _IN_HAND_FOR_EACH_ACTIVE * self._job.max_active
            and now >= self._sending.not_before
            and self._limit.allows(len(self._going.active), now)
        )

    async def _submit(self, item: int) -> None:
        try:
            is_started = await self._sending.send(item)
        except Exception:  # and not when it is cancelled, for its task may be known by then
            self._going.active.discard(item)
            raise
        finally:
            self._settler.is_answered()
            self._going.wake()
        if is_started:
            await self._following.follow(item)

    def _follow(self, item: int) -> None:
        self._begin(self._following.follow(item))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        child = asyncio.create_task(work)
        self._children.add(child)
        child.add_done_callback(self._end_child)

    def _end_child(self, child: asyncio.Task[None]) -> None:
        self._children.discard(child)
        self._going.wake()
        if child.cancelled() or (error := child.exception()) is None:
            return
        if isinstance(error, Exception):
            self._going.end_all(error)
        else:
            self._interruption = error

    # Waiting elsewhere.

    def _may_defer(self) -> bool:
        """
        Whether nothing is left but to wait: nothing has ended for ``defer_after_seconds``, and nothing is due
        before a deferral may end.
        """
        if not self._has_only_to_wait():
            self._waiting_since = None
            return False
        watched, now = len(self._following.watched), asyncio.get_running_loop().time()
        if self._waiting_since is None or self._waiting_since[0] != watched:
            self._waiting_since = watched, now
        if now - self._waiting_since[1] < self._job.defer_after_seconds:
            return False
        wake_at = self._waiting().wake_at
        soonest = self._job.wall(self._job.now() + self._job.shortest_deferral_seconds).timestamp()
        return wake_at is None or wake_at >= soonest

    def _has_only_to_wait(self) -> bool:
        return (
            (not self._is_settling or self._settler.is_pausing)
            and not self._settler.on_their_way
            and not self._sending.is_in_trouble
            and len(self._children) == len(self._following.watched)
            and not self._following.must_look
            and not (self._may_submit() and self._going.has_pending)
        )

    def _waiting(self) -> DeferralRequest:
        going, now = self._going, self._job.now()
        attempts = [going.record.attempts[item] for item in sorted(self._following.watched)]
        wakes = [self._following.deadline(attempt) for attempt in attempts]
        look_at = self._settler.look_at(is_deferred=True)
        if look_at is not None:
            wakes.append(look_at)
        change_at = self._limit.next_change_at(len(going.active))
        if going.has_pending and not going.is_closed and change_at is not None:
            wakes.append(max(change_at, now + LONGEST_WITHOUT_RAISE_SECONDS) if attempts else change_at)
        return DeferralRequest(
            [attempt.wiro_task_id or "" for attempt in attempts],
            [attempt.followed_since for attempt in attempts],
            self._job.wall(min(wakes)).timestamp() if wakes else None,
            self._limit.current,
            len(unknown_items(going.record)),
        )

"""What goes on in a batch at this moment, shared by those who send, follow and land its items."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.item_log import ItemLog
from airflow_provider_wiro.batch.progress import RunTimes
from airflow_provider_wiro.batch.results.shards import item_result
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.failures import TaskStoppedError

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.journal.recorder import BatchRecorder
    from airflow_provider_wiro.batch.settings import BatchSettings


class ItemQueue:
    """
    The items in hand, and whether more may be begun.

    :ivar active: items whose task may be running, those included whose Run is on its way or lost.
    :ivar run_times: how long the runs of this part of the batch have taken.
    :ivar fatal: an error that would hit every item; nothing more is submitted.
    """

    def __init__(self, job: BatchSettings, inputs: Inputs, ledger: BatchRecorder) -> None:
        self.job = job
        self.inputs = inputs
        self.ledger = ledger
        self.record = ledger.record
        self.active: set[int] = set()
        self.fatal: Exception | None = None
        self.run_times = RunTimes()
        self.item_log = ItemLog(job.log, inputs, ledger)
        self._has_failed = self.record.count(ItemState.FAILED) > 0
        self._again: deque[int] = deque()
        self._cursor = 0
        self._changed = asyncio.Event()

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is to be submitted."""
        return self.fatal is not None or (self._has_failed and self.job.fails_fast)

    @property
    def has_pending(self) -> bool:
        """Whether an item is still to be submitted."""
        return bool(self._again) or self._is_before_the_end()

    def next_item(self) -> int | None:
        """Return the item to submit next: one that is begun again, else the first that never was."""
        if self._again:
            return self._again.popleft()
        if not self._is_before_the_end():
            return None
        self._cursor += 1
        return self._cursor - 1

    def _is_before_the_end(self) -> bool:
        """Move the cursor to the next item that was never submitted; False if there is none."""
        # One that was taken is pending until its intent is durable, or, where it could not be sent, until its
        # failure is; but it is active, or behind the cursor.
        while self._cursor < self.record.total:
            is_pending = self.record.state(self._cursor) is ItemState.PENDING
            if is_pending and self._cursor not in self.active:
                return True
            self._cursor += 1
        return False

    def wake(self) -> None:
        """Have the batch look whether there is something to do."""
        self._changed.set()

    async def sleep(self, seconds: float) -> None:
        """Wait until woken, at most so long."""
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def end_all(self, error: Exception) -> None:
        """Submit nothing more; what runs is seen to its end."""
        if self.fatal is None and not isinstance(error, TaskStoppedError):
            self.fatal = error
            self.job.log.warning("Nothing more is submitted. What runs is seen to its end. %s", error)
        self.wake()

    def put_back(self, item: int) -> None:
        """Submit an item next, whose Run certainly started nothing."""
        self.active.discard(item)
        self._again.appendleft(item)

    def pend(self, item: int, *, was_lost: bool = False) -> None:
        """
        Let an item be submitted anew, without that being a failure of it.

        :param was_lost: its Run was sent and is taken for not started.
        """
        if was_lost:
            self.ledger.note(entries.lost_run_not_started(item, self.job.try_number))
        else:
            self.ledger.note(entries.run_not_started(item))
        self.active.discard(item)
        self._again.append(item)
        self.wake()

    async def fail(
        self,
        item: int,
        error: WiroError,
        task: Task | None = None,
        *,
        is_final: bool = False,
        keeps_task: bool = False,
        is_billed: bool = False,
    ) -> bool:
        """
        Take a failure of an item; return whether it goes on with the same task, if that is kept.

        :param task: if it ended.
        :param is_final: doing it again in this try can't help.
        :param keeps_task: it goes on with the same task, or lost Run, in this try or in the next.
        :param is_billed: its task has succeeded, though it can't be shown.
        """
        self.active.discard(item)
        is_billed = is_billed or (task is not None and task.has_succeeded)
        has_retries = self.record.failures(item) < self.job.max_item_retries
        if has_retries and error.may_retry and not is_final and not self.is_closed:
            self.item_log.is_run_again(item, error)
            self.ledger.note(
                entries.item_retried(
                    item,
                    self.job.try_number,
                    keeps_task=keeps_task,
                    is_billed=is_billed and not keeps_task,
                    cost=None if task is None else task.cost_usd,
                )
            )
            if not keeps_task:
                self._again.append(item)
            self.wake()
            return True
        self.item_log.failed(item, error)
        self._has_failed = True
        attempt = self.record.attempts.get(item)
        result = item_result(
            "failed",
            self.record.runs_sent(item),
            task,
            wiro_task_id=attempt.wiro_task_id if attempt else None,
            error=str(error),
            include_links=self.job.include_links,
        )
        await self.end(item, result, may_retry=error.may_retry, keeps_task=keeps_task, is_billed=is_billed)
        return False

    async def end(
        self,
        item: int,
        result: dict[str, Any],
        *,
        may_retry: bool = False,
        keeps_task: bool = False,
        is_billed: bool = False,
    ) -> None:
        """Note the result of an item that is over, see :meth:`Ledger.end`."""
        try:
            await self.ledger.end(
                item, result, may_retry=may_retry, keeps_task=keeps_task, is_billed=is_billed
            )
        except WiroError as error:
            self.end_all(error)

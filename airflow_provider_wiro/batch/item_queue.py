"""The items in flight and the retry queue, shared by submitter, follower and transfer."""

from __future__ import annotations

import asyncio
from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.log import ItemLog, RunTimes
from airflow_provider_wiro.batch.results.item_result import item_result
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.failures import TaskStoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.journal.recorder import BatchRecorder
    from airflow_provider_wiro.batch.settings import BatchSettings


class ItemQueue:
    """
    The items that are worked on, and whether more may be submitted.

    :ivar active: items whose task may be running, including those whose Run is in flight or lost.
    :ivar run_times: how long the runs of this part of the batch took.
    :ivar fatal: an error that would affect every item; nothing more is submitted.
    """

    def __init__(self, settings: BatchSettings, inputs: Inputs, recorder: BatchRecorder) -> None:
        self.settings = settings
        self.inputs = inputs
        self.recorder = recorder
        self.state = recorder.state
        self.active: set[int] = set()
        self.fatal: Exception | None = None
        self.run_times = RunTimes()
        #: How many items are not run, since the budget doesn't allow it.
        self.left_out = 0
        self.item_log = ItemLog(settings.log, inputs, recorder)
        self._has_failed = self.state.count(ItemState.FAILED) > 0
        self._again: deque[int] = deque()
        #: Items that were to be run again → why, and the task that has failed.
        self._failed_runs: dict[int, tuple[str, str | None]] = {}
        #: Items → the task that has ended, and its cost.
        self._ended: dict[int, tuple[str, Decimal]] = {}
        self._cursor = 0
        self._changed = asyncio.Event()

    @property
    def is_closed(self) -> bool:
        """Whether nothing more may be submitted."""
        has_ended = self._has_failed or self.left_out > 0
        return self.fatal is not None or (has_ended and self.settings.fails_fast)

    @property
    def has_pending(self) -> bool:
        """Whether an item is still to be submitted."""
        return bool(self._again) or self._is_before_the_end()

    def next_item(self) -> int | None:
        """Return the item to submit next: one to try again, else the first that never was submitted."""
        if self._again:
            return self._again.popleft()
        if not self._is_before_the_end():
            return None
        self._cursor += 1
        return self._cursor - 1

    def _is_before_the_end(self) -> bool:
        """Move the cursor to the next item that was never submitted; False if there is none."""
        # An item that was taken is pending until its intent, or the failure to send it, is durable; but it is
        # active, or behind the cursor. So is one that ended without a task, until its result is kept.
        over = self.recorder.unkept_items
        while self._cursor < self.state.total:
            is_pending = self.state.item_state(self._cursor) is ItemState.PENDING
            if is_pending and self._cursor not in self.active and self._cursor not in over:
                return True
            self._cursor += 1
        return False

    def wake(self) -> None:
        """Have the batch check whether there is something to do."""
        self._changed.set()

    async def sleep(self, seconds: float) -> None:
        """Wait until woken, or until the time is over."""
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def count(self, task: Task) -> None:
        """Count a task that has ended in Airflow's metrics."""
        if self.settings.metrics is not None:
            self.settings.metrics.count(task)

    def close(self, error: Exception) -> None:
        """Submit nothing more; tasks that run are followed to their end."""
        if self.fatal is None and not isinstance(error, TaskStoppedError):
            self.fatal = error
            self.settings.log.warning(
                "Nothing more is submitted. Tasks that run are followed to their end. %s", error
            )
        self.wake()

    def requeue_first(self, item: int) -> None:
        """Put an item first, whose Run certainly started nothing."""
        self.active.discard(item)
        self._again.appendleft(item)

    def leave_out(self, item: int, reason: Callable[[], str]) -> None:
        """
        Don't run an item that was to be submitted; its state stays as it is.

        :param reason: returns why; called for the first one, which is logged.
        """
        self.active.discard(item)
        self.left_out += 1
        if self.left_out == 1:
            self.settings.log.warning("%s is not run: %s", self.inputs.name(item), reason())

    def has_failed(self, item: int) -> bool:
        """
        Whether an item that is pending has failed.

        With ``fails_fast``, what failed in an earlier try is as one that was never run.
        """
        return item in self._failed_runs or (self.state.runs_sent(item) > 0 and not self.settings.fails_fast)

    def give_up(self, item: int, reason: str) -> None:
        """End an item whose run has failed, and that the budget doesn't allow to run again."""
        self.active.discard(item)
        why, wiro_task_id = self._failed_runs.pop(item, ("An earlier run of it didn't succeed", None))
        error = f"{why.rstrip('.')}. It is not run again. {reason}"
        self.item_log.failed(item, WiroError(error))
        self._has_failed = True
        sent = self.state.runs_sent(item)
        self.recorder.give_up(item, item_result("failed", sent, None, wiro_task_id=wiro_task_id, error=error))

    async def fail_unsent(self, item: int, error: WiroError, result: dict[str, Any]) -> None:
        """
        End an item for which this batch sends nothing.

        :param result: what the manifest says of it beside the failure.
        """
        self.item_log.failed(item, error)
        self._has_failed = True
        failed = {**result, "status": "failed", "error": str(error)}
        await self.end(item, failed, may_retry=error.may_retry)

    def note_end(self, item: int, task: Task) -> None:
        """Note that a task has ended, and what it has cost: its outputs may take long to land."""
        self._failed_runs.pop(item, None)
        if task.cost_usd is not None:
            self._ended[item] = task.id, Decimal(task.cost_usd)

    @property
    def ended_costs(self) -> dict[int, Decimal]:
        """Items whose task has ended, which the state doesn't know yet → what it has cost, if known."""
        attempts = self.state.attempts
        for item in [one for one in self._ended if one not in attempts]:
            del self._ended[item]
        return {
            item: usd
            for item, (wiro_task_id, usd) in self._ended.items()
            if attempts[item].wiro_task_id == wiro_task_id
        }

    def requeue(self, item: int, *, was_lost: bool = False, may_be_billed: bool = False) -> None:
        """
        Submit an item again, which doesn't count as a failure of it.

        :param was_lost: its Run was sent and is considered not started.
        :param may_be_billed: it had a task, which Wiro doesn't show.
        """
        if was_lost:
            self.recorder.note(entries.lost_run_not_started(item, self.settings.try_number))
        else:
            self.recorder.note(entries.run_not_started(item, may_be_billed=may_be_billed))
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
        Handle a failure of an item; return whether it is tried again in this try.

        :param task: if it ended.
        :param is_final: another attempt in this try can't help.
        :param keeps_task: it continues with the same task, or lost Run, in this try or in the next.
        :param is_billed: its task has succeeded, although it can't be read.
        """
        self.active.discard(item)
        is_billed = is_billed or (task is not None and (task.has_succeeded or _has_cost(task)))
        has_retries = self.state.failures(item) < self.settings.max_item_retries
        if has_retries and error.may_retry and not is_final and not self.is_closed:
            self.item_log.is_run_again(item, error)
            attempt = self.state.attempts.get(item)
            self._failed_runs[item] = str(error), attempt.wiro_task_id if attempt else None
            self.recorder.note(
                entries.item_retried(
                    item,
                    self.settings.try_number,
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
        attempt = self.state.attempts.get(item)
        result = item_result(
            "failed",
            self.state.runs_sent(item),
            task,
            wiro_task_id=attempt.wiro_task_id if attempt else None,
            error=str(error),
            include_links=self.settings.include_links,
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
        deletes: bool | None = None,
    ) -> None:
        """Record the result of an item that is over, see :meth:`BatchRecorder.end`."""
        try:
            await self.recorder.end(
                item,
                result,
                may_retry=may_retry,
                keeps_task=keeps_task,
                is_billed=is_billed,
                deletes=deletes,
            )
        except WiroError as error:
            self.close(error)


def _has_cost(task: Task) -> bool:
    """Whether Wiro bills a task, although it has failed."""
    return task.cost_usd is not None and float(task.cost_usd) > 0

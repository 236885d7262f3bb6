"""FileDeleter: deletes Wiro's copies of what has landed, several tasks at once, beside the other work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.reuse.few_lines import FewLines
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.exceptions import WiroAuthenticationError, WiroError

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.item_queue import ItemQueue
    from airflow_provider_wiro.batch.run_sender import StoppableHook

#: How many tasks' files are deleted at once.
AT_ONCE = 4
#: How long nothing is deleted after Wiro could not be reached.
PAUSE_SECONDS = 30.0


class FileDeleter:
    """
    Deletes the files of items whose results are durable.

    :ivar problem: why some are not deleted yet; None: nothing is in the way.
    """

    def __init__(self, queue: ItemQueue, hook: StoppableHook) -> None:
        self.problem: WiroError | None = None
        self._queue = queue
        self._hook = hook
        self._log = FewLines(queue.settings.log)
        self._not_before = 0.0
        self._is_at_work = False

    @property
    def is_due(self) -> bool:
        """Whether there is something to delete now."""
        return (
            self._queue.settings.delete_after
            and bool(self._queue.recorder.deletable)
            and not self._is_at_work
            and self._queue.settings.now() >= self._not_before
        )

    async def work(self) -> None:
        """Delete what is to be deleted by now. What can't be reached stays for the next time."""
        self._is_at_work = True
        self.problem = None
        waiting = self._queue.recorder.deletable
        try:
            while waiting and self.problem is None:
                some = [waiting.pop() for _ in range(min(AT_ONCE, len(waiting)))]
                await asyncio.gather(*map(self._delete, some))
        finally:
            self._is_at_work = False

    async def finish(self) -> bool:
        """Delete what is left, without waiting for the end of a pause; return whether there was something."""
        self._not_before = 0.0
        was_due = self.is_due
        if was_due:
            await self.work()
        return was_due

    async def _delete(self, item: int) -> None:
        queue = self._queue
        wiro_task_id = queue.state.deletions.pending.get(item)
        if wiro_task_id is None:
            return
        self._hook.check()
        try:
            await self._hook.delete_task_files(wiro_task_id)
        except WiroError as error:
            if error.may_retry or isinstance(error, WiroAuthenticationError):
                self.problem = error
                self._not_before = queue.settings.now() + PAUSE_SECONDS
                queue.recorder.deletable.add(item)
                return
            self._log.warning(
                "%s: the files of Wiro task %s stay at Wiro: %s", queue.inputs.name(item), wiro_task_id, error
            )
            queue.recorder.note(entries.files_deleted([], kept=[item]))
        else:
            queue.recorder.note(entries.files_deleted([item]))

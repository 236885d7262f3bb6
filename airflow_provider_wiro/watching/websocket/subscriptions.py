"""The WebSocket subscriptions of a watcher's tasks, and how messages reach its scheduler."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.models import TaskStatus
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.watching.websocket.channel import PushChannel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.polling import Watch
    from airflow_provider_wiro.hooks.wiro import WiroAsyncHook
    from airflow_provider_wiro.watching.scheduler import PollScheduler
    from airflow_provider_wiro.watching.watch import TaskWatch, WatchUpdate
    from airflow_provider_wiro.watching.websocket.messages import PushMessage

#: With ``auto`` at most this many tasks of a connection are registered: with as many, push takes about as
#: much of a triggerer's core as polling does (`make bench-scale`), and beyond that polling grows more slowly.
MAX_AUTO = 1000
#: At most once in this time a message about a task is passed on that doesn't report its end: it may become a
#: log line, and log lines are the largest part of what push costs a triggerer.
_PASS_ON_SECONDS = 10.0

log = plain_logger(__name__)


class SubscriptionManager:
    """
    Registers tasks for messages, and has the scheduler poll those that a message concerns.

    Belongs to one event loop, and to a hook whose connection has a ``push_url``.

    :param now: the clock of the scheduler.
    :param on_due: called when the scheduler may have become due.
    :param on_message: called with messages that those who wait may want to log.
    """

    def __init__(
        self,
        hook: WiroAsyncHook,
        scheduler: PollScheduler,
        *,
        now: Callable[[], datetime],
        on_due: Callable[[], None],
        on_message: Callable[[PushMessage], None],
    ) -> None:
        self._scheduler = scheduler
        self._now = now
        self._on_due = on_due
        self._pass_on = on_message
        self._channel = PushChannel(
            hook, on_message=self._on_message, on_registered=self._on_registered, log=log
        )
        self._watches: dict[str, set[TaskWatch]] = {}
        self._insisting: set[TaskWatch] = set()
        self._passed_on_at: dict[str, float] = {}
        self._loop = asyncio.get_running_loop()

    def add(self, watched: TaskWatch, watch: Watch) -> None:
        """Subscribe to a task from the next poll on, which shows its token."""
        if watch == "websocket" or (watch == "auto" and len(self._watches) < MAX_AUTO):
            self._watches.setdefault(watched.wiro_task_id, set()).add(watched)
            if watch == "websocket":
                self._insisting.add(watched)

    def discard(self, watched: TaskWatch) -> None:
        """Unsubscribe from a task, if nobody else waits for it."""
        wiro_task_id = watched.wiro_task_id
        watches = self._watches.get(wiro_task_id)
        if watches is None:
            return
        watches.discard(watched)
        self._insisting.discard(watched)
        if not watches:
            del self._watches[wiro_task_id]
            self._passed_on_at.pop(wiro_task_id, None)
            self._channel.discard(wiro_task_id)

    def is_working(self, wiro_task_id: str) -> bool:
        """Whether a message about a task's end can be expected."""
        return self._channel.is_working(wiro_task_id)

    def on_update(self, update: WatchUpdate) -> None:
        """Take in what a poll has shown: a token, or a change that a message should have reported."""
        wiro_task_id = update.watch.wiro_task_id
        if update.task is None or wiro_task_id not in self._watches:
            return
        if update.since is not None:
            since = self._loop.time() - (self._now() - update.since).total_seconds()
            self._channel.on_change(wiro_task_id, since, is_end=update.is_over)
        if not update.is_over:
            self.on_task(update.watch, update.task)

    def on_task(self, watched: TaskWatch, task: Task) -> None:
        """Register a task whose token a poll has shown."""
        if watched.wiro_task_id not in self._watches or task.is_terminal:
            return
        if task.token:
            self._channel.add(watched.wiro_task_id, task.token)
        elif watched in self._insisting:  # the list may abridge; Detail shows all
            self._insisting.discard(watched)
            self._scheduler.require_detail(watched, self._now())
            self._on_due()

    async def aclose(self) -> None:
        """Unsubscribe from everything."""
        await self._channel.aclose()

    def _on_registered(self, wiro_task_ids: Sequence[str]) -> None:
        # What happened before the registration isn't reported. Tasks that aren't relied on are polled anyway.
        self._scheduler.poll_now(filter(self.is_working, wiro_task_ids), self._now())
        self._on_due()

    def _on_message(self, message: PushMessage) -> None:
        wiro_task_id, now = message.wiro_task_id, self._loop.time()
        # A task_error is a line on stderr or a failure before the model ran: no end, but worth a Detail.
        if message.is_end or message.status == TaskStatus.ERROR:
            self._scheduler.on_message(wiro_task_id, self._now(), is_end=message.is_end)
            self._on_due()
        elif now >= self._passed_on_at.get(wiro_task_id, 0.0) + _PASS_ON_SECONDS:
            self._passed_on_at[wiro_task_id] = now
            self._pass_on(message)

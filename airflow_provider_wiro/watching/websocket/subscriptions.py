"""What a watcher has of Wiro's push: which tasks are registered for it, and what is made of what is heard."""

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

#: With ``auto`` so many tasks of a connection are registered at most: with as many, push takes about as much
#: of a triggerer's core as polling does (`make bench-scale`), and from there on polling grows more slowly.
MAX_AUTO = 1000
#: Once in this time something is passed on to the one that waits: it costs a turn of the loop, and a line.
_TELL_SECONDS = 5.0

log = plain_logger(__name__)


class SubscriptionManager:
    """
    Registers tasks, and makes the plan look when something was heard.

    Belongs to one event loop, and to a hook whose connection has a ``push_url``.

    :param now: the clock of the plan.
    :param changed: called when the plan may have become due.
    :param tell: passes on a message that one who waits may want to know.
    """

    def __init__(
        self,
        hook: WiroAsyncHook,
        plan: PollScheduler,
        *,
        now: Callable[[], datetime],
        changed: Callable[[], None],
        tell: Callable[[PushMessage], None],
    ) -> None:
        self._plan = plan
        self._now = now
        self._changed = changed
        self._tell = tell
        self._channel = PushChannel(hook, heard=self._heard, registered=self._registered, log=log)
        self._listens: dict[str, set[TaskWatch]] = {}
        self._insisting: set[TaskWatch] = set()
        self._heard_at: dict[str, float] = {}
        self._told_at: dict[str, float] = {}
        self._loop = asyncio.get_running_loop()

    def add(self, watched: TaskWatch, watch: Watch) -> None:
        """Listen to a task from the next look on, which tells its token."""
        if watch == "websocket" or (watch == "auto" and len(self._listens) < MAX_AUTO):
            self._listens.setdefault(watched.wiro_task_id, set()).add(watched)
            if watch == "websocket":
                self._insisting.add(watched)

    def discard(self, watched: TaskWatch) -> None:
        """Listen to a task no more, if nobody else does."""
        listens = self._listens.get(watched.wiro_task_id)
        if listens is None:
            return
        listens.discard(watched)
        self._insisting.discard(watched)
        if not listens:
            wiro_task_id = watched.wiro_task_id
            del self._listens[wiro_task_id]
            self._heard_at.pop(wiro_task_id, None)
            self._told_at.pop(wiro_task_id, None)
            self._channel.discard(wiro_task_id)

    def is_working(self, wiro_task_id: str) -> bool:
        """Whether a task's end can be expected to be told."""
        return self._channel.is_working(wiro_task_id)

    def seen(self, news: WatchUpdate) -> None:
        """Learn what a look has shown: a token, or something that should have been heard."""
        wiro_task_id = news.watched.wiro_task_id
        if news.task is None or wiro_task_id not in self._listens:
            return
        if news.since is not None:
            since = self._loop.time() - (self._now() - news.since).total_seconds()
            if self._heard_at.get(wiro_task_id, since) <= since:
                self._channel.missed(wiro_task_id, since, is_end=news.is_over)
        if not news.is_over:
            self.learn(news.watched, news.task)

    def learn(self, watched: TaskWatch, task: Task) -> None:
        """Register a task whose token is known now."""
        if watched.wiro_task_id not in self._listens or task.is_terminal:
            return
        if task.token:
            self._channel.add(watched.wiro_task_id, task.token)
        elif watched in self._insisting:  # the list may abridge; Detail shows all
            self._insisting.discard(watched)
            self._plan.ask_alone(watched, self._now())
            self._changed()

    async def aclose(self) -> None:
        """Hear nothing more."""
        await self._channel.aclose()

    def _registered(self, wiro_task_ids: Sequence[str]) -> None:
        # What happened before the registration is not told. Nobody waits for what isn't relied on.
        self._plan.hasten(filter(self.is_working, wiro_task_ids), self._now())
        self._changed()

    def _heard(self, message: PushMessage) -> None:
        wiro_task_id, now = message.wiro_task_id, self._loop.time()
        self._heard_at[wiro_task_id] = now
        # A task_error is a line on stderr or a failure before the model ran: no end, but worth asking Detail.
        if message.is_end or message.status == TaskStatus.ERROR:
            self._plan.heard(wiro_task_id, self._now(), is_end=message.is_end)
            self._changed()
        elif now >= self._told_at.get(wiro_task_id, 0.0) + _TELL_SECONDS:
            self._told_at[wiro_task_id] = now
            self._tell(message)

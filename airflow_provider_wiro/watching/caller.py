"""One caller that waits for a task: notified of changes in its own context, and of the end by a future."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.watching.watch import WatchUpdate
    from airflow_provider_wiro.watching.websocket.messages import PushMessage

T = TypeVar("T")


class Caller:
    """
    A caller of :func:`~airflow_provider_wiro.watching.watcher.watch_task`.

    :ivar end: the ended task, or the error that ends the wait; what the caller awaits.
    """

    def __init__(self, observe: Callable[[Task], None], on_message: Callable[[PushMessage], None]) -> None:
        self.end: asyncio.Future[Task] = asyncio.get_running_loop().create_future()
        self._observe = observe
        self._on_message = on_message
        self._context = contextvars.copy_context()

    def on_message(self, message: PushMessage) -> None:
        """Pass a message on."""
        self._call(self._on_message, message)

    def on_update(self, update: WatchUpdate) -> None:
        """Pass a change of the task on, and end the wait if it is the last one."""
        if update.task is not None:
            self._call(self._observe, update.task)
        if self.end.done():
            return
        if update.error is not None:
            self.end.set_exception(update.error)
        elif update.is_over and update.task is not None:
            self.end.set_result(update.task)

    def _call(self, callback: Callable[[T], None], what: T) -> None:
        if self.end.done():  # the caller has left
            return
        try:
            self._context.run(callback, what)
        except Exception as error:
            self.end.set_exception(error)

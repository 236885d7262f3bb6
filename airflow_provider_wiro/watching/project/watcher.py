"""
One look a minute at a project's tasks, for all event triggers of a connection in one event loop.

There is no task in the background: the trigger that comes first when a look is due makes it, in its own
asyncio task, since Airflow gives connections only to tasks that it knows. The others wait for it.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from airflow_provider_wiro.api import endpoints, flow
from airflow_provider_wiro.exceptions import (
    WiroApiError,
    WiroAuthenticationError,
    WiroError,
    WiroRateLimitError,
    WiroTaskNotFoundError,
)
from airflow_provider_wiro.failures import explain
from airflow_provider_wiro.hooks import flow_context
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.watching.project.schedule import LookSchedule

if TYPE_CHECKING:
    from airflow_provider_wiro.transport.connection import WiroConnection
    from airflow_provider_wiro.watching.project.watch import ProjectWatch

#: Details in flight at once.
MAX_REQUESTS = 8
#: After this many Details in a row that failed, the rest waits for the next look.
MAX_FAILURES_IN_A_ROW = 3
#: For how long a page of a walk is repeated before the walk is given up, unless the look before failed.
PAGE_PATIENCE_SECONDS = 20.0
#: The pause before a look that asks only about what is left of the one before.
SHORT_PAUSE_SECONDS = 1.0

log = plain_logger(__name__)


class ProjectWatcher:
    """
    Looks at the tasks that a connection sees, for all triggers of that connection in one event loop.

    Get it by :meth:`of`, and leave it with :meth:`aclose`.
    """

    def __init__(self, wiro_conn_id: str) -> None:
        self.wiro_conn_id = wiro_conn_id
        #: As the last look has read it.
        self.seen_connection: WiroConnection | None = None
        self._schedule = LookSchedule()
        self._hook: WiroAsyncHook | None = None
        self._now = flow_context.SteadyClock()
        self._looking = asyncio.Lock()
        self._walk_at = self._look_at = self._now.timestamp()
        self._users = 0
        self._trouble: str | None = None
        self._is_behind = False

    @classmethod
    def of(cls, wiro_conn_id: str) -> ProjectWatcher:
        """Return the watcher that all triggers of a connection share in this event loop."""
        watchers = _WATCHERS.setdefault(asyncio.get_running_loop(), {})
        watcher = watchers.setdefault(wiro_conn_id, cls(wiro_conn_id))
        watcher._users += 1
        return watcher

    async def aclose(self) -> None:
        """Leave it. The last trigger closes the session, also if it is cancelled once more meanwhile."""
        self._users -= 1
        if self._users:
            return
        _WATCHERS.get(asyncio.get_running_loop(), {}).pop(self.wiro_conn_id, None)
        if self._hook is not None:
            closing = asyncio.get_running_loop().create_task(
                self._hook.close(), context=contextvars.Context()
            )
            _CLOSING.add(closing)
            closing.add_done_callback(_CLOSING.discard)
            await asyncio.shield(closing)

    def add(self, watch: ProjectWatch) -> None:
        """Serve a trigger from the next look on, which is made at once."""
        self._schedule.add(watch)
        self._walk_at = self._look_at = self._now.timestamp()

    def remove(self, watch: ProjectWatch) -> None:
        """Serve it no longer. Doing that twice does nothing."""
        self._schedule.remove(watch)

    async def connection(self, *, interval: float) -> WiroConnection | None:
        """
        Return the connection, None if it can't be had now; the reason is logged once.

        :param interval: seconds after which the trigger tries again.
        """
        async with self._looking:
            try:
                self.seen_connection = await self._opened().get_wiro_connection()
            except Exception as error:
                await self._note_trouble(error, interval)
                return None
            return self.seen_connection

    async def look(self) -> float:
        """
        Look at the project's tasks if it is time to, and return the seconds until the next look is due.

        What goes wrong is logged once and tried again: no error leaves this method.
        """
        async with self._looking:
            if self._now.timestamp() >= self._look_at:
                try:
                    await self._look()
                except Exception as error:
                    await self._note_trouble(error, self._schedule.interval)
                    self._walk_at = self._look_at = self._now.timestamp() + self._schedule.interval
        return max(0.0, self._look_at - self._now.timestamp())

    async def _look(self) -> None:
        hook = self._opened()
        # Here, in the task of a trigger; the Details are asked for in tasks that Airflow doesn't know.
        connection = await hook.get_wiro_connection()
        before, self.seen_connection = self.seen_connection, connection
        now = self._now.timestamp()
        if before is not None and place_of(connection) != place_of(before):
            # Each trigger starts again, with its progress at that place.
            self._schedule = LookSchedule()
            self._walk_at = self._look_at = now
            return
        if now >= self._walk_at:
            # Set before the walk: a trigger that comes meanwhile wants another one.
            self._walk_at = now + self._schedule.interval
            await self._walk(hook)
        failure = await self._ask_details(hook)
        if failure is not None:
            raise failure
        if self._trouble is not None:
            log.info("Wiro answers again. The tasks of connection %r are watched.", self.wiro_conn_id)
            self._trouble = None
        self._look_at = self._walk_at
        if self._schedule.has_more(self._now()):
            self._look_at = min(self._walk_at, self._now.timestamp() + SHORT_PAUSE_SECONDS)

    def _opened(self) -> WiroAsyncHook:
        if self._hook is None:
            self._hook = WiroAsyncHook(self.wiro_conn_id)
        return self._hook

    async def _walk(self, hook: WiroAsyncHook) -> None:
        patience = 0.0 if self._trouble else PAGE_PATIENCE_SECONDS
        walk = await hook.run_flow(lambda context: self._schedule.walk(context, patience_seconds=patience))
        if walk.is_behind and not self._is_behind:
            log.warning(
                "Wiro's newest task is %s (connection %r), and larger ids were seen before. Is it the key of "
                "another project? No event is fired before the ids are larger.",
                walk.newest,
                self.wiro_conn_id,
            )
        self._is_behind = walk.is_behind
        self._schedule.on_walk(walk, self._now())

    async def _ask_details(self, hook: WiroAsyncHook) -> WiroError | None:
        """Ask Detail about the tasks whose turn it is; returns the error that ended it early."""
        asking = _Asking(self._schedule.next_details(self._now()))
        if asking.left:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(MAX_REQUESTS, len(asking.left))):
                    group.create_task(self._ask(hook, asking), context=contextvars.Context())
        return asking.failure

    async def _ask(self, hook: WiroAsyncHook, asking: _Asking) -> None:
        while asking.left and asking.failure is None:
            number = asking.left.pop(0)
            try:
                task = await hook.run_flow(
                    lambda context, wiro_task_id=str(number): flow.call(  # type: ignore[misc]
                        endpoints.get_task(wiro_task_id), context, patience_seconds=0
                    )
                )
            except WiroTaskNotFoundError:
                asking.in_a_row = 0
                if self._schedule.on_unknown(number, self._now()):
                    log.warning("Wiro hasn't known task %s for a day. It is no longer watched.", number)
            except WiroError as error:
                self._note_failed_detail(number, error, asking)
            else:
                asking.in_a_row = 0
                self._schedule.on_task(number, task, self._now())

    def _note_failed_detail(self, number: int, error: WiroError, asking: _Asking) -> None:
        asking.in_a_row += 1
        # A rate limit, or a wrong key, is no fault of this task.
        is_general = isinstance(error, WiroRateLimitError | WiroAuthenticationError)
        if is_general or asking.in_a_row >= MAX_FAILURES_IN_A_ROW:
            asking.failure = error
        if not is_general and self._schedule.on_failure(number, self._now()):
            log.info("Wiro task %s can't be read now, and is asked about again: %s", number, error)

    async def _note_trouble(self, error: Exception, interval: float) -> None:
        """Log what is wrong, once until it changes, and read the connection again for the next look."""
        kind = f"{type(error).__name__} {error.http_status if isinstance(error, WiroApiError) else ''}"
        if kind != self._trouble:
            self._trouble = kind
            if isinstance(error, WiroError):
                log.warning(
                    "The tasks of connection %r can't be watched now. Trying again every %g s; no event is "
                    "lost. %s",
                    self.wiro_conn_id,
                    interval,
                    explain(error),
                )
            else:  # a secrets backend or the supervisor is out of order, or a bug
                log.error(
                    "The tasks of connection %r can't be watched now. Trying again every %g s; no event is "
                    "lost.",
                    self.wiro_conn_id,
                    interval,
                    exc_info=error,
                )
        if self._hook is not None:
            hook, self._hook = self._hook, None
            await hook.close()


def place_of(connection: WiroConnection) -> tuple[str, str | None]:
    """Return what a trigger's progress belongs to: an API's ids, and a project."""
    return connection.base_url, connection.project_id


class _Asking:
    """The Details of one look, shared by the tasks that ask for them."""

    def __init__(self, left: list[int]) -> None:
        self.left = left
        self.in_a_row = 0
        self.failure: WiroError | None = None


_WATCHERS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, ProjectWatcher]] = WeakKeyDictionary()
#: Sessions that are closing, so that they aren't garbage collected before they have.
_CLOSING: set[asyncio.Task[None]] = set()

"""
Following Wiro tasks in an event loop: everything that waits on one connection there shares a watcher.

A watcher has one session, one rate gate and one schedule (:mod:`~airflow_provider_wiro.watching.scheduler`).
It runs in tasks of its own, so that waits can come and go.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_wiro.api import endpoints, flow
from airflow_provider_wiro.exceptions import WiroAuthenticationError, WiroConnectionError, WiroError
from airflow_provider_wiro.hooks import flow_context
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.watching.caller import Caller
from airflow_provider_wiro.watching.scheduler import DetailRequest, PollScheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.polling import Polling, Watch
    from airflow_provider_wiro.watching.scheduler import PollRequest
    from airflow_provider_wiro.watching.task_list import ListScan
    from airflow_provider_wiro.watching.watch import TaskWatch, WatchUpdate
    from airflow_provider_wiro.watching.websocket.messages import PushMessage
    from airflow_provider_wiro.watching.websocket.subscriptions import SubscriptionManager

T = TypeVar("T")

#: Requests of one connection in flight at once. 1,000 tasks of 60 to 100 s that began together end at 25 a
#: second, each of which costs a Detail, and a page or two a second: where each response takes a second, 27.
MAX_REQUESTS = 32
#: List scans at once: their pages are large responses, and would keep the loop from everything else.
MAX_SCANS = 4
#: How long after a task's deadline its last poll may be answered.
_LAST_POLL_SECONDS = 30.0
#: For how long the answer to "has the connection changed?" holds for all that ask.
_CHECK_SECONDS = 10.0
#: After a bug the watcher continues, but not in a loop that takes all the time.
_AFTER_A_BUG_SECONDS = 1.0

log = plain_logger(__name__)


def _ignore(_: PushMessage) -> None:
    """Do nothing with a message."""


async def watch_task(
    wiro_conn_id: str,
    wiro_task_id: str,
    polling: Polling,
    *,
    watch: Watch = "auto",
    is_seen: bool = False,
    observe: Callable[[Task], None] = flow_context.ignore,
    on_message: Callable[[PushMessage], None] = _ignore,
) -> Task:
    """
    Follow a task until it has ended, and return it, whether it succeeded or not.

    Cancelling it disturbs no other. The callbacks run in the caller's context, by which Airflow finds a
    trigger's log; what one raises ends the wait.

    :param watch: ``"poll"``; ``"websocket"``, which polls too, but seldom; or ``"auto"``, which is that for
        the first 1,000 tasks of a connection.
    :param is_seen: the task was polled a moment ago, so begin with a pause.
    :param observe: called with the task when a poll shows a change of its status, and with its end.
    :param on_message: called with messages over the WebSocket, at most one every few seconds.
    :raises WiroTaskTimeoutError: the deadline passed; the task is left as it is.
    :raises WiroConnectionError: polls have failed for longer than the patience; the task may still run.
    :raises WiroError: watching can't continue.
    """
    checked = endpoints.check_task_id(wiro_task_id)
    watchers = _WATCHERS.setdefault(asyncio.get_running_loop(), {})
    while True:
        watcher = watchers.get(wiro_conn_id)
        if watcher is None or watcher.is_closed:
            watcher = watchers[wiro_conn_id] = Watcher(WiroAsyncHook(wiro_conn_id))
        try:
            return await watcher.follow(
                checked, polling, watch=watch, is_seen=is_seen, observe=observe, on_message=on_message
            )
        except WiroAuthenticationError:
            # The key may have been changed since it was read: a watcher can live for days.
            if not await watcher.is_outdated():
                raise
            _forget(watchers, watcher)
        finally:
            if watcher.is_closed:
                _forget(watchers, watcher)


def _forget(watchers: dict[str, Watcher], watcher: Watcher) -> None:
    for wiro_conn_id in [name for name, found in watchers.items() if found is watcher]:
        del watchers[wiro_conn_id]


class Watcher:
    """
    Follows the tasks of one connection in one event loop, from the first wait to the end of the last.

    :param hook: its own.
    """

    def __init__(self, hook: WiroAsyncHook) -> None:
        self.is_closed = False
        self._hook = hook
        self._scheduler = PollScheduler(random.random, self._is_pushed)
        #: All moments of the scheduler are this clock's.
        self._now = flow_context.SteadyClock()
        self._subscriptions: SubscriptionManager | None = None
        self._callers: dict[TaskWatch, Caller] = {}
        self._users = 0
        self._opening = asyncio.Lock()
        self._checking = asyncio.Lock()
        self._is_outdated = False
        self._checked_at = float("-inf")
        self._wakes = asyncio.Event()
        self._sleeps_until: float | None = None
        self._running: asyncio.Task[None] | None = None
        self._in_flight: set[asyncio.Task[None]] = set()
        self._requests = asyncio.Semaphore(MAX_REQUESTS)
        self._scans = asyncio.Semaphore(MAX_SCANS)

    async def follow(
        self,
        wiro_task_id: str,
        polling: Polling,
        *,
        watch: Watch,
        is_seen: bool,
        observe: Callable[[Task], None],
        on_message: Callable[[PushMessage], None],
    ) -> Task:
        """See :func:`watch_task`."""
        self._users += 1
        watched: TaskWatch | None = None
        try:
            async with self._opening:
                # Here and not in the watcher's task: Airflow gives connections to tasks that it knows.
                connection = await self._hook.get_wiro_connection()
            if self._running is None:
                self._running = _in_no_context(self._run())
            now = self._now()
            watched = self._scheduler.add(
                wiro_task_id,
                polling.shifted(now - flow_context.now()),  # its moments are the wall clock's
                patience_seconds=flow_context.poll_patience_seconds(),
                is_seen=is_seen,
                now=now,
            )
            caller = self._callers[watched] = Caller(observe, on_message)
            if watch != "poll" and connection.push_url is not None:
                self._subscribe(watched, watch)
            self._wake_if_due()
            return await caller.end
        finally:
            if watched is not None:
                self._scheduler.remove(watched)
                self._callers.pop(watched, None)
                if self._subscriptions is not None:
                    self._subscriptions.discard(watched)
            self._users -= 1
            if not self._users:
                await self._close()

    def _subscribe(self, watched: TaskWatch, watch: Watch) -> None:
        if self._subscriptions is None:
            # Here and not above: it brings aiohttp, and DAG files are parsed all day long.
            from airflow_provider_wiro.watching.websocket.subscriptions import SubscriptionManager

            self._subscriptions = SubscriptionManager(
                self._hook, self._scheduler, now=self._now, on_due=self._wake_if_due, on_message=self._pass_on
            )
        self._subscriptions.add(watched, watch)

    async def is_outdated(self) -> bool:
        """Whether the connection has changed since this watcher read it."""
        now = asyncio.get_running_loop().time()
        async with self._checking:
            if now > self._checked_at + _CHECK_SECONDS:
                found = await WiroAsyncHook(self._hook.wiro_conn_id).get_wiro_connection()
                self._is_outdated = found != await self._hook.get_wiro_connection()
                self._checked_at = now
            return self._is_outdated

    async def _close(self) -> None:
        self.is_closed = True
        closing = _in_no_context(self._end())
        _CLOSING.add(closing)
        closing.add_done_callback(_CLOSING.discard)
        # Shielded: the last wait may be cancelled once more, and the session must not stay open.
        await asyncio.shield(closing)

    async def _end(self) -> None:
        ending = [task for task in (self._running, *self._in_flight) if task is not None]
        for task in ending:
            task.cancel()
        try:
            await asyncio.gather(*ending, return_exceptions=True)
            if self._subscriptions is not None:
                await self._subscriptions.aclose()
        except Exception:  # the wait has its result, which this must not replace
            log.exception("The push of connection %s was not closed well.", self._hook.wiro_conn_id)
        finally:
            await self._hook.close()

    async def _run(self) -> None:
        gate = flow_context.new_context(await self._hook.get_wiro_connection()).gate
        while True:
            try:
                now = self._now()
                closed_for = gate.wait_seconds()
                for request in (
                    self._scheduler.hold_back(now, closed_for)
                    if closed_for
                    else self._scheduler.due_requests(now)
                ):
                    sending = _in_no_context(self._send(request))
                    self._in_flight.add(sending)
                    sending.add_done_callback(self._in_flight.discard)
                await self._sleep()
            except Exception:
                # Whatever it is, the other waits must not lose sight of tasks that are paid for.
                log.exception(
                    "The watcher of connection %s continues after an error.", self._hook.wiro_conn_id
                )
                await asyncio.sleep(_AFTER_A_BUG_SECONDS)

    async def _sleep(self) -> None:
        """Sleep until something is due."""
        self._wakes.clear()
        seconds = self._seconds_to_sleep()
        loop = asyncio.get_running_loop()
        self._sleeps_until = None if seconds is None else loop.time() + seconds
        alarm = None if self._sleeps_until is None else loop.call_at(self._sleeps_until, self._wakes.set)
        try:
            await self._wakes.wait()
        finally:
            if alarm is not None:
                alarm.cancel()

    def _seconds_to_sleep(self) -> float | None:
        due_at = self._scheduler.next_due_at()
        return None if due_at is None else max(0.0, (due_at - self._now()).total_seconds())

    def _wake_if_due(self) -> None:
        """Wake the watcher if something is due before it would wake."""
        seconds = self._seconds_to_sleep()
        if seconds is not None and (
            self._sleeps_until is None or asyncio.get_running_loop().time() + seconds < self._sleeps_until
        ):
            self._wakes.set()

    async def _send(self, request: PollRequest) -> None:
        try:
            if isinstance(request, DetailRequest):
                updates = await self._poll_task(request)
            else:
                updates = await self._scan(request)
        except WiroError as error:
            updates = self._scheduler.on_error(request, error, self._now())
        except Exception as error:
            log.exception("A poll of the watcher of connection %s failed.", self._hook.wiro_conn_id)
            failure = WiroConnectionError(f"{type(error).__name__} while polling.")
            updates = self._scheduler.on_error(request, failure, self._now())
        self._notify(updates)
        self._wake_if_due()

    async def _poll_task(self, request: DetailRequest) -> list[WatchUpdate]:
        watched = request.watch
        left = watched.polling.seconds_left(self._now())
        try:
            # With requests that hang, there is no end of waiting for one's turn; but there is of a deadline.
            async with (
                asyncio.timeout(None if left == math.inf else left + _LAST_POLL_SECONDS),
                self._requests,
            ):
                if not watched.is_active:  # its wait has ended before its turn came
                    return []
                detail = endpoints.get_task(watched.wiro_task_id)
                task = await self._call(detail, is_last_poll=watched.polling.is_over(self._now()))
        except TimeoutError as error:
            raise WiroConnectionError("No answer came before the deadline.") from error
        if self._subscriptions is not None:
            self._subscriptions.on_task(watched, task)
        return self._scheduler.on_task(request, task, self._now())

    async def _scan(self, scan: ListScan) -> list[WatchUpdate]:
        async with self._scans:
            while (start := self._scheduler.next_start(scan, self._now())) is not None:
                asked_at = self._now()
                async with self._requests:
                    tasks = await self._call(
                        endpoints.list_tasks(start=start, limit=self._scheduler.page_size)
                    )
                self._notify(self._scheduler.on_page(scan, start, tasks, asked_at, self._now()))
                self._wake_if_due()
        return []

    async def _call(self, call: endpoints.ApiCall[T], *, is_last_poll: bool = False) -> T:
        def one_call(context: flow.FlowContext) -> flow.Flow[T]:
            if is_last_poll:  # it is sent in time, whatever the rate limit that others ran into
                context = replace(context, gate=context.gate.bypass())
            # One try: the scheduler knows when to try again, and what else to poll meanwhile.
            return flow.call(call, context, patience_seconds=0)

        return await self._hook.run_flow(one_call)

    def _is_pushed(self, wiro_task_id: str) -> bool:
        return self._subscriptions is not None and self._subscriptions.is_working(wiro_task_id)

    def _pass_on(self, message: PushMessage) -> None:
        for watched in self._scheduler.watches_of(message.wiro_task_id):
            self._callers[watched].on_message(message)

    def _notify(self, updates: list[WatchUpdate]) -> None:
        for update in updates:
            if self._subscriptions is not None:
                self._subscriptions.on_update(update)
            caller = self._callers.get(update.watch)
            if caller is not None:
                caller.on_update(update)


#: Watchers that are closing, so that they aren't garbage collected before they have.
_CLOSING: set[asyncio.Task[None]] = set()
_WATCHERS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Watcher]] = WeakKeyDictionary()


def _in_no_context(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """Start a task that belongs to no trigger: by its context Airflow finds a trigger's log."""
    return asyncio.get_running_loop().create_task(work, context=contextvars.Context())

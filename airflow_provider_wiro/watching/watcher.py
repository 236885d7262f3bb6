"""
Following many Wiro tasks at once: all that wait on one connection in one event loop share one watcher.

It has one session, one rate gate and one plan (:mod:`~airflow_provider_wiro.watching.scheduler`). It works
in a task of its own, so that whoever waits can come and go; what it sees is told where it is awaited, since
Airflow finds a trigger's log by its context.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import random
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_wiro.api import endpoints, flow
from airflow_provider_wiro.exceptions import (
    WiroAuthenticationError,
    WiroConnectionError,
    WiroError,
)
from airflow_provider_wiro.hooks import flow_context
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.watching.scheduler import PollScheduler
from airflow_provider_wiro.watching.watch import DetailRequest, WatchUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.polling import Polling, Watch
    from airflow_provider_wiro.watching.task_list import ListScan
    from airflow_provider_wiro.watching.watch import Look, TaskWatch
    from airflow_provider_wiro.watching.websocket.messages import PushMessage
    from airflow_provider_wiro.watching.websocket.subscriptions import SubscriptionManager

T = TypeVar("T")

#: Requests of one connection on their way at once: 1,000 tasks of 60 to 100 s that began together end at 25 a
#: second, each of which costs a Detail, and a page or two a second; where each answer takes a second, 27.
MAX_REQUESTS = 32
#: Walks down the list at once: its pages are large answers, and would keep the loop from everything else.
MAX_WALKS = 4
#: How long after its deadline a task's last look may be answered.
_LAST_LOOK_SECONDS = 30.0
#: For how long an answer to "was the connection changed?" is good for all that ask.
_CHECK_SECONDS = 10.0

#: After a bug of ours the watcher goes on, but not in a loop that takes all the time.
_AFTER_A_BUG_SECONDS = 1.0

log = plain_logger(__name__)


def _ignore(_: PushMessage) -> None:
    """Hear nothing."""


async def watch_task(
    wiro_conn_id: str,
    wiro_task_id: str,
    polling: Polling,
    *,
    watch: Watch = "auto",
    is_seen: bool = False,
    observe: Callable[[Task], None] = flow_context.ignore,
    hear: Callable[[PushMessage], None] = _ignore,
) -> Task:
    """
    Follow a task until it changes no more, and return it, whether it succeeded or not.

    Cancelling it disturbs no other.

    :param watch: ``"poll"``; ``"websocket"``, which polls too, but seldom; or ``"auto"``, which is that for
        the first 1,000 tasks of a connection.
    :param observe: called with what is seen of the task, where this is awaited.
    :param hear: the same with what is heard of it over the WebSocket.
    :param is_seen: the task was looked at a moment ago, so begin with a pause.
    :raises WiroTaskTimeoutError: the deadline passed; the task is left as it is.
    :raises WiroConnectionError: patience is over; the task may still run.
    :raises WiroError: watching can't go on.
    """
    checked = endpoints.check_task_id(wiro_task_id)
    watchers = _WATCHERS.setdefault(asyncio.get_running_loop(), {})
    while True:
        watcher = watchers.get(wiro_conn_id)
        if watcher is None or watcher.is_closed:
            watcher = watchers[wiro_conn_id] = Watcher(WiroAsyncHook(wiro_conn_id))
        try:
            return await watcher.follow(
                checked, polling, watch=watch, is_seen=is_seen, observe=observe, hear=hear
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


def _report(
    news: WatchUpdate | PushMessage, observe: Callable[[Task], None], hear: Callable[[PushMessage], None]
) -> Task | None:
    """
    Report news to the caller that waits, and return the task if it has ended.

    A function of its own: the frame that waits would keep a whole Detail until the next news.

    :raises WiroError: watching can't go on.
    """
    if not isinstance(news, WatchUpdate):
        hear(news)
        return None
    if news.error is not None:
        raise news.error
    if news.task is not None:
        observe(news.task)
    return news.task if news.is_over else None


class _Wait:
    """One that waits, and the news that it hasn't heard yet."""

    def __init__(self) -> None:
        self._news: deque[WatchUpdate | PushMessage] = deque()
        self._has_news = asyncio.Event()

    def tell(self, news: WatchUpdate | PushMessage) -> None:
        self._news.append(news)
        self._has_news.set()

    async def next(self) -> WatchUpdate | PushMessage:
        while not self._news:
            self._has_news.clear()
            await self._has_news.wait()
        return self._news.popleft()


class Watcher:
    """
    Follows the tasks of one connection in one event loop, from the first that is waited for to the last.

    :param hook: its own.
    """

    def __init__(self, hook: WiroAsyncHook) -> None:
        self.is_closed = False
        self._hook = hook
        self._plan = PollScheduler(random.random, self._is_pushed)
        #: All moments of the plan are this clock's.
        self._now = flow_context.SteadyClock()
        self._listener: SubscriptionManager | None = None
        self._waits: dict[TaskWatch, _Wait] = {}
        self._users = 0
        self._opening = asyncio.Lock()
        self._checking = asyncio.Lock()
        self._is_outdated = False
        self._checked_at = float("-inf")
        self._wakes = asyncio.Event()
        self._sleeps_until: float | None = None
        self._watching: asyncio.Task[None] | None = None
        self._looking: set[asyncio.Task[None]] = set()
        self._requests = asyncio.Semaphore(MAX_REQUESTS)
        self._walks = asyncio.Semaphore(MAX_WALKS)

    async def follow(
        self,
        wiro_task_id: str,
        polling: Polling,
        *,
        watch: Watch,
        is_seen: bool,
        observe: Callable[[Task], None],
        hear: Callable[[PushMessage], None],
    ) -> Task:
        """See :func:`watch_task`."""
        self._users += 1
        watched: TaskWatch | None = None
        try:
            async with self._opening:
                # Here and not in the watcher's task: Airflow tells connections to those it knows.
                connection = await self._hook.get_wiro_connection()
            if self._watching is None:
                self._watching = _in_no_context(self._watch())
            now = self._now()
            watched = self._plan.add(
                wiro_task_id,
                polling.shifted(now - flow_context.now()),  # its moments are the wall clock's
                patience_seconds=flow_context.poll_patience_seconds(),
                is_seen=is_seen,
                now=now,
            )
            wait = self._waits[watched] = _Wait()
            if watch != "poll" and connection.push_url is not None:
                self._listening().add(watched, watch)
            self._nudge()
            while True:
                ended = _report(await wait.next(), observe, hear)
                if ended is not None:
                    return ended
        finally:
            if watched is not None:
                self._plan.remove(watched)
                self._waits.pop(watched, None)
                if self._listener is not None:
                    self._listener.discard(watched)
            self._users -= 1
            if not self._users:
                await self._close()

    def _listening(self) -> SubscriptionManager:
        if self._listener is None:
            # Here and not above: it brings aiohttp, and DAG files are parsed all day long.
            from airflow_provider_wiro.watching.websocket.subscriptions import SubscriptionManager

            self._listener = SubscriptionManager(
                self._hook, self._plan, now=self._now, changed=self._nudge, tell=self._tell_message
            )
        return self._listener

    async def is_outdated(self) -> bool:
        """Whether the connection is another one by now than the one this watcher works with."""
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
        # Shielded: the last that waits may be cancelled once more, and the session must not stay open.
        await asyncio.shield(closing)

    async def _end(self) -> None:
        ending = [task for task in (self._watching, *self._looking) if task is not None]
        for task in ending:
            task.cancel()
        try:
            await asyncio.gather(*ending, return_exceptions=True)
            if self._listener is not None:
                await self._listener.aclose()
        except Exception:  # who waited has its answer, which this must not replace
            log.exception("The push of connection %s was not closed well.", self._hook.wiro_conn_id)
        finally:
            await self._hook.close()

    async def _watch(self) -> None:
        outside = flow_context.outside(await self._hook.get_wiro_connection())
        while True:
            try:
                now = self._now()
                closed_for = outside.gate.wait_seconds()
                for look in self._plan.wait(now, closed_for) if closed_for else self._plan.looks(now):
                    self._begin(look)
                await self._sleep()
            except Exception:
                # Whatever it is, the others that wait must not lose sight of tasks that are paid for.
                log.exception("The watcher of connection %s goes on after an error.", self._hook.wiro_conn_id)
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
        due_at = self._plan.next_due_at()
        return None if due_at is None else max(0.0, (due_at - self._now()).total_seconds())

    def _nudge(self) -> None:
        """Wake the watcher if something is due before it would wake."""
        seconds = self._seconds_to_sleep()
        if seconds is not None and (
            self._sleeps_until is None or asyncio.get_running_loop().time() + seconds < self._sleeps_until
        ):
            self._wakes.set()

    def _begin(self, look: Look) -> None:
        looking = _in_no_context(self._look(look))
        self._looking.add(looking)
        looking.add_done_callback(self._looking.discard)

    async def _look(self, look: Look) -> None:
        try:
            if isinstance(look, DetailRequest):
                news = await self._look_at_task(look)
            else:
                news = await self._walk(look)
        except WiroError as error:
            news = self._plan.failed(look, error, self._now())
        except Exception as error:
            log.exception("A look of the watcher of connection %s failed.", self._hook.wiro_conn_id)
            failure = WiroConnectionError(f"{type(error).__name__} while looking.")
            news = self._plan.failed(look, failure, self._now())
        self._tell(news)
        self._nudge()

    async def _look_at_task(self, look: DetailRequest) -> list[WatchUpdate]:
        left = look.watched.polling.seconds_left(self._now())
        try:
            # With requests that hang, there is no end of waiting for one's turn; but there is of a deadline.
            async with (
                asyncio.timeout(None if left == math.inf else left + _LAST_LOOK_SECONDS),
                self._requests,
            ):
                if not look.watched.is_followed:  # it has left while this waited for its turn
                    return []
                detail = endpoints.get_task(look.watched.wiro_task_id)
                task = await self._call(detail, is_last_look=look.watched.polling.is_over(self._now()))
        except TimeoutError as error:
            raise WiroConnectionError("No answer came before the deadline.") from error
        if self._listener is not None:
            self._listener.learn(look.watched, task)
        return self._plan.saw_task(look, task, self._now())

    async def _walk(self, walk: ListScan[TaskWatch]) -> list[WatchUpdate]:
        async with self._walks:
            while (start := self._plan.next_start(walk, self._now())) is not None:
                asked_at = self._now()
                async with self._requests:
                    tasks = await self._call(endpoints.list_tasks(start=start, limit=self._plan.page_size))
                self._tell(self._plan.saw_page(walk, start, tasks, asked_at, self._now()))
                self._nudge()
        return []

    async def _call(self, call: endpoints.ApiCall[T], *, is_last_look: bool = False) -> T:
        def conversation(outside: flow.FlowContext) -> flow.Flow[T]:
            if is_last_look:  # which comes at its time, whatever the rate limit that others ran into
                outside = replace(outside, gate=outside.gate.bypass())
            # One try: the plan knows when to try again, and what else to ask meanwhile.
            return flow.call(call, outside, patience_seconds=0)

        return await self._hook.converse(conversation)

    def _is_pushed(self, wiro_task_id: str) -> bool:
        return self._listener is not None and self._listener.is_working(wiro_task_id)

    def _tell_message(self, message: PushMessage) -> None:
        for watched in self._plan.waiting_for(message.wiro_task_id):
            self._waits[watched].tell(message)

    def _tell(self, news: list[WatchUpdate]) -> None:
        for one in news:
            if self._listener is not None:
                self._listener.seen(one)
            wait = self._waits.get(one.watched)
            if wait is not None:
                wait.tell(one)


#: What is being closed must not be garbage collected before it is.
_CLOSING: set[asyncio.Task[None]] = set()
_WATCHERS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Watcher]] = WeakKeyDictionary()


def _in_no_context(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """Begin what belongs to no trigger in a context of its own: by its context Airflow finds the log."""
    return asyncio.get_running_loop().create_task(work, context=contextvars.Context())

"""WiroBatchTrigger waits until enough runs of a batch have ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.api.polling import Polling, Watch
from airflow_provider_wiro.exceptions import WiroError, WiroNotFoundError, WiroUsageError
from airflow_provider_wiro.triggers.base import WiroTrigger
from airflow_provider_wiro.triggers.batch_progress import PROGRESS_KEY, DeferredProgress, ProgressCounts
from airflow_provider_wiro.triggers.cancellation import TasksToStop
from airflow_provider_wiro.triggers.packed_tasks import pack, unpack
from airflow_provider_wiro.version_compat import write_xcom_async
from airflow_provider_wiro.watching.task_log import ErrorStatusWarning
from airflow_provider_wiro.watching.watcher import watch_task

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task


#: At most this many ended runs are named in an event. Airflow keeps it in the row of the task instance, which
#: has its limits as well; the worker polls all of them where there are more.
MOST_IDS_IN_EVENT = 1000
#: Once a run has ended, others are waited for this long, to be handled together.
GATHERING_SECONDS = 15.0
#: This share of the runs is worth a worker at once when it has ended.
WORTHWHILE_SHARE = 0.25


def wakes_at(ended: int, waiting: int, *, deferred_at: float, wake_at: float | None) -> float | None:
    """
    Return when a deferred batch is to resume in a worker, as Unix time; None if a run has to end first.

    :param ended: runs that have ended since it was deferred.
    :param waiting: runs that have not.
    :param deferred_at: Unix time at which it was deferred.
    :param wake_at: at the latest: a deadline, or a slot that may be free.
    """
    due = [] if wake_at is None else [wake_at]
    if ended >= WORTHWHILE_SHARE * (ended + waiting) and (ended or wake_at is None):
        due.append(deferred_at)
    elif ended:
        due.append(deferred_at + GATHERING_SECONDS)
    return min(due, default=None)


class WiroBatchTrigger(WiroTrigger):
    """
    Waits until enough of a batch's runs have ended to be worth a worker, and fires one event.

    The event is ``{"status": "success" | "error", "ended": [ids], "try_number", "message"?}``. It is a hint:
    the worker that is resumed by it polls the tasks itself. A task that can't be followed counts as ended for
    that reason, and the event is an error, so that the worker follows the batch.

    :param wiro_task_ids: the Wiro tasks in flight.
    :param started_at: for each, the Unix time at which it was submitted.
    :param tasks: both of these as :func:`~airflow_provider_wiro.triggers.packed_tasks.pack` returns them:
        what is stored.
    :param wiro_conn_id: the Airflow connection, of type ``wiro``.
    :param deferred_at: see :class:`~airflow_provider_wiro.triggers.base.WiroTrigger`.
    :param wake_at: Unix time at which to fire at the latest; None for never.
    :param poll_interval: seconds between polls; None is adaptive.
    :param watch: ``"poll"``, ``"websocket"`` or ``"auto"``, see
        :class:`~airflow_provider_wiro.operators.wiro.WiroRunOperator`.
    :param cancel_on_kill: stop the Wiro tasks when a user marks the deferred Airflow task.
    :param try_number: see :class:`~airflow_provider_wiro.triggers.base.WiroTrigger`.
    :param lost: how many Runs may have started tasks that are not known, since their responses were lost.
    :param lost_runs: :class:`~airflow_provider_wiro.recovery.lost_run_digests.LostRunDigests` of them as
        JSON, by which their tasks are searched for when a user marks the deferred Airflow task. None: they
        can't be.
    :param progress: how far the batch is, a
        :class:`~airflow_provider_wiro.triggers.batch_progress.ProgressCounts` as JSON. Once a minute the
        trigger logs it, and writes it as the XCom ``progress`` if it has changed. None: neither.
    """

    _fields = (
        "tasks",
        "wiro_conn_id",
        "wake_at",
        "poll_interval",
        "watch",
        "cancel_on_kill",
        "try_number",
        "lost",
    )
    _optional_fields = ("lost_runs", "progress")

    def __init__(
        self,
        *,
        wiro_task_ids: Sequence[str] = (),
        started_at: Sequence[float] = (),
        tasks: str | None = None,
        deferred_at: float | None = None,
        wiro_conn_id: str = "wiro_default",
        wake_at: float | None = None,
        poll_interval: float | None = None,
        watch: Watch = "auto",
        cancel_on_kill: bool = True,
        try_number: int | None = None,
        lost: int = 0,
        lost_runs: dict[str, Any] | None = None,
        progress: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(try_number=try_number, deferred_at=deferred_at)
        self.wiro_conn_id = wiro_conn_id
        packed = [] if tasks is None else unpack(tasks)
        self.wiro_task_ids = [*wiro_task_ids, *(wiro_task_id for wiro_task_id, _ in packed)]
        self.started_at = [*started_at, *(at for _, at in packed)]
        self.wake_at = wake_at
        self.poll_interval = poll_interval
        self.watch = watch
        self.cancel_on_kill = cancel_on_kill
        self.lost = lost
        self.lost_runs = lost_runs
        self.progress = progress
        self._progress: DeferredProgress | None = None
        self._ended: list[str] = []
        self._problem: str | None = None
        #: Of those, the ones that can't be followed here, and may run on.
        self._not_followed: set[str] = set()
        self._seen_running: set[str] = set()

    @property
    def tasks(self) -> str:
        """The tasks and their times, packed."""
        return pack(zip(self.wiro_task_ids, self.started_at, strict=True))

    async def _wait(self) -> dict[str, Any]:
        progress = self._progress = self._begin_progress()
        try:
            event = await self._wait_for_enough()
        except Exception as error:
            # A secrets backend or the supervisor is out of order: no reason to lose sight of paid tasks. The
            # worker that is resumed polls them itself.
            self.log.exception("Could not follow the batch's Wiro tasks.")
            event = {"status": "error", "message": f"{type(error).__name__} in the triggerer."}
        finally:
            if progress is not None:
                progress.stop()
        if progress is not None:
            await progress.settle()
        if self._problem is not None:
            event = {"status": "error", "message": self._problem}
        ended = self._ended
        if len(ended) > MOST_IDS_IN_EVENT:
            event = {"message": f"{len(ended):,} runs have ended.", **event}
            ended = []
        return {**event, "ended": ended}

    def _begin_progress(self) -> DeferredProgress | None:
        if self.progress is None:
            return None
        ti = self.task_instance
        write = None if ti is None else partial(write_xcom_async, ti, PROGRESS_KEY)
        before = ProgressCounts.from_json(self.progress)
        progress = DeferredProgress(before, self._count_ended, write, time.time, self.log)
        progress.begin()
        return progress

    def _count_ended(self) -> int:
        return len(self._ended) - len(self._not_followed)

    async def _after_stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            await self._progress.settle()
            await self._progress.write(self._progress.counts.stopped())

    async def _wait_for_enough(self) -> dict[str, Any]:
        # Not asyncio.wait(): it goes over all that are left each time that one has ended.
        ends: list[asyncio.Task[str]] = []
        has_more = asyncio.Event()

        def note(task: asyncio.Task[str]) -> None:
            ends.append(task)
            has_more.set()

        following = [
            asyncio.create_task(self._follow(wiro_task_id, started_at))
            for wiro_task_id, started_at in zip(self.wiro_task_ids, self.started_at, strict=True)
        ]
        for task in following:
            task.add_done_callback(note)
        try:
            while True:
                has_more.clear()
                self._ended += [task.result() for task in ends]
                ends.clear()
                seconds = self._seconds_to_wait(len(following) - len(self._ended))
                if seconds is not None and seconds <= 0:
                    return {"status": "success"}
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await has_more.wait()
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)

    def _seconds_to_wait(self, waiting: int) -> float | None:
        wake_at = None if self.wake_at is None else self._local_time(self.wake_at)
        wakes = wakes_at(len(self._ended), waiting, deferred_at=self._began_at, wake_at=wake_at)
        # Runs that end before the event may fire belong in it.
        return None if wakes is None else max(wakes, self._not_before) - self._now()

    async def _follow(self, wiro_task_id: str, started_at: float) -> str:
        """Return the id when the task has ended, or can't be followed."""
        warning = ErrorStatusWarning(f"Wiro task {wiro_task_id}", self.log.warning)

        def observe(task: Task) -> None:
            warning.on_task(task)
            if not task.is_queued:
                self._seen_running.add(wiro_task_id)

        polling = Polling(datetime.fromtimestamp(started_at, tz=UTC), None, self.poll_interval)
        try:
            await watch_task(
                self.wiro_conn_id, wiro_task_id, polling, watch=self.watch, is_seen=True, observe=observe
            )
        except WiroError as error:
            self.log.warning("Wiro task %s can't be followed here: %s", wiro_task_id, error)
            # An id that Wiro doesn't know is the worker's to judge.
            if not isinstance(error, WiroNotFoundError):
                self._not_followed.add(wiro_task_id)
                self._problem = f"The triggerer can't follow Wiro task {wiro_task_id}: {error}"[:500]
        return wiro_task_id

    def _tasks_to_stop(self) -> TasksToStop | None:
        if not self.cancel_on_kill:
            self.log.info("%d Wiro tasks are left running (cancel_on_kill=False).", len(self.wiro_task_ids))
            return None
        ended = set(self._ended) - self._not_followed
        is_running = {
            wiro_task_id: wiro_task_id in self._seen_running
            for wiro_task_id in self.wiro_task_ids
            if wiro_task_id not in ended
        }
        if not is_running and not self.lost:
            return None  # killed between the last end and the event
        return TasksToStop(self.wiro_conn_id, is_running, unknown_runs=self.lost, lost_runs=self.lost_runs)


@dataclass(frozen=True)
class BatchOutcome:
    """
    The event of a :class:`WiroBatchTrigger`, checked.

    :ivar ended: the tasks that have ended.
    :ivar message: why the worker has to poll all tasks instead; empty if it doesn't.
    :ivar is_failure: the triggerer can't follow the batch.
    """

    ended: list[str]
    message: str
    is_failure: bool

    @classmethod
    def from_event(cls, event: object) -> Self:
        """
        Read an event.

        :raises WiroUsageError: it is none of a WiroBatchTrigger.
        """
        found: Mapping[str, Any] = event if isinstance(event, Mapping) else {}
        ended = found.get("ended")
        is_valid = found.get("status") in {"success", "error"} and isinstance(ended, list)
        if not is_valid or not all(isinstance(wiro_task_id, str) for wiro_task_id in ended or ()):
            raise WiroUsageError(f"Expected the event of a WiroBatchTrigger, found {str(event)[:200]!r}.")
        is_failure = found["status"] == "error"
        message = str(found.get("message") or ("The triggerer can't follow the batch." if is_failure else ""))
        return cls(list(ended or ()), message, is_failure)

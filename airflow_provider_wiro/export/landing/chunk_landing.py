"""ChunkLanding: the tasks of one chunk into the bucket, several at once, each judged by its Detail."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.downloads import ranges
from airflow_provider_wiro.downloads.late_links import awaits_links
from airflow_provider_wiro.downloads.session import OutputSession
from airflow_provider_wiro.exceptions import (
    WiroError,
    WiroTaskNotFoundError,
    WiroUsageError,
)
from airflow_provider_wiro.export.dated_keys import with_date
from airflow_provider_wiro.export.landing.landed_task import (
    FAILED,
    LandedTask,
    later,
    with_line,
    without_line,
)
from airflow_provider_wiro.export.landing.manifest_line import LONGEST_ERROR
from airflow_provider_wiro.export.landing.task_landing import TaskLanding, is_of_all
from airflow_provider_wiro.export.landing.thread_hooks import ThreadHooks
from airflow_provider_wiro.export.state import Outcome
from airflow_provider_wiro.export.wanted import Verdict
from airflow_provider_wiro.failures import TaskStoppedError
from airflow_provider_wiro.landing.provenance import Provenance
from airflow_provider_wiro.landing.result import with_cost
from airflow_provider_wiro.landing.s3.transfer import S3Transfer
from airflow_provider_wiro.landing.s3.transfer_group import S3TransferGroup
from airflow_provider_wiro.landing.workers import WorkerPool
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.redaction.plain_text import plain
from airflow_provider_wiro.spend.charges import Billing, charge_of
from airflow_provider_wiro.storage.location import identity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.export.runs import Chunk
    from airflow_provider_wiro.export.wanted import Filters
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.landing.s3.destination import S3Destination
    from airflow_provider_wiro.landing.s3.uploads import S3Uploads

log = plain_logger(__name__)

#: So long after a task's end everything that it has made is there, if it is anywhere. Clocks may differ.
ALL_IS_THERE_AFTER = timedelta(minutes=15)
#: How many tasks in a row fail, for each thread, before the others aren't tried: Wiro, its CDN or S3 is out.
_MOST_FAILURES = 3


@dataclass(frozen=True)
class LandingRules:
    """
    What is landed of a task, and how.

    :ivar verdict: says of a task, as Detail shows it, whether it is exported.
    :ivar manifest: as the operator was given it, for each task.
    :ivar deletes: None: the tasks' files stay at Wiro; else whether inputs that other runs may need are
        deleted as well.
    :ivar reserved: URIs at which no output may land.
    """

    filters: Filters
    verdict: Callable[[Task, Chunk], Verdict]
    manifest: bool | str = False
    deletes: bool | None = None
    reserved: frozenset[str] = frozenset()


@dataclass
class LandedChunk:
    """
    What became of a chunk.

    :ivar tasks: those of which it is known.
    :ivar failure: why nothing else could be landed; None if all was tried.
    """

    tasks: list[LandedTask] = field(default_factory=list)
    failure: WiroError | None = None


class _RenewingPool(WorkerPool[Any, Any]):
    """
    Threads that say meanwhile that the run is alive, however long a file takes.

    :param renew: is cheap; what it raises ends the work.
    """

    def __init__(self, size: int, renew: Callable[[], None]) -> None:
        super().__init__(size, TaskStoppedError)
        self._renew = renew

    def check(self) -> None:
        super().check()
        self._renew()


class ChunkLanding:
    """
    Lands chunks, one after the other. Made in the main thread, where Airflow may be asked.

    :param uploads: puts the objects of all chunks.
    :param task_instance: of Airflow, named in the objects' metadata.
    :param renew: says that the run is alive.
    """

    def __init__(
        self,
        destination: S3Destination,
        hook: WiroHook,
        rules: LandingRules,
        uploads: S3Uploads,
        *,
        task_instance: Any,
        renew: Callable[[], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._destination = destination
        self._hook = hook
        self._rules = rules
        self._uploads = uploads
        self._task_instance = task_instance
        self._renew = renew
        self._now = now
        self._is_stopped = False
        self._current: _OneChunk | None = None

    def land(self, chunk: Chunk, last_tries: Collection[int] = ()) -> LandedChunk:
        """
        Land a chunk's tasks.

        :param last_tries: tasks of which what isn't there by now will not come.
        :raises TaskStoppedError: :meth:`stop` was called.
        """
        pool = _RenewingPool(self._destination.workers, self._renew)
        connection = self._hook.connection
        with (
            OutputSession(connection, ranges.idle_seconds(connection.read_timeout)) as session,
            ThreadHooks(self._hook, pool.check) as hooks,
        ):
            group = S3TransferGroup(pool, session, self._uploads)
            one = _OneChunk(
                replace(self._destination, group=group),
                group,
                hooks,
                self._rules,
                self._task_instance,
                old_before=self._now() - ALL_IS_THERE_AFTER,
                last_tries=last_tries,
            )
            self._current = one
            if self._is_stopped:
                one.stop()
            try:
                return one.land(chunk)
            finally:
                self._current = None

    def stop(self) -> None:
        """Let all transfers fail at once, which undoes the unfinished writes. For a signal handler."""
        self._is_stopped = True
        if self._current is not None:
            self._current.stop()


class _OneChunk:
    """
    The tasks of one chunk, and what has become of them so far.

    :param old_before: of tasks that ended before, what isn't there will not come.
    :param last_tries: nor of these.
    """

    def __init__(
        self,
        destination: S3Destination,
        group: S3TransferGroup,
        hooks: ThreadHooks,
        rules: LandingRules,
        task_instance: Any,
        *,
        old_before: datetime,
        last_tries: Collection[int],
    ) -> None:
        self._destination = destination
        self._group = group
        self._hooks = hooks
        self._rules = rules
        self._task_instance = task_instance
        self._old_before = old_before
        self._last_tries = last_tries
        self._landed = LandedChunk()
        self._noting = threading.Lock()
        self._failures = 0

    def land(self, chunk: Chunk) -> LandedChunk:
        """Land all, and return what became of them, also if an error ends it."""
        steps = [partial(self._read, number, chunk) for number in chunk.ids]
        try:
            self._group.pool.run(lambda step: step(), steps, self._group.session.interrupt)
        except WiroError as error:
            self._landed.failure = error
        return self._landed

    def stop(self) -> None:
        self._group.pool.stop()
        self._group.session.interrupt()

    def _read(self, number: int, chunk: Chunk) -> None:
        """Read a task's Detail, and have its outputs landed if it is wanted."""
        if self._is_out:
            return  # it stays claimed, and is free again when the run ends
        try:
            task = replace(self._hooks.get_task(str(number)), id=str(number))
        except WiroTaskNotFoundError:
            self._note(without_line(number, Outcome.UNKNOWN))
            return
        except WiroError as error:
            if is_of_all(error):
                raise
            if error.may_retry:
                self._note(later(number, error))
            else:  # too large to read, say
                line = {"wiro_task_id": str(number), **_UNREADABLE, "error": plain(str(error), LONGEST_ERROR)}
                self._note(with_line(number, Outcome.REFUSED, line))
            return
        verdict = self._rules.verdict(task, chunk)
        if verdict is not Verdict.WANTED:
            has_failed = verdict is Verdict.NOT_WANTED and self._rules.filters.fails(task)
            failed = {FAILED: 1} if has_failed else {}
            self._note(without_line(number, Outcome(verdict.value), **failed))
            return
        self._begin(number, task)

    def _begin(self, number: int, task: Task) -> None:
        """Plan what is to land of a task, and have the threads do it."""
        expects_all = number in self._last_tries or self._is_old(task)
        if awaits_links(task) and not expects_all:
            self._note(later(number, f"Wiro shows not all links of task {task.id} yet.", is_missing=True))
            return
        try:
            transfer = self._transfer(task) if task.outputs else None
        except WiroError as error:
            self._fail(number, error, needs_change=not error.may_retry)
            return
        landing = TaskLanding(number, task, transfer, expects_all=expects_all, deletes=self._rules.deletes)
        if landing.items:
            self._group.pool.add([partial(self._land, landing, position) for position in landing.items])
        else:
            self._finish(landing)

    def _land(self, landing: TaskLanding, position: int) -> None:
        if landing.land(position):
            self._finish(landing)

    def _finish(self, landing: TaskLanding) -> None:
        task = landing.task
        if task.cost_usd is None and task.has_succeeded and not self._is_old(task):
            task = with_cost(self._hooks.hook, task)
        if task.cost_usd is None and charge_of(task, is_listed=False).billing is Billing.KNOWN:
            task = replace(task, cost_usd="0")  # it failed, or was cancelled in the queue
        try:
            landed = landing.landed(task, self._hooks)
        except WiroError as error:
            self._fail(landing.number, error, needs_change=not error.may_retry)
            return
        self._note(landed)

    def _fail(self, number: int, error: WiroError, *, needs_change: bool) -> None:
        if is_of_all(error):
            raise error
        self._note(later(number, error, needs_change=needs_change))

    def _transfer(self, task: Task) -> S3Transfer:
        manifest, created = self._rules.manifest, task.created_at
        template = with_date(self._destination.key_template, created)
        provenance = Provenance.of(task, None, self._task_instance, self._hooks.connection.base_url)
        transfer = S3Transfer(
            replace(self._destination, key_template=template),
            self._hooks,
            task,
            provenance,
            manifest=with_date(manifest, created) if isinstance(manifest, str) else manifest,
            logs_each=False,  # a line for each object would bury what the export logs
        )
        self._refuse_reserved(transfer)
        return transfer

    def _refuse_reserved(self, transfer: S3Transfer) -> None:
        for planned in transfer.planned:
            uri = f"s3://{self._destination.bucket.name}/{planned.key}"
            if identity_of(uri) in self._rules.reserved:
                raise WiroUsageError(
                    f"Output {planned.output.index} of Wiro task {transfer.task.id} would land in "
                    f"{uri[:300]}, the place of the export's manifest. Give manifest_uri or s3_key another "
                    "folder."
                )

    def _is_old(self, task: Task) -> bool:
        """Whether everything that a task has made is there, and its cost known, if they ever will be."""
        ended = task.ended_at or task.created_at
        return ended is not None and ended < self._old_before

    def _note(self, landed: LandedTask) -> None:
        failed = landed.outcome.outcome is Outcome.LATER and not (landed.is_missing or landed.needs_change)
        with self._noting:
            self._failures = self._failures + 1 if failed else 0
            self._landed.tasks.append(landed)

    @property
    def _is_out(self) -> bool:
        return self._failures >= _MOST_FAILURES * self._destination.workers


#: The line of a task whose Detail can't be read, but for its id and the reason.
_UNREADABLE: dict[str, Any] = {
    "model": None,
    "status": None,
    "state": None,
    "created": None,
    "ended": None,
    "elapsed_seconds": None,
    "cost_usd": None,
    "files": [],
}

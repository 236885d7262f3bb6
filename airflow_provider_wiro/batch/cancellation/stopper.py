"""
Stops a batch's Wiro tasks with its Airflow task, also while the batch itself is not at work.

The rule is that of :mod:`airflow_provider_wiro.cancellation.run_stopper`. While a batch is at work it stops
its tasks itself (:mod:`airflow_provider_wiro.batch.cancellation.stop_all`). Before that, while its inputs are
fetched, and after an error, such as changed inputs, its journal names the tasks to stop.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_wiro.batch.cancellation.deadline import StopDeadline, within
from airflow_provider_wiro.cancellation.task_end import at_an_error
from airflow_provider_wiro.exceptions import WiroOvertakenError, WiroRecordError
from airflow_provider_wiro.failures import TaskStoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from airflow_provider_wiro.batch.cancellation.running_tasks import RunningTasks
    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.batch.lost_runs.unknown_sendings import FoundTasks, UnknownSending
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.batch.state.batch_state import BatchState
    from airflow_provider_wiro.hooks.wiro import WiroAsyncHook, WiroHook
    from airflow_provider_wiro.recovery.lost_runs import LostRun
    from airflow_provider_wiro.redaction.loggers import Log
    from airflow_provider_wiro.transport.connection import WiroConnection


class Worker(Protocol):
    """
    What works on the batch, see :class:`~airflow_provider_wiro.batch.worker.BatchWorker`.

    :ivar is_over: its event loop has ended.
    :ivar has_stopped_all: nothing is left to stop.
    """

    is_over: bool
    has_stopped_all: bool

    def stop(self) -> None:
        """Stop everything, from a signal handler."""


#: Lost Runs that are named one by one.
_MOST_NAMED = 20


class BatchStopper:
    """
    Stops the Wiro tasks of a batch when its Airflow task ends and no later try follows them.

    :param cancel_on_kill: stop them when the Airflow task is stopped.
    """

    def __init__(self, log: Log, *, cancel_on_kill: bool) -> None:
        self._log = log
        self._cancel_on_kill = cancel_on_kill
        self._connection: WiroConnection | None = None
        self._conn_id = ""
        self._journal: Journal | None = None
        self._running: RunningTasks | None = None
        self._try_number = 0
        self._is_killed = False
        self._state: BatchState | None = None
        self._is_over = False
        self._described: tuple[BatchSettings, Inputs] | None = None
        #: ``[wiro] lost_run_patience``; known before any lost Run is.
        self._patience_seconds = 0.0
        self._lost: list[tuple[UnknownSending, LostRun]] = []
        self._worker: Worker | None = None

    @property
    def is_killed(self) -> bool:
        """Whether the Airflow task was stopped."""
        return self._is_killed

    def check(self) -> None:
        """Raise TaskStoppedError if the Airflow task was stopped."""
        if self._is_killed:
            raise TaskStoppedError

    def prepare(self, hook: WiroHook, journal: Journal | None, *, try_number: int) -> None:
        """Read what a kill needs: once it comes, Airflow can no longer be asked."""
        from airflow_provider_wiro.batch.cancellation.running_tasks import RunningTasks

        self._connection, self._conn_id, self._journal = hook.connection, hook.wiro_conn_id, journal
        self._try_number = try_number
        try:
            if journal is not None:
                self._running = RunningTasks.of_journal(journal, try_number=try_number)
        except WiroRecordError as error:  # a batch that needs it reports that, too
            self._log.warning("%s", error)

    def adopt(self, state: BatchState) -> None:
        """Use a batch's own state from now on. This process owns its journal."""
        self._state = state

    @contextmanager
    def describing(self, settings: BatchSettings, inputs: Inputs) -> Iterator[None]:
        """Keep inputs while they are open, so that lost Runs can be searched for."""
        self._described, self._patience_seconds = (settings, inputs), settings.lost_run_patience
        try:
            yield
        except TaskDeferred:
            raise
        except BaseException:
            self._lost = self._describe(StopDeadline.beginning_now(is_urgent=self._is_killed))
            raise
        finally:
            self._described = None

    @contextmanager
    def working(self, worker: Worker) -> Iterator[None]:
        """Leave a kill to a worker while its event loop runs: it knows more than the journal."""
        self._worker = worker
        if self._is_killed:
            worker.stop()
        try:
            yield
        finally:
            if worker.has_stopped_all:
                self.mark_stopped()

    def kill(self) -> None:
        """
        Stop what runs, from a signal handler: within the seconds that Airflow leaves the process.

        A worker's loop is only woken, and then stops the tasks. Where no loop runs, the tasks that the
        journal names are stopped here.
        """
        self._is_killed = True
        worker = self._worker
        if worker is not None and not worker.is_over:
            worker.stop()
        elif worker is None or not worker.has_stopped_all:
            self._stop(is_urgent=True)

    def mark_stopped(self) -> None:
        """Note that nothing is left to stop here."""
        self._is_over = True

    def unless_followed(
        self, is_followed: Callable[[BaseException], bool], prepare: Callable[[], None]
    ) -> AbstractContextManager[None]:
        """
        Stop the Wiro tasks if an error ends the Airflow task and no later try will follow them.

        :param is_followed: whether a later try will, after this error.
        :param prepare: calls :meth:`prepare`, if the error came before that.
        """

        def leave(error: BaseException) -> None:
            if isinstance(error, WiroOvertakenError):
                self.mark_stopped()  # also for a kill that comes later
            elif not self._is_over and not is_followed(error):
                if self._connection is None:
                    prepare()
                self._stop(is_urgent=self._is_killed)

        return at_an_error(leave, self._log)

    def _stop(self, *, is_urgent: bool) -> None:
        found = self._found()
        if self._is_over or self._connection is None or found is None or not (found.ids or found.unknown):
            return
        self._is_over = True
        if not self._cancel_on_kill:
            self._log.info("%d Wiro tasks are left running (cancel_on_kill=False).", len(found.ids))
            return
        deadline = StopDeadline.beginning_now(is_urgent=is_urgent)
        try:
            if self._is_overtaken(deadline):
                self._log.warning("A later try continues this batch. Its Wiro tasks are left to that one.")
                return
            self._stop_now(found, self._connection, deadline)
        except Exception:
            self._log.exception("Could not stop %d Wiro tasks; they may still run.", len(found.ids))

    def _found(self) -> RunningTasks | None:
        from airflow_provider_wiro.batch.cancellation.running_tasks import RunningTasks

        return self._running if self._state is None else RunningTasks.of_record(self._state)

    def _stop_now(self, found: RunningTasks, connection: WiroConnection, deadline: StopDeadline) -> None:
        from airflow_provider_wiro.batch.cancellation.stop_all import stop_known
        from airflow_provider_wiro.batch.lost_runs.unknown_sendings import find_tasks

        lost = self._lost if self._described is None else self._describe(deadline)
        self._log_undescribed(found, lost)

        async def search(hook: WiroAsyncHook) -> FoundTasks:
            return await find_tasks(
                hook,
                lost,
                found.known_ids,
                self._log,
                patience_seconds=self._patience_seconds,
                seconds=deadline.search_seconds,
            )

        stop_known(
            # Those of a batch that was deferred have most likely left the queue since.
            dict.fromkeys(found.ids, True),
            connection,
            self._conn_id,
            self._log,
            search=search,
            unknown={sent.item for sent in found.unknown if sent.is_latest},
            deadline=deadline,
        )

    def _log_undescribed(self, found: RunningTasks, lost: list[tuple[UnknownSending, LostRun]]) -> None:
        """Log which lost Runs can't be searched for, since their inputs changed."""
        described = {sent.item for sent, _ in lost}
        left = [sent for sent in found.unknown if sent.is_latest and sent.item not in described]
        if left:
            moments = ", ".join(
                f"item {sent.item} at {sent.sending.moment:%Y-%m-%d %H:%M:%S} UTC"
                for sent in left[:_MOST_NAMED]
            )
            more = f" and {len(left) - _MOST_NAMED:,} more" if len(left) > _MOST_NAMED else ""
            self._log.warning(
                "These Runs were sent without a response, and can't be searched for, since their inputs "
                "changed: %s%s. Check the dashboard at wiro.ai for tasks that were started then.",
                moments,
                more,
            )

    def _is_overtaken(self, deadline: StopDeadline) -> bool:
        """Whether a later try certainly owns the journal: it has fenced this one, or has sent Runs."""
        if self._journal is None:
            return False
        try:
            if self._state is None:  # this try hasn't opened it yet
                return within(deadline.owner_seconds, self._latest_try) > self._try_number
            within(deadline.owner_seconds, self._journal.check)
        except WiroOvertakenError:
            return True
        except (WiroRecordError, TimeoutError) as error:
            self._log.warning("It isn't known whether a later try continues this batch: %r", error)
        return False

    def _latest_try(self) -> int:
        from airflow_provider_wiro.batch.cancellation.running_tasks import RunningTasks

        if self._journal is None:
            return 0
        return RunningTasks.of_journal(self._journal, try_number=self._try_number).latest_try

    def _describe(self, deadline: StopDeadline) -> list[tuple[UnknownSending, LostRun]]:
        """Return the Runs to search for, as far as the inputs show what they are."""
        from airflow_provider_wiro.batch.lost_runs.unknown_sendings import describe

        found = self._found()
        if self._described is None or self._is_over or found is None or not found.unknown:
            return []
        settings, inputs = self._described
        try:
            return within(deadline.owner_seconds, lambda: describe(settings, inputs, found.unknown))
        except Exception as error:
            self._log.warning("It isn't known what the lost Runs of this batch are: %r", error)
            return []

"""
Stopping a batch's Wiro tasks with its Airflow task, where the batch itself is not at work.

The rule is that of :mod:`airflow_provider_wiro.operators.stopping`. While a batch is at work it stops its
tasks itself (:mod:`airflow_provider_wiro.batch.stopping`). Before that, while its inputs are fetched, and
after an error, as when these are others than before, its journal names the tasks to stop.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_wiro.exceptions import WiroRecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_wiro.api.batch_record import BatchRecord
    from airflow_provider_wiro.batch.journal import JournalStore
    from airflow_provider_wiro.batch.salvage import RunningTasks
    from airflow_provider_wiro.hooks.connection import WiroConnection
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.operators.log import Log


class BatchStopper:
    """
    Knows the Wiro tasks that have to be stopped with a batch's Airflow task.

    :param cancel_on_kill: stop them when the Airflow task is stopped.
    """

    def __init__(self, log: Log, *, cancel_on_kill: bool) -> None:
        self._log = log
        self._cancel_on_kill = cancel_on_kill
        self._connection: WiroConnection | None = None
        self._conn_id = ""
        self._running: RunningTasks | None = None
        self._is_killed = False
        self._record: BatchRecord | None = None
        self._is_over = False

    def prepare(self, hook: WiroHook, store: JournalStore | None, *, try_number: int) -> None:
        """Read what a kill needs to know: once it comes, Airflow can't be asked any more."""
        from airflow_provider_wiro.batch.salvage import RunningTasks
        from airflow_provider_wiro.hooks import asynchronous  # noqa: F401  loaded before a signal comes

        self._connection, self._conn_id = hook.connection, hook.wiro_conn_id
        try:
            if store is not None:
                self._running = RunningTasks.of_journal(store, try_number=try_number)
        except WiroRecordError as error:  # whose batch would need it says so, too
            self._log.warning("%s", error)

    def adopt(self, record: BatchRecord) -> None:
        """Note what is known of the items from now on."""
        self._record = record

    def kill(self) -> None:
        """Stop what runs, in a signal handler: within the seconds that Airflow leaves the process."""
        self._is_killed = True
        self._stop(is_urgent=True)

    def settle(self) -> None:
        """Note that the batch itself has stopped its tasks."""
        self._is_over = True

    @contextmanager
    def unless_followed(
        self,
        is_followed: Callable[[BaseException], bool],
        prepare: Callable[[], None],
    ) -> Iterator[None]:
        """
        Stop the Wiro tasks if an error ends the Airflow task, and no later try follows what it leaves behind.

        :param is_followed: whether a later try will, after this error.
        :param prepare: calls :meth:`prepare`, should the error have come before that.
        """
        try:
            yield
        except TaskDeferred:
            raise
        except BaseException as error:
            try:
                if not self._is_over and not is_followed(error):
                    if self._connection is None:
                        prepare()
                    self._stop(is_urgent=self._is_killed)
            except Exception:
                # The error that is on its way is the one to be seen.
                self._log.exception("Could not find out which Wiro tasks to stop; they may still run.")
            raise

    def _stop(self, *, is_urgent: bool) -> None:
        from airflow_provider_wiro.batch.salvage import RunningTasks
        from airflow_provider_wiro.batch.stopping import stop_known

        found = self._running if self._record is None else RunningTasks.of_record(self._record)
        if self._is_over or self._connection is None or found is None or not (found.ids or found.lost):
            return
        self._is_over = True
        if not self._cancel_on_kill:
            self._log.info("%d Wiro tasks are left running (cancel_on_kill=False).", len(found.ids))
            return
        try:
            stop_known(
                # Those of a batch that was deferred have most likely left the queue since.
                dict.fromkeys(found.ids, True),
                self._connection,
                self._conn_id,
                self._log,
                lost=found.lost,
                is_urgent=is_urgent,
            )
        except Exception:
            self._log.exception("Could not stop %d Wiro tasks; they may still run.", len(found.ids))

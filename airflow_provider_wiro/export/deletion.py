"""Deletes from Wiro the files of tasks that have landed and are committed, several at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroError, WiroTaskNotFoundError
from airflow_provider_wiro.export.landing.thread_hooks import ThreadHooks
from airflow_provider_wiro.failures import TaskStoppedError
from airflow_provider_wiro.landing.workers import WorkerPool
from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_wiro.hooks.wiro import WiroHook

log = plain_logger(__name__)


class FileDeletion:
    """
    Deletes tasks' files, each at most once. What could not be deleted stays in the state, for the next run.

    :param is_wanted: False: nothing is deleted now, also of what an earlier run was to delete.
    :ivar done: the tasks whose files are deleted, since :meth:`take_done`.
    :ivar failures: why the files of others could not be, by task.
    """

    def __init__(self, hook: WiroHook, threads: int, *, is_wanted: bool) -> None:
        self._hook = hook
        self._is_wanted = is_wanted
        self._threads = threads
        self._tried: set[int] = set()
        self._pool: WorkerPool[int, None] | None = None
        self._is_stopped = False
        self._done: set[int] = set()
        self.failures: dict[int, WiroError] = {}

    def delete(self, ids: Iterable[int]) -> None:
        """
        Delete the files of these tasks, but of those that were tried before.

        After an error that a retry can't help, nothing more is.

        :raises TaskStoppedError: :meth:`stop` was called.
        """
        waiting = sorted(set(ids) - self._tried) if self._is_wanted else []
        if not waiting or any(not error.may_retry for error in self.failures.values()):
            return
        self._tried.update(waiting)
        pool: WorkerPool[int, None] = WorkerPool(self._threads, TaskStoppedError)
        self._pool = pool
        if self._is_stopped:
            pool.stop()
        with ThreadHooks(self._hook, pool.check) as hooks:

            def delete(number: int) -> None:
                try:
                    hooks.hook.delete_task_files(str(number))
                except WiroTaskNotFoundError:
                    pass  # there is nothing to delete any more
                except WiroError as error:
                    self.failures[number] = error
                    return
                self._done.add(number)

            pool.run(delete, waiting)
        if deleted := len(self._done.intersection(waiting)):
            log.info("Deleted the files of %d Wiro tasks from Wiro.", deleted)

    def take_done(self) -> frozenset[int]:
        """Return the tasks whose files were deleted since the last call."""
        done, self._done = frozenset(self._done), set()
        return done

    def stop(self) -> None:
        """Delete nothing more. For a signal handler."""
        self._is_stopped = True
        if self._pool is not None:
            self._pool.stop()

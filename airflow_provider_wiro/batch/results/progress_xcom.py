"""ProgressXCom: how far a batch is, as an XCom that its worker writes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.triggers.batch_progress import PROGRESS_KEY, SECONDS_BETWEEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.redaction.loggers import Log
    from airflow_provider_wiro.triggers.batch_progress import ProgressCounts


class ProgressXCom:
    """
    Writes the XCom at changes, at most once a minute, and once more when this part of the batch ends.

    Meanwhile it writes in a thread of its own: whatever Airflow's API server takes, the batch continues. What
    can't be written is logged.

    :param task_instance: of Airflow.
    :param now: returns the Unix time.
    :param in_background: whether Airflow takes messages of several threads. Otherwise it is written only when
        this part of the batch ends.
    """

    def __init__(
        self, task_instance: Any, now: Callable[[], float], log: Log, *, in_background: bool
    ) -> None:
        self._task_instance = task_instance
        self._now = now
        self._log = log
        self._in_background = in_background
        self._written: ProgressCounts | None = None
        self._written_at: float | None = None
        self._is_broken = False
        self._thread: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    @property
    def is_due(self) -> bool:
        """Whether a minute has passed since the last write."""
        is_free = self._writing is None or self._writing.done()
        is_time = self._written_at is None or self._now() >= self._written_at + SECONDS_BETWEEN
        return self._in_background and is_free and is_time and not self._is_broken

    def note(self, counts: ProgressCounts) -> None:
        """Write the counts in the background, if they have changed; call it when it is due."""
        if counts == self._written:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="wiro-progress")
        self._writing = self._thread.submit(self._write, counts)

    def end(self, counts: ProgressCounts) -> None:
        """Write the counts when this part of the batch ends, after what is being written."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = self._writing = None
        if counts != self._written and not self._is_broken:
            self._write(counts)

    def _write(self, counts: ProgressCounts) -> None:
        self._written, self._written_at = counts, self._now()
        try:
            self._task_instance.xcom_push(key=PROGRESS_KEY, value=counts.at(self._now()))
        except Exception as error:
            self._is_broken = True
            self._log.warning("How far the batch is can't be written as an XCom: %r", error)

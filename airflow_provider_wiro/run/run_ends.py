"""RunEnds: the Wiro tasks whose end a try has seen, for Airflow's metrics and for OpenLineage."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.models import Task, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.cancellation.run_stopper import RunStopper
    from airflow_provider_wiro.metrics.run_metrics import RunMetrics


class RunEnds:
    """
    What became of one try's Wiro task. Each task is counted at most once over all tries.

    :param stopper: knows the task that it has stopped with the try.
    """

    def __init__(self, metrics: RunMetrics, stopper: RunStopper, model: str) -> None:
        self._metrics = metrics
        self._stopper = stopper
        self._model = model
        self._seen: Task | None = None

    def saw(self, task: Task) -> None:
        """Keep the task for OpenLineage."""
        self._seen = task

    def failed(self, task: Task) -> None:
        """Count a task whose end fails this try. A retry runs another."""
        self._metrics.count(task)

    def succeeded(self, task: Task, *, is_new: bool) -> None:
        """
        Count a task whose result is returned.

        :param is_new: no earlier try has returned it.
        """
        self._seen = task
        if is_new:
            self._metrics.count(task)

    def accepted(self, wiro_task_id: str, task: Task | None, *, is_new: bool) -> None:
        """
        Count a task that is not waited for.

        :param task: as Wiro showed it, None if it wasn't asked.
        :param is_new: no earlier try has returned it.
        """
        self._seen = task or Task(id=wiro_task_id, status=TaskStatus.QUEUE.value)
        if is_new:
            self._metrics.count_accepted()

    @contextmanager
    def counting_stops(self) -> Iterator[None]:
        """Count the task that is stopped if an error leaves this block."""
        try:
            yield
        except BaseException:
            stopped = self._stopper.stopped
            if stopped is not None and stopped.is_cancelled:
                self._metrics.count(stopped)
            raise

    def lineage(self) -> Any:
        """Return an ``OperatorLineage``; None without a task, and where OpenLineage isn't installed."""
        task = self._stopper.stopped or self._seen
        if task is None:
            return None
        from airflow_provider_wiro.lineage.openlineage import operator_lineage, task_fields

        return operator_lineage(self._model, task_fields(task, self._model), parameters=task.parameters)

"""What one event trigger waits for: its filter, its progress, and the events that it has yet to fire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.watching.project.ended_tasks import payload_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.task_history.position import Position
    from airflow_provider_wiro.watching.project.ended_tasks import TaskFilter
    from airflow_provider_wiro.watching.project.progress import Progress


class ProjectWatch:
    """
    One trigger's share of the looks at a project.

    :ivar unassigned: how many tasks were skipped because Wiro doesn't show their project, or model.
    """

    def __init__(self, wanted: TaskFilter, progress: Progress, *, interval: float) -> None:
        self.progress = progress
        self.interval = interval
        self.unassigned = 0
        self._wanted = wanted
        self._events: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        """Return how many events there are to fire."""
        return len(self._events)

    def may_match(self, listed: Task) -> bool:
        """See :meth:`TaskFilter.may_match`."""
        return self._wanted.may_match(listed)

    def is_new(self, number: int) -> bool:
        """Whether the trigger has not seen a listed task before."""
        return self.progress.seen is None or self.progress.seen.is_new(number)

    def on_walk(self, news: Iterable[int], seen: Position) -> None:
        """Take in what a whole walk down the list has shown; nothing of a part of one."""
        self.progress.open.update(news)
        self.progress.seen = seen if self.progress.seen is None else self.progress.seen.merged(seen)

    def on_end(self, number: int, task: Task) -> None:
        """Take in that Detail shows a task as ended."""
        if number not in self.progress.open:
            return
        if self._wanted.matches(task):
            self._events[number] = payload_of(task)
            return
        self.progress.open.discard(number)
        self.unassigned += self._wanted.lacks_field(task)

    def on_gone(self, number: int) -> None:
        """Take in that Wiro no longer knows a task."""
        self.progress.open.discard(number)

    def awaited(self) -> set[int]:
        """Return the open ids of tasks whose end is not known."""
        return self.progress.open - self._events.keys()

    def next_events(self, most: int) -> dict[int, dict[str, Any]]:
        """Return events to fire, those of the oldest tasks first. They stay until :meth:`on_stored`."""
        return {number: self._events[number] for number in sorted(self._events)[:most]}

    def on_stored(self, numbers: Iterable[int]) -> None:
        """Take in that Airflow has stored the events of some tasks."""
        for number in numbers:
            self._events.pop(number, None)
            self.progress.open.discard(number)

    def on_stored_elsewhere(self, others: Sequence[Progress]) -> None:
        """Leave out events that another triggerer, which runs the same trigger, has fired and stored."""
        if others:
            self.on_stored(
                [number for number in self._events if all(other.is_done(number) for other in others)]
            )

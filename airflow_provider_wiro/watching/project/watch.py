"""What one event trigger waits for: its filter, its position, and the events that it has yet to fire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.watching.project.ended_tasks import payload_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.watching.project.ended_tasks import TaskFilter
    from airflow_provider_wiro.watching.project.position import Position


class ProjectWatch:
    """
    One trigger's share of the looks at a project.

    :ivar unassigned: how many tasks were skipped because Wiro shows no project of theirs.
    """

    def __init__(self, wanted: TaskFilter, position: Position, *, interval: float) -> None:
        self.position = position
        self.interval = interval
        self.unassigned = 0
        self._wanted = wanted
        self._events: dict[int, dict[str, Any]] = {}
        self._was_looked_at = False

    def __len__(self) -> int:
        """Return how many events there are to fire."""
        return len(self._events)

    def may_match(self, listed: Task) -> bool:
        """See :meth:`TaskFilter.may_match`."""
        return self._wanted.may_match(listed)

    def is_news(self, number: int, *, is_late: bool, is_terminal: bool) -> bool:
        """
        Whether a listed task has to be followed from now on.

        :param is_late: the walk before this one should have shown it, and did not.
        """
        high = self.position.high
        if high is None:
            return not is_terminal  # it starts from now
        return number > high or (is_late and self._was_looked_at and number not in self.position.open)

    def on_walk(self, news: Iterable[int], newest: int | None) -> None:
        """Take in what a whole walk down the list has shown; nothing of a part of one."""
        self.position.open.update(news)
        self.position.high = max(self.position.high or 0, newest or 0)
        self._was_looked_at = True

    def on_end(self, number: int, task: Task) -> None:
        """Take in that Detail shows a task as ended."""
        if number not in self.position.open:
            return
        if self._wanted.matches(task):
            self._events[number] = payload_of(task)
            return
        self.position.open.discard(number)
        self.unassigned += self._wanted.project_id is not None and task.project_id is None

    def on_gone(self, number: int) -> None:
        """Take in that Wiro no longer knows a task."""
        self.position.open.discard(number)

    def awaited(self) -> set[int]:
        """Return the open ids of tasks whose end is not known."""
        return self.position.open - self._events.keys()

    def next_events(self, most: int) -> dict[int, dict[str, Any]]:
        """Return events to fire, those of the oldest tasks first. They stay until :meth:`on_stored`."""
        return {number: self._events[number] for number in sorted(self._events)[:most]}

    def on_stored(self, numbers: Iterable[int]) -> None:
        """Take in that Airflow has stored the events of some tasks."""
        for number in numbers:
            self._events.pop(number, None)
            self.position.open.discard(number)

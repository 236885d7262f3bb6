"""A project at Wiro in simulated time, and looks at it as the watcher makes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.models import Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.watching.project.schedule import LookSchedule

PAGE = 5
MODEL = "retroAIx/Retro-Cartoons"


class FakeProject:
    """
    Tasks by id.

    :ivar hidden: ids that the list doesn't show (yet); Detail does.
    :ivar lagging: ids that the list goes on to show as running.
    :ivar gone: ids that Wiro no longer knows.
    :ivar pages: how many pages of the list were read.
    :ivar details: the ids that Detail was asked about, in order.
    """

    def __init__(self) -> None:
        self.tasks: dict[int, Task] = {}
        self.hidden: set[int] = set()
        self.lagging: set[int] = set()
        self.gone: set[int] = set()
        self.pages = 0
        self.details: list[int] = []
        self.now = datetime(2026, 11, 27, tzinfo=UTC)

    def start(self, **fields: Any) -> int:
        number = max(self.tasks, default=100) + 1
        self.tasks[number] = Task(str(number), "task_start", **{"model": MODEL, **fields})
        return number

    def end(self, number: int, status: str = "task_postprocess_end", exit_code: str = "0") -> None:
        shown = self.tasks[number]
        self.tasks[number] = Task(
            str(number), status, model=shown.model, exit_code=exit_code, project_id=shown.project_id
        )

    def listed(self) -> list[Task]:
        """Return what the list shows, newest first."""
        return [
            Task(str(number), "task_start", model=task.model) if number in self.lagging else task
            for number, task in sorted(self.tasks.items(), reverse=True)
            if number not in self.hidden | self.gone
        ]

    def look(self, schedule: LookSchedule, *, page_size: int = PAGE) -> None:
        """Walk down the list, and ask Detail, as often as one look asks for."""
        reading = schedule.begin_walk()
        tasks = self.listed()
        for start in range(0, len(tasks), page_size):
            self.pages += 1
            if not reading.take(tasks[start : start + page_size]):
                break
        schedule.on_walk(reading, self.now)
        while numbers := schedule.next_details(self.now):
            self.ask(schedule, numbers)
        self.now += timedelta(seconds=60)

    def ask(self, schedule: LookSchedule, numbers: list[int]) -> None:
        for number in numbers:
            self.details.append(number)
            if number in self.gone:
                schedule.on_unknown(number, self.now)
            else:
                schedule.on_task(number, self.tasks[number], self.now)

    def ended(self) -> set[str]:
        return {task.id for task in self.tasks.values() if task.is_terminal}


def ids(events: Mapping[int, Mapping[str, Any]]) -> list[str]:
    return [event["wiro_task_id"] for event in events.values()]

"""A project at Wiro in simulated time, and looks at it as the watcher makes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.models import Task
from tests.api.fake_transport import FakeTransport, success

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.api.flow import Send
    from airflow_provider_wiro.api.responses import ApiResponse
    from airflow_provider_wiro.watching.project.schedule import LookSchedule, Walk

PAGE = 5
MODEL = "retroAIx/Retro-Cartoons"


class FakeProject:
    """
    Tasks by id.

    :ivar hidden: ids that the list doesn't show (yet); Detail does.
    :ivar lagging: ids that the list still shows as running.
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

    def walk(self, schedule: LookSchedule, *, page_size: int = PAGE) -> Walk:
        """Walk down the list as a look does."""

        def page(sent: Send) -> ApiResponse:
            self.pages += 1
            start = int(json.loads(sent.body.json or "{}")["start"])
            return success(tasklist=[_wire(task) for task in self.listed()[start : start + page_size]])

        transport = FakeTransport(page)
        return transport.drive(schedule.walk(transport.context, patience_seconds=0))

    def look(self, schedule: LookSchedule, *, page_size: int = PAGE) -> None:
        """Walk down the list, and ask Detail, as often as one look asks for."""
        schedule.on_walk(self.walk(schedule, page_size=page_size), self.now)
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


def _wire(task: Task) -> dict[str, Any]:
    owner, _, name = (task.model or "").partition("/")
    return {
        "id": task.id,
        "status": task.status,
        "pexit": task.exit_code,
        "projectid": task.project_id,
        "modelslugowner": owner,
        "modelslugproject": name,
    }


def ids(events: Mapping[int, Mapping[str, Any]]) -> list[str]:
    return [event["wiro_task_id"] for event in events.values()]

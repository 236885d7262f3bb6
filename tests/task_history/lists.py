"""A list of tasks as Wiro shows it, page by page; tasks can be started between two pages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.api.fake_transport import NO_TASK_YET, success

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_wiro.api.flow import Send
    from airflow_provider_wiro.api.responses import ApiResponse


class WiroList:
    """
    Answers Task/List and Task/Detail.

    :ivar tasks: newest first, as Task/List shows them.
    :ivar details: id → what Task/Detail adds to that.
    :ivar started: makes the task that is started before each page but the first.
    :ivar before_page: what happens before a page, by its number.
    :ivar total: says what the list has in all, by its page; None: it doesn't say it.
    :ivar repeated: how many tasks a page shows again that were before its beginning, by its number.
    :ivar limit: never more tasks than this on a page.
    :ivar asked: the tasks whose Detail was requested.
    """

    def __init__(self, *tasks: Mapping[str, Any]) -> None:
        self.tasks = list(tasks)
        self.details: dict[str, Mapping[str, Any]] = {}
        self.started: Callable[[], Mapping[str, Any]] | None = None
        self.before_page: dict[int, Callable[[], object]] = {}
        self.total: Callable[[list[Mapping[str, Any]]], int] | None = None
        self.repeated: dict[int, int] = {}
        self.limit = 100
        self.pages = 0
        self.asked: list[str] = []

    def __call__(self, sent: Send) -> ApiResponse:
        body = json.loads(sent.body.json or "{}")
        if sent.path == "Task/Detail":
            self.asked.append(body["taskid"])
            found = next((task for task in self.tasks if str(task.get("id")) == body["taskid"]), None)
            if found is None:
                return NO_TASK_YET
            return success(tasklist=[{**found, **self.details.get(body["taskid"], {})}])
        assert sent.path == "Task/List"
        assert (body["sort"], body["order"]) == ("id", "DESC")
        self.pages += 1
        if self.started is not None and self.pages > 1:
            self.tasks.insert(0, self.started())
        self.before_page.get(self.pages, lambda: None)()
        start = max(0, int(body["start"]) - self.repeated.get(self.pages, 0))
        page = self.tasks[start : start + min(self.limit, int(body["limit"]))]
        total = {} if self.total is None else {"total": str(self.total(page))}
        return success(tasklist=page, **total)

    def vanish(self, *numbers: int) -> None:
        self.tasks = [task for task in self.tasks if int(task["id"]) not in numbers]

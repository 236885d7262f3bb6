"""Who owns the tasks in Wiro's list: this project and the key's owner, or other people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.flow import Flow, FlowContext, call
from airflow_provider_wiro.exceptions import WiroAnswerTooLargeError, WiroNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_wiro.api.models import Task


@dataclass(frozen=True)
class Owner:
    """
    Who the provider's own tasks belong to, as far as it is known.

    :ivar project_id: the project of its tasks, None if not known.
    :ivar uuid: the person whose tasks they are, None if not known.
    """

    project_id: str | None = None
    uuid: str | None = None

    @property
    def is_known(self) -> bool:
        return self.project_id is not None or self.uuid is not None

    def may_own(self, task: Task) -> bool:
        """Whether nothing that a task shows speaks against this owner."""
        return all(
            own is None or shown is None or own == shown
            for own, shown in ((self.project_id, task.project_id), (self.uuid, task.owner_uuid))
        )


def has_several_owners(tasks: Sequence[Task]) -> bool:
    """
    Whether a list shows several people's tasks, or, where it doesn't name people, several projects'.

    A ``uuid`` that differs from task to task names no owner: for that, one has to have two tasks.
    """
    uuids = Counter(task.owner_uuid for task in tasks if task.owner_uuid is not None)
    if uuids and max(uuids.values()) > 1:
        return len(uuids) > 1
    return len({task.project_id for task in tasks if task.project_id is not None}) > 1


def learn_owner(context: FlowContext, own_ids: Iterable[str]) -> Flow[Owner]:
    """Read the owner from tasks that this project started. Two have to agree about the person."""
    shown: list[Task] = []
    for wiro_task_id in own_ids:
        try:
            shown.append((yield from call(endpoints.get_task(wiro_task_id), context)))
        except (WiroNotFoundError, WiroAnswerTooLargeError):
            continue
        if len(shown) == 2:
            break
    projects = {task.project_id for task in shown}
    uuids = {task.owner_uuid for task in shown}
    return Owner(
        projects.pop() if len(projects) == 1 else None,
        uuids.pop() if len(uuids) == 1 and len(shown) == 2 else None,
    )

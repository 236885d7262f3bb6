"""Which ended tasks a trigger fires for, and what its event says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.model_slugs import plain_slug
from airflow_provider_wiro.api.models import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from airflow_provider_wiro.api.models import Task

#: How a task can have ended, in an event's words.
END_STATES = (TaskState.SUCCEEDED.value, TaskState.FAILED.value, TaskState.CANCELLED.value)


@dataclass(frozen=True)
class TaskFilter:
    """
    The tasks that a trigger fires for.

    :ivar models: their slugs, as :func:`plain_slug` returns them; empty: all.
    :ivar states: some of ``END_STATES``.
    :ivar project_id: the project that is billed; None: all that the key sees.
    """

    models: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset(END_STATES)
    project_id: str | None = None

    @classmethod
    def of(cls, models: Iterable[str], states: Iterable[str], project_id: str | None) -> TaskFilter:
        """Return the filter for slugs in either of their forms; no states: all."""
        return cls(
            frozenset(map(plain_slug, models)), frozenset(states) or frozenset(END_STATES), project_id or None
        )

    def may_match(self, listed: Task) -> bool:
        """Whether Detail has to be asked: the task list, which can leave out fields, doesn't exclude it."""
        return (listed.model is None or self._has_model(listed.model)) and (
            listed.project_id is None or self.project_id in {None, listed.project_id}
        )

    def matches(self, task: Task) -> bool:
        """Whether a task that Detail shows as ended is one of them."""
        return (
            (not self.models or (task.model is not None and self._has_model(task.model)))
            and self.project_id in {None, task.project_id}
            and task.state.value in self.states
        )

    def lacks_field(self, task: Task) -> bool:
        """Whether a task doesn't match only because Wiro doesn't show its project, or its model."""
        return (self.project_id is not None and task.project_id is None) or (
            bool(self.models) and task.model is None
        )

    def _has_model(self, model: str) -> bool:
        return not self.models or plain_slug(model) in self.models


def payload_of(task: Task) -> dict[str, Any]:
    """
    Return an event's payload: no URL, no prompt, no token, since Airflow stores it as plain text.

    :param task: as Detail shows it.
    """
    return {
        "wiro_task_id": task.id,
        "model": task.model,
        "status": task.state.value,
        "outputs": len(task.outputs),
        "cost_usd": task.cost_usd,
        "created": _text(task.created_at),
        "ended": _text(task.ended_at),
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()

"""SeenTask: what a stop needs to know of a Wiro task, in place of its whole Detail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task


@dataclass(frozen=True)
class SeenTask:
    """
    What a stop needs to know of a task as Wiro showed it last.

    Not the task itself: a Detail can be megabytes, and a triggerer follows a thousand tasks.
    """

    id: str
    is_queued: bool
    is_terminal: bool

    @classmethod
    def of(cls, task: Task) -> Self:
        """Return what is kept of a task."""
        return cls(task.id, task.is_queued, task.is_terminal)

"""One wait for a task among many, what is asked about it, and what there is to tell of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.models import UNKNOWN_STATUS
from airflow_provider_wiro.watching.task_list import ListPosition, ListScan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.patience import PollPatience
    from airflow_provider_wiro.api.polling import Polling
    from airflow_provider_wiro.exceptions import WiroError


@dataclass(eq=False)
class TaskWatch:
    """
    One wait for a task. Two waits for one task are two of these.

    :ivar patience: for how long failing looks are ridden out.
    :ivar due_at: when to look next.
    :ivar planned_at: when that was decided.
    :ivar queued_for: when its entry in the queue comes up, at the latest at ``due_at``; None without one.
    :ivar asked_at: when Detail last showed it; before that, when it was first waited for.
    :ivar failures: how many Details in a row, since it was last seen, brought nothing.
    :ivar is_away: a request about it is on its way.
    :ivar is_called: something was heard of it meanwhile, so that the request's answer may be too old.
    :ivar is_followed: False once it is over.
    :ivar needs_detail: something says that it has ended; only Detail is believed.
    :ivar goes_alone: the next look is by Detail: a page of the list is not worth it.
    :ivar was_told: its end was heard of over the WebSocket, so that the next is not waited for.
    :ivar was_misled: the list showed an end that Detail didn't, so that only Detail is asked from then on.
    """

    wiro_task_id: str
    polling: Polling
    patience: PollPatience
    due_at: datetime
    planned_at: datetime
    last_seen_at: datetime
    asked_at: datetime
    last_status: str = UNKNOWN_STATUS
    last_status_with_reason: str = UNKNOWN_STATUS
    queued_for: datetime | None = None
    failures: int = 0
    is_away: bool = False
    is_called: bool = False
    is_followed: bool = True
    needs_detail: bool = False
    goes_alone: bool = False
    was_told: bool = False
    was_misled: bool = False
    place: ListPosition = field(default_factory=ListPosition)

    @property
    def wants_detail(self) -> bool:
        """Whether the list can't tell about it."""
        return self.needs_detail or self.goes_alone or self.was_misled

    @property
    def seen_until(self) -> datetime | None:
        """When it was last seen; None if it wasn't."""
        return None if self.last_status == UNKNOWN_STATUS else self.last_seen_at


@dataclass(frozen=True)
class DetailRequest:
    """A task to be asked for by itself."""

    watched: TaskWatch


#: A walk is answered page by page.
Look = DetailRequest | ListScan[TaskWatch]


@dataclass(frozen=True)
class WatchUpdate:
    """
    What there is to tell to one who waits: a task whose status is another one now, or how the wait ends.

    :ivar task: as it was seen.
    :ivar since: when it was last seen otherwise; None if it wasn't.
    :ivar error: why the wait is over without an end of the task.
    :ivar is_over: nothing more comes.
    """

    watched: TaskWatch
    task: Task | None = None
    since: datetime | None = None
    error: WiroError | None = None
    is_over: bool = False


def watched_by(look: Look) -> Sequence[TaskWatch]:
    """Return whom a look is about."""
    return (look.watched,) if isinstance(look, DetailRequest) else look.wanted

"""Deferring until a Wiro task has ended, and reading what Airflow resumes the operator or sensor with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Self

from airflow_provider_wiro.exceptions import (
    WiroConnectionError,
    WiroError,
    WiroTaskTimeoutError,
    WiroUsageError,
)
from airflow_provider_wiro.triggers.shortest_deferral import shortest_deferral_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.providers.common.compat.sdk import BaseOperator, Context

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.polling import Watch
    from airflow_provider_wiro.hooks.wiro import WiroHook

EVENT_STATUSES = frozenset({"success", "error", "timeout", "cancelled"})
#: Airflow's own limit on a deferral comes this much after the trigger's deadline: it counts only when no
#: triggerer runs at all.
_GRACE = timedelta(minutes=5)


def waits_before_deferring(defer_after: float, deadline: datetime) -> bool:
    """Whether a worker polls before it defers: by ``defer_after``, or since no deferral is short enough."""
    return defer_after > 0 or polls_until(defer_after, deadline) == deadline


def polls_until(defer_after: float, deadline: datetime) -> datetime:
    """
    Return until when a worker polls before it defers.

    That is the deadline, so that it never defers, where a deferral would last longer.
    """
    until = datetime.now(UTC) + timedelta(seconds=defer_after)
    return deadline if deadline < until + timedelta(seconds=shortest_deferral_seconds()) else until


def wait_before_deferring(
    hook: WiroHook,
    wiro_task_id: str,
    task: Task | None,
    *,
    defer_after: float,
    deadline: datetime,
    started_at: datetime,
    poll_interval: float | None,
    observe: Callable[[Task], None],
    log: Any,
) -> Task | None:
    """
    Poll a Wiro task for ``defer_after`` seconds, or until it has ended; return it as a poll last showed it.

    When the time is over, the caller defers. When Wiro can't be polled, it defers at once: the trigger has
    more patience, and needs no worker for it.

    :param task: the task as it was polled a moment ago, None if it wasn't.
    :param deadline: when the task has to be over. If a deferral would last beyond it, the task is polled
        until then.
    :param observe: called with what each poll shows.
    :raises WiroTaskTimeoutError: the deadline passed.
    """
    last_seen = task

    def note(seen: Task) -> None:
        nonlocal last_seen
        last_seen = seen
        observe(seen)

    until = polls_until(defer_after, deadline)
    try:
        return hook.wait_for_task(
            wiro_task_id,
            deadline=until,
            poll_interval=poll_interval,
            started_at=started_at,
            observe=note,
            is_seen=task is not None,
        )
    except WiroTaskTimeoutError:
        if until >= deadline:
            raise
        log.info("Wiro task %s has not ended within %g s (defer_after).", wiro_task_id, defer_after)
    except WiroError as error:
        log.warning("Deferring, as Wiro task %s could not be polled: %s", wiro_task_id, error)
    return last_seen


def defer_until_ended(
    operator: BaseOperator,
    context: Context,
    *,
    wiro_task_id: str,
    wiro_conn_id: str,
    started_at: datetime,
    deadline: datetime,
    poll_interval: float | None,
    watch: Watch,
    cancel_on_kill: bool,
    is_recorded: bool = True,
    **resumed_with: Any,
) -> NoReturn:
    """
    Defer ``operator`` until the task has ended or ``deadline`` has passed.

    It resumes in ``execute_complete``, with ``resumed_with`` beside the event: JSON, kept as plain text.
    """
    # Here and not above: it takes time to import, and DAG files are parsed all day long.
    from airflow_provider_wiro.triggers.wiro import WiroTaskTrigger

    operator.log.info(
        "Deferring until Wiro task %s has ended, at most until %s.",
        wiro_task_id,
        deadline.isoformat(timespec="seconds"),
    )
    operator.defer(
        trigger=WiroTaskTrigger(
            wiro_task_id=wiro_task_id,
            wiro_conn_id=wiro_conn_id,
            deadline=deadline.timestamp(),
            started_at=started_at.timestamp(),
            poll_interval=poll_interval,
            watch=watch,
            cancel_on_kill=cancel_on_kill,
            try_number=context["ti"].try_number,
            is_recorded=is_recorded,
        ),
        method_name="execute_complete",
        kwargs=resumed_with,
        timeout=longest_deferral(deadline),
    )


def longest_deferral(until: datetime) -> timedelta:
    """Return Airflow's own limit for a deferral whose trigger fires by ``until``."""
    return max(timedelta(0), until - datetime.now(UTC)) + _GRACE


@dataclass(frozen=True)
class FailedDeferral:
    """
    A deferral that Airflow itself has ended, without an event of this provider's trigger.

    :ivar is_timeout: no triggerer ran the trigger until Airflow's limit. False: the trigger failed there: the
        provider isn't installed in the triggerer, or its code has raised.
    :ivar reason: for the log.
    """

    is_timeout: bool
    reason: str

    @classmethod
    def found_in(cls, next_method: str, next_kwargs: Mapping[str, Any] | None) -> Self | None:
        """Read what Airflow resumes a task with; None if the trigger has fired an event."""
        if next_method != "__fail__":
            return None
        found = next_kwargs or {}
        error = str(found.get("error") or "unknown reason")
        trace = found.get("traceback")
        lines = "".join(trace) if isinstance(trace, list | tuple) else str(trace or "")
        last = lines.strip().rpartition("\n")[2].strip()
        return cls("timeout" in error.lower(), f"{error}: {last[:300]}" if last else error)


def is_stale_event(event: object, context: Context) -> bool:
    """
    Whether a trigger's event belongs to another try.

    Airflow 3.0 starts a retry where the try before it was resumed, and gives it the same event again.
    """
    found = event.get("try_number") if isinstance(event, Mapping) else None
    # An event without a number isn't this provider's: reading it raises. It must not start a run.
    return isinstance(found, int) and found != context["ti"].try_number


@dataclass(frozen=True)
class TriggerOutcome:
    """The event of a :class:`~airflow_provider_wiro.triggers.wiro.WiroTaskTrigger`, checked."""

    status: str
    wiro_task_id: str
    message: str

    @classmethod
    def from_event(cls, event: object) -> Self:
        """
        Read an event.

        :raises WiroUsageError: it is none of a WiroTaskTrigger; an unknown status never counts as a success.
        """
        found: Mapping[str, Any] = event if isinstance(event, Mapping) else {}
        if found.get("status") not in EVENT_STATUSES or not isinstance(found.get("wiro_task_id"), str):
            raise WiroUsageError(f"Expected the event of a WiroTaskTrigger, found {str(event)[:200]!r}.")
        return cls(found["status"], found["wiro_task_id"], str(found.get("message") or ""))

    def poll_task(self, hook: WiroHook) -> Task:
        """
        Return the task as Wiro shows it now, whether it has ended or not.

        :raises WiroTaskTimeoutError: the trigger's deadline passed.
        :raises WiroConnectionError: Wiro can't be polled.
        """
        if self.status == "timeout":
            raise WiroTaskTimeoutError(self.message, wiro_task_id=self.wiro_task_id)
        return hook.look_at_task(self.wiro_task_id)

    def read_task(self, hook: WiroHook) -> Task:
        """
        Return the ended task as Wiro shows it now, since an event is only a hint.

        :raises WiroTaskTimeoutError: the trigger's deadline passed.
        :raises WiroConnectionError: the trigger gave up and the task has not ended, or Wiro can't be polled.
        """
        task = self.poll_task(hook)
        if not task.is_terminal:
            raise WiroConnectionError(
                f"Lost sight of Wiro task {self.wiro_task_id}, which may still run. {self.message}".rstrip()
            )
        return task

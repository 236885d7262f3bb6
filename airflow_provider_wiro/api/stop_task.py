"""Stopping a Wiro task by Cancel and Kill, as a flow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_wiro.api import endpoints, retry
from airflow_provider_wiro.api.flow import Flow, FlowContext, Pause, call
from airflow_provider_wiro.api.models import UNKNOWN_STATUS
from airflow_provider_wiro.api.polling import NOT_YET_SECONDS
from airflow_provider_wiro.exceptions import (
    WiroApiError,
    WiroAuthenticationError,
    WiroError,
    WiroNotFoundError,
    WiroNotStoppableError,
    WiroPermissionError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_wiro.api.endpoints import ApiCall
    from airflow_provider_wiro.api.models import Task

T = TypeVar("T")

#: How long to try where there is no hurry. Between accept and assign, while Wiro finds a machine for the
#: task, neither Cancel nor Kill works, and a task that is left running is billed.
STOP_PATIENCE_SECONDS = 300.0
#: The pauses between tries double from the first to the longest: five fit into the 3.3 s of a kill.
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0
#: The last try starts when patience ends; its second request is sent if the first took no longer than this.
_LAST_TRY_SECONDS = 0.2


def stop_task(
    wiro_task_id: str,
    context: FlowContext,
    *,
    is_running: bool = False,
    patience_seconds: float = retry.CALL_PATIENCE_SECONDS,
) -> Flow[Task | None]:
    """
    Stop a task: cancel it while it is queued, kill it once it runs; one that has ended is left as it is.

    The task can start between the two calls, and between accept and assign neither works. So the pair is
    repeated, also through outages, until one is accepted or Detail shows that the task has ended.

    :param is_running: it was last seen running, so start with the kill.
    :param patience_seconds: how long to try: the last try starts by then.
    :return: the task as Wiro showed it last, None if Wiro accepted the stop without showing the task.
    :raises WiroAuthenticationError: the key is refused; the task may still run.
    :raises WiroPermissionError: the key may not do this; the task may still run.
    :raises WiroNotFoundError: Wiro doesn't know the task, even half a minute after the first try.
    :raises WiroError: neither call was accepted before patience ended; the task may still run.
    """
    started_at = context.now()
    last_status = UNKNOWN_STATUS
    tries = 0

    def patience_left() -> float:
        return max(0.0, patience_seconds - (context.now() - started_at).total_seconds())

    def is_overdue() -> bool:
        elapsed = (context.now() - started_at).total_seconds()
        return tries > 0 and elapsed > patience_seconds + _LAST_TRY_SECONDS

    def request(api_call: ApiCall[T]) -> Flow[T]:
        # A stop doesn't wait for other calls' rate limit: each minute of a running task costs money.
        unlimited = replace(context, gate=context.gate.bypass())
        return (yield from call(api_call, unlimited, patience_seconds=patience_left()))

    cancel, kill = endpoints.cancel_task(wiro_task_id), endpoints.kill_task(wiro_task_id)
    while True:
        failures: list[WiroError] = []
        for stop in (kill, cancel) if is_running else (cancel, kill):
            if failures and is_overdue():
                raise _gave_up(wiro_task_id, patience_seconds, last_status, failures)
            try:
                return (yield from request(stop))
            except (WiroAuthenticationError, WiroPermissionError):
                raise
            except WiroError as error:
                failures.append(error)
                if error.may_retry:
                    is_running = stop is kill  # the next try starts with this call
                    break
        else:
            try:
                task = yield from request(endpoints.get_task(wiro_task_id))
            except WiroError as error:
                is_not_yet = (context.now() - started_at).total_seconds() < min(
                    NOT_YET_SECONDS, patience_seconds
                )
                if not error.may_retry and not (isinstance(error, WiroNotFoundError) and is_not_yet):
                    raise
                failures.append(error)
            else:
                if task.is_terminal:
                    return task
                last_status = task.status_with_reason
                is_running = not task.is_queued
        left = patience_left()
        if not left:
            raise _gave_up(wiro_task_id, patience_seconds, last_status, failures)
        tries += 1
        pause = retry.backoff_seconds(
            tries, context.random(), first=FIRST_PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS
        )
        yield Pause(min(pause, left))


def _gave_up(
    wiro_task_id: str, patience_seconds: float, last_status: str, failures: Sequence[WiroError]
) -> WiroError:
    """Return the error of a stop that gave up; of the last failure's class if a retry may help."""
    reasons = " ".join(dict.fromkeys(map(str, failures)))
    message = (
        f"Wiro task {wiro_task_id} may still run: in {patience_seconds:g} s neither Cancel nor Kill was "
        f"accepted (last status: {last_status}). {reasons}"
    )
    last = failures[-1]
    if not last.may_retry:
        return WiroNotStoppableError(message)
    if isinstance(last, WiroApiError):
        return type(last)(message, code=last.code, http_status=last.http_status)
    return type(last)(message)

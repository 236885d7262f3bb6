"""Operations that take several API calls: start a run, follow a task, test a connection. They are flows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api import endpoints, model_slugs, retry
from airflow_provider_wiro.api.flow import Flow, FlowContext, Pause, call
from airflow_provider_wiro.api.models import UNKNOWN_STATUS
from airflow_provider_wiro.api.polling import Polling, PollPatience
from airflow_provider_wiro.exceptions import (
    WiroConcurrencyLimitError,
    WiroError,
    WiroNotFoundError,
    WiroResponseError,
    WiroTaskTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from airflow_provider_wiro.api.catalog import ModelParameter
    from airflow_provider_wiro.api.endpoints import ApiCall
    from airflow_provider_wiro.api.models import StartedRun, Task
    from airflow_provider_wiro.api.parameters import FileValue


def run_model(
    context: FlowContext,
    model: str,
    parameters: Mapping[str, Any],
    files: Mapping[str, Sequence[FileValue]],
    *,
    known: Sequence[ModelParameter] = (),
    callback_url: str | None = None,
    project_id: str | None = None,
    deadline: datetime | None = None,
    waits_for_slot: bool = True,
    before_send: Callable[[], None] | None = None,
) -> Flow[StartedRun]:
    """
    Start a task.

    :param known: the model's parameters, whose kind says how a file is sent. Empty if they can't be had:
        files are then sent in the usual form.
    :param deadline: wait for rate limits until then.
    :param waits_for_slot: False raises WiroConcurrencyLimitError at once, for callers that wait in a better
        way.
    :param before_send: called right before each Run request; an error it raises ends the flow.
    :raises WiroLostRunError: the task may have been started, but its id is not known.
    """

    def run(slug: str) -> ApiCall[StartedRun]:
        return endpoints.run_model(
            slug, parameters, files, known, callback_url=callback_url, project_id=project_id
        )

    gives_up_on = () if waits_for_slot else (WiroConcurrencyLimitError,)
    return (
        yield from model_slugs.call_in_either_form(
            model, run, context, deadline=deadline, gives_up_on=gives_up_on, before_send=before_send
        )
    )


def delete_task_files(context: FlowContext, wiro_task_id: str) -> Flow[None]:
    """
    Remove a finished task's inputs and outputs. The endpoint takes the task's token, which Detail shows.
    """
    task = yield from call(endpoints.get_task(wiro_task_id), context)
    if task.token is None:
        raise WiroResponseError(
            f"Wiro shows no token for task {wiro_task_id}, so its files can't be deleted."
        )
    yield from call(endpoints.delete_task_files(task.token), context)


def try_connection(context: FlowContext) -> Flow[str]:
    """Make a free signed call and return what it says about the connection; raises what a call raises."""
    try:
        yield from call(endpoints.list_tasks(limit=1), context, patience_seconds=0)
    except WiroNotFoundError as error:
        # "There is no task yet." comes after authentication; HTTP 404 comes from a server that isn't Wiro's.
        if error.http_status == 404:
            raise
    return f"Wiro accepts the connection ({context.credentials.mode} mode)."


def look_at_task(
    wiro_task_id: str,
    context: FlowContext,
    *,
    deadline: datetime | None = None,
    patience_seconds: float = retry.POLL_PATIENCE_SECONDS,
) -> Flow[Task]:
    """
    Poll a task that is known to exist, and return it; an outage is tolerated, since the task may be paid for.

    For half a minute from the first poll on, "There is no task yet." means that it is not there yet.

    :param deadline: when to give up, None for never. The task is polled at least once.
    :raises WiroTaskTimeoutError: the deadline passed before a poll worked.
    :raises WiroConnectionError: patience is over; the task may still run.
    :raises WiroError: polling can't continue.
    """
    started_at = context.now()
    polling = Polling(started_at, deadline)
    patience = PollPatience(patience_seconds, started_at)
    attempt = 0
    while True:
        is_last_poll = polling.is_over(context.now())
        task = yield from _poll(wiro_task_id, context, polling, patience, is_last_poll=is_last_poll)
        if task is not None:
            return task
        if is_last_poll:
            raise out_of_time(wiro_task_id, UNKNOWN_STATUS)
        attempt += 1
        now = context.now()
        pause = min(retry.backoff_seconds(attempt, context.random()), polling.seconds_left(now))
        yield Pause(patience.shortened(pause, polling, now), patience.failure)


def out_of_time(wiro_task_id: str, last_status: str) -> WiroTaskTimeoutError:
    """Return the error of a wait that reached its deadline."""
    return WiroTaskTimeoutError(
        f"Wiro task {wiro_task_id} did not end before its deadline (last status: {last_status}).",
        wiro_task_id=wiro_task_id,
    )


def wait_for_task(
    wiro_task_id: str,
    context: FlowContext,
    polling: Polling,
    *,
    observe: Callable[[Task], None],
    is_seen: bool = False,
    patience_seconds: float = retry.POLL_PATIENCE_SECONDS,
) -> Flow[Task]:
    """
    Follow a task until its status is final, and return it, whether it succeeded or not.

    Failing polls (5xx, HTML, resets) are tolerated for ``patience_seconds``, counted from the last poll that
    worked. Past the deadline there is one last poll.

    :param observe: called with the task that each poll returns.
    :param is_seen: the task was polled a moment ago, so start with a pause.
    :raises WiroTaskTimeoutError: the deadline passed; the task is left as it is.
    :raises WiroConnectionError: patience is over; the task may still run.
    :raises WiroError: polling can't continue.
    """
    patience = PollPatience(patience_seconds, context.now())
    last_status = UNKNOWN_STATUS
    if is_seen:
        yield Pause(polling.pause_seconds(context.now(), context.random()))
    while True:
        is_last_poll = polling.is_over(context.now())
        task = yield from _poll(wiro_task_id, context, polling, patience, is_last_poll=is_last_poll)
        if task is not None:
            last_status = task.status_with_reason
            observe(task)
            if task.is_terminal:
                return task
        task = None  # a waiting frame would keep a whole Detail, which can be megabytes
        if is_last_poll:
            raise out_of_time(wiro_task_id, last_status)
        now = context.now()
        pause = patience.shortened(polling.pause_seconds(now, context.random()), polling, now)
        yield Pause(pause, patience.failure)


def _poll(
    wiro_task_id: str, context: FlowContext, polling: Polling, patience: PollPatience, *, is_last_poll: bool
) -> Flow[Task | None]:
    """
    Poll once, and return the task, None if that failed for a temporary reason.

    :param is_last_poll: don't wait for other calls' rate limit.
    :raises WiroConnectionError: patience is over.
    :raises WiroNotFoundError: Wiro doesn't know the task, and it isn't too new to be known.
    :raises WiroError: polling again can't help.
    """
    detail = endpoints.get_task(wiro_task_id)
    if is_last_poll:
        poll = call(detail, replace(context, gate=context.gate.bypass()), patience_seconds=0)
    else:
        poll = call(detail, context, patience_seconds=0, deadline=polling.deadline)
    try:
        task = yield from poll
    except WiroError as error:
        end = patience.failed(wiro_task_id, error, polling, context.now())
        if end is error:
            raise
        if end is not None:
            raise end from error
        return None
    patience.succeeded(context.now())
    return task

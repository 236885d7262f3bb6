"""
One API call as a generator (a *flow*): it yields what to do next; a hook does it and sends back the outcome.

A flow yields :class:`Send` and gets an :class:`~airflow_provider_wiro.api.responses.ApiResponse` or a
:class:`~airflow_provider_wiro.api.retry.RequestFailure`; it yields :class:`Digest` and gets a file's digest;
it yields :class:`Pause` or :class:`Confirm` and gets None. It returns the call's result. So each decision
(repeat or not, how long to wait, what a status means) is made in one place for the blocking hook, the
asynchronous one and the tests, which pass a day of polling in a millisecond. Operations of several calls are
in :mod:`~airflow_provider_wiro.api.operations`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_wiro.api import responses, retry
from airflow_provider_wiro.api.responses import ApiResponse
from airflow_provider_wiro.api.retry import RateGate, RequestFailure
from airflow_provider_wiro.exceptions import (
    WiroAnswerTooLargeError,
    WiroConnectionError,
    WiroError,
    WiroLostRunError,
    WiroNotFoundError,
    WiroRateLimitError,
    WiroServerError,
    WiroTaskNotFoundError,
)

if TYPE_CHECKING:
    from airflow_provider_wiro.api.endpoints import ApiCall
    from airflow_provider_wiro.api.parameters import Body, FileContent
    from airflow_provider_wiro.api.signing import Credentials

T = TypeVar("T")


@dataclass(frozen=True)
class Send:
    """
    Make one HTTP request: POST ``body`` to ``path`` below the base URL.

    :ivar headers: the authentication of this one request; secret, and valid only once.
    :ivar needs_fresh_connection: don't reuse an idle connection: if the server has just closed it, nobody
        knows whether it received the request.
    :ivar max_body_bytes: read one byte more than this of the response, and then stop.
    :ivar longest_seconds: how long it may take from beginning to end; None: as long as the connection's
        timeouts allow.
    """

    path: str
    body: Body
    headers: dict[str, str] = field(repr=False)
    needs_fresh_connection: bool = False
    max_body_bytes: int = responses.MAX_BODY_BYTES
    longest_seconds: float | None = None


@dataclass(frozen=True)
class Pause:
    """
    Wait this long.

    :ivar failure: what failed, if the request is repeated after the pause. The hook logs it.
    """

    seconds: float
    failure: str = ""


@dataclass(frozen=True)
class Confirm:
    """
    Call ``check`` right before a request that must not be sent twice; an error it raises ends the flow.

    :ivar check: may return an awaitable, which the hook on an event loop awaits.
    """

    check: Callable[[], Awaitable[None] | None]


@dataclass(frozen=True)
class Digest:
    """
    Read a file and send back its SHA-256 in hex digits; None if it can't be read, or is too large.

    :ivar source: a URL that Wiro shows, fetched with the guards of a download; or an input file.
    """

    source: str | FileContent = field(repr=False)


@dataclass(frozen=True)
class FlowContext:
    """
    What a flow needs from its calls: clock, randomness, credentials, rate limit.

    :ivar now: the time as an aware datetime, by a clock that nobody sets while the flow runs: deadlines are
        compared with it, and pauses are planned by it.
    :ivar random: a number from [0, 1).
    :ivar nonce: a random integer, new for each request.
    :ivar gate: shared by all calls of one connection in a process.
    :ivar host: of the connection's base URL: files at this host or beside it are Wiro's own.
    :ivar address: the same with the port, if the base URL has one; for messages.
    :ivar conn_id: the Airflow connection; for messages.
    """

    credentials: Credentials
    now: Callable[[], datetime]
    random: Callable[[], float]
    nonce: Callable[[], int]
    gate: RateGate
    host: str = ""
    address: str = ""
    conn_id: str = ""


#: What a flow can yield.
Step = Send | Pause | Confirm | Digest
Flow = Generator[Step, ApiResponse | RequestFailure | str | None, T]


def drive(
    flow: Flow[T],
    send: Callable[[Send], ApiResponse | RequestFailure],
    pause: Callable[[Pause], None],
    digest: Callable[[Digest], str | None],
) -> T:
    """Run a flow until it returns, with functions that block."""
    outcome: ApiResponse | RequestFailure | str | None = None
    while True:
        try:
            step = flow.send(outcome)
        except StopIteration as stop:
            result: T = stop.value
            return result
        outcome = None
        if isinstance(step, Send):
            outcome = send(step)
        elif isinstance(step, Digest):
            outcome = digest(step)
        elif isinstance(step, Confirm):
            step.check()
        else:
            pause(step)


def at_most(seconds: float, flow: Flow[T], context: FlowContext) -> Flow[T]:
    """
    Run a flow for at most some seconds, all of its requests and repeats together.

    :raises WiroConnectionError: it needs longer.
    """
    until = context.now() + timedelta(seconds=seconds)
    outcome: ApiResponse | RequestFailure | str | None = None
    try:
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as stop:
                result: T = stop.value
                return result
            left = (until - context.now()).total_seconds()
            if left <= 0 or (isinstance(step, Pause) and step.seconds > left):
                why = isinstance(step, Pause) and step.failure
                raise WiroConnectionError(why or f"This takes longer than {seconds:g} s.")
            outcome = yield replace(step, longest_seconds=left) if isinstance(step, Send) else step
    finally:
        flow.close()


def call(
    api_call: ApiCall[T],
    context: FlowContext,
    *,
    patience_seconds: float = retry.CALL_PATIENCE_SECONDS,
    deadline: datetime | None = None,
    gives_up_on: tuple[type[WiroError], ...] = (),
    before_send: Callable[[], Awaitable[None] | None] | None = None,
    on_response: Callable[[ApiResponse], None] | None = None,
) -> Flow[T]:
    """
    Make one call, and repeat it as long as that is safe and patience lasts.

    :param patience_seconds: how long to repeat. 0: one try.
    :param deadline: wait for the connection's rate limit until then, whatever the patience. Default: as long
        as patience lasts.
    :param gives_up_on: errors to raise at once, since the caller handles them better.
    :param before_send: called right before each request, repeats included; an error it raises ends the call.
    :param on_response: called with each response, errors included.
    :raises WiroLostRunError: a Run that may have started a task.
    :raises WiroError: any other, once repeating is unsafe, useless or has taken too long.
    """
    started_at = context.now()
    attempt = 0
    while True:
        yield from _wait_for_gate(context, deadline or started_at + timedelta(seconds=patience_seconds))
        if before_send is not None:
            yield Confirm(before_send)
        headers = context.credentials.headers(context.nonce())
        outcome = yield Send(
            api_call.path,
            api_call.body,
            headers,
            needs_fresh_connection=not api_call.is_repeatable,
            max_body_bytes=api_call.max_body_bytes,
        )
        if on_response is not None and isinstance(outcome, ApiResponse):
            on_response(outcome)
        try:
            return _read(
                api_call, outcome, context, secrets=(*headers.values(), context.credentials.secret or "")
            )
        except WiroError as error:
            attempt += 1
            failure = error
        if isinstance(failure, WiroAnswerTooLargeError) and api_call.instead and not failure.has_ended:
            return (yield from _ask_instead(api_call.instead(), context, failure))
        sent = isinstance(outcome, ApiResponse) or (isinstance(outcome, RequestFailure) and outcome.was_sent)
        if not api_call.is_repeatable and not retry.certainly_not_started(failure, was_sent=sent):
            says_nothing = isinstance(failure, WiroServerError) and failure.http_status == 200
            how = "its response doesn't say what became of it" if says_nothing else "its response is lost"
            raise WiroLostRunError(
                f"The run was sent, but {how}: {failure} Wiro may have started the task and "
                "bill it; look for it in the dashboard at wiro.ai before running it again.",
                was_cut_off=isinstance(outcome, RequestFailure) and outcome.was_cut_off,
            ) from failure
        pause = _pause_before_repeat(failure, outcome, attempt, context)
        if pause is None or isinstance(failure, gives_up_on):
            raise failure
        if isinstance(failure, WiroRateLimitError) and deadline is not None:
            continue  # the gate is closed now, and opens when Wiro allows
        if (context.now() - started_at).total_seconds() + pause > patience_seconds:
            raise failure
        yield Pause(pause, str(failure))


def _ask_instead(instead: ApiCall[T], context: FlowContext, failure: WiroAnswerTooLargeError) -> Flow[T]:
    """Make the call to use after a response that was too large; if it fails, raise the first failure."""
    try:
        return (yield from call(instead, context, patience_seconds=0))
    except WiroError as error:
        if isinstance(error, WiroAnswerTooLargeError) and error.has_ended:
            raise
        raise failure from None


def _wait_for_gate(context: FlowContext, deadline: datetime) -> Flow[None]:
    """Wait while Wiro's rate limit asks this connection to; raises WiroRateLimitError at the deadline."""
    while waiting := context.gate.wait_seconds():
        remaining = (deadline - context.now()).total_seconds()
        if remaining <= 0:
            raise WiroRateLimitError(
                f"Wiro's rate limit asks to wait {waiting:.0f} s more, longer than this call may take.",
                http_status=429,
            )
        yield Pause(min(waiting, remaining))


def _read(
    api_call: ApiCall[T],
    outcome: ApiResponse | RequestFailure | str | None,
    context: FlowContext,
    *,
    secrets: tuple[str, ...],
) -> T:
    if isinstance(outcome, ApiResponse):
        try:
            envelope = responses.read(
                outcome,
                secrets=(*secrets, *api_call.secrets),
                only_names_tasks=api_call.only_names_tasks,
                max_body_bytes=api_call.max_body_bytes,
                conn_id=context.conn_id,
            )
        except WiroNotFoundError as error:
            is_no_api = error.code is None and error.http_status == 404
            if api_call.wiro_task_id is None or is_no_api:
                raise
            raise unknown_task(api_call.wiro_task_id, context.conn_id, error) from None
        except WiroAnswerTooLargeError:
            if api_call.read_beginning is None:
                raise
            return api_call.read_beginning(outcome.body)
        return api_call.read(envelope)
    raise _no_response(api_call.path, outcome if isinstance(outcome, RequestFailure) else None, context)


def _no_response(path: str, outcome: RequestFailure | None, context: FlowContext) -> WiroConnectionError:
    outcome = outcome or RequestFailure("the request was not made", was_sent=True)
    address = f" at {context.address}" if context.address else ""
    connection = f", connection {context.conn_id!r}" if context.conn_id else ""
    nothing_sent = "" if outcome.was_sent else " Nothing was sent."
    return WiroConnectionError(
        f"No response from Wiro's API{address} ({path}{connection}): {outcome.reason}.{nothing_sent}"
    )


def unknown_task(wiro_task_id: str, conn_id: str, error: WiroNotFoundError) -> WiroTaskNotFoundError:
    """Return the error for a task that Wiro doesn't know; Wiro's own error doesn't name the task."""
    of = f" (connection {conn_id!r})" if conn_id else ""
    return WiroTaskNotFoundError(
        f"Wiro doesn't know task {wiro_task_id}{of}.", code=error.code, http_status=error.http_status
    )


def _pause_before_repeat(
    failure: WiroError, outcome: ApiResponse | RequestFailure | str | None, attempt: int, context: FlowContext
) -> float | None:
    """Return the seconds to wait before another try, None if another try can't help."""
    if not failure.may_retry:
        return None
    requested = (
        retry.retry_after_seconds(outcome.headers, context.now())
        if isinstance(outcome, ApiResponse)
        else None
    )
    requested = min(requested or 0.0, retry.LONGEST_ASKED_SECONDS)
    pause = max(requested, retry.backoff_seconds(attempt, context.random()))
    if isinstance(failure, WiroRateLimitError):
        context.gate.close(pause)
    return pause

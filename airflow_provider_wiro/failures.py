"""
What Airflow makes of a Wiro error: fail for good, or retry; and what the error's reader can do about it.

A retry can't mend a wrong key, an empty balance or a bad parameter; it would only delay the alert, and each
Run costs money. Each error class says itself whether a retry may help (``may_retry``).
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSensorTimeout

from airflow_provider_wiro.error_xcom import leaving_error
from airflow_provider_wiro.exceptions import (
    WiroAnswerTooLargeError,
    WiroApiError,
    WiroAuthenticationError,
    WiroBalanceError,
    WiroConcurrencyLimitError,
    WiroConnectionError,
    WiroError,
    WiroMissingConnectionError,
    WiroModelNotFoundError,
    WiroNotFoundError,
    WiroOutputUnavailableError,
    WiroPermissionError,
    WiroRateLimitError,
    WiroRecordError,
    WiroResponseError,
    WiroServerError,
    WiroTaskCancelledError,
    WiroTaskError,
    WiroTaskFailedError,
    WiroTaskNotFoundError,
    WiroTaskTimeoutError,
    WiroTooFewOutputsError,
    WiroUnsettledRunError,
    WiroUsageError,
    WiroValidationError,
)
from airflow_provider_wiro.redaction.loggers import make_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy

    from airflow_provider_wiro.api.models import Task


class TaskStoppedError(AirflowException):
    """Airflow has stopped the task. Raised only while no Run is in flight."""

    def __init__(self, message: str = "The Airflow task was stopped.") -> None:
        super().__init__(message)


_WHAT_TO_DO: Mapping[type[WiroError], str] = {
    WiroAuthenticationError: (
        "Check the Wiro connection: the API key in `login` and the secret in `password` for a project in "
        "signature mode, the key alone in `password` for one in API-key-only mode; and that the project "
        "allows this machine's IP address."
    ),
    WiroPermissionError: (
        "Ask an administrator of the Wiro account or team to allow it; the key itself was accepted."
    ),
    WiroBalanceError: "Add balance at wiro.ai, then clear this task.",
    WiroModelNotFoundError: (
        "Copy `owner/model` from the model's page at wiro.ai, or find it with "
        'WiroHook().list_models(search="…").'
    ),
    WiroTaskNotFoundError: (
        "Check the id, and that the task belongs to the connection's project: another project's tasks, and "
        "those of the Studio or of agents, are not shown."
    ),
    WiroNotFoundError: (
        "Check the model's `owner/model` or the task's id, and that it belongs to the connection's project."
    ),
    WiroValidationError: (
        "Correct the parameters; the model's page at wiro.ai, or WiroHook.get_model(), lists those it takes."
    ),
    WiroTaskCancelledError: (
        "Somebody stopped it, so it is not started again by itself; clear this task to do so."
    ),
}

#: Wiro's words for a missing parameter, required or not.
_REQUIRED = r"(?i)Request parameters? \[([^\]]{1,100})\] (?:is |are )?required"
#: The HTTP status of a request that is larger than the server, or a proxy before it, accepts.
_TOO_LARGE = 413

#: For Airflow's retry policies: how long to wait after each temporary error.
_RETRY_DELAYS: Mapping[type[WiroError], timedelta] = {
    WiroTaskFailedError: timedelta(seconds=30),
    WiroTooFewOutputsError: timedelta(seconds=30),
    WiroTaskTimeoutError: timedelta(seconds=30),
    WiroConnectionError: timedelta(minutes=2),
    WiroMissingConnectionError: timedelta(minutes=2),
    WiroResponseError: timedelta(minutes=2),
    WiroServerError: timedelta(minutes=2),
    WiroRecordError: timedelta(minutes=2),
    WiroUnsettledRunError: timedelta(minutes=2),
    WiroOutputUnavailableError: timedelta(minutes=2),
    WiroRateLimitError: timedelta(minutes=5),
    WiroConcurrencyLimitError: timedelta(minutes=10),
}


def explain(error: WiroError, then: str = "") -> str:
    """
    Return an error's message, followed by what to do about it where that is known.

    :param then: further sentences, at the end.
    """
    advice = next((text for kind, text in _WHAT_TO_DO.items() if isinstance(error, kind)), "")
    if isinstance(error, WiroApiError) and error.http_status == _TOO_LARGE:
        advice = "What was sent is too large for the server: send a smaller file, or the URL of one."
    if isinstance(error, WiroValidationError) and (required := re.findall(_REQUIRED, str(error))):
        names = " and ".join(f'"{name}"' for name in dict.fromkeys(required))
        advice += (
            f' Some models want their optional parameters, too: without a value for it, give {names} as "".'
        )
    message = str(error)
    is_no_api = isinstance(error, WiroApiError) and error.http_status == 404 and error.code is None
    if isinstance(error, WiroNotFoundError) and (is_no_api or message.endswith("?")):
        advice = ""  # it is in the message: the base URL to check, or the model that may be meant
    rest = " ".join(filter(None, (advice, then)))
    if rest and not message.endswith((".", "!", "?", "…")):
        message += "."
    return f"{message} {rest}".rstrip()


@contextmanager
def airflow_failures() -> Iterator[None]:
    """
    Raise the Wiro errors of this block in a form that Airflow understands.

    :raises AirflowFailException: the error is permanent; Airflow doesn't retry.
    :raises WiroError: it may be temporary; Airflow retries if the task has retries left.
    """
    try:
        yield
    except WiroError as error:
        if error.may_retry:
            raise
        raise AirflowFailException(explain(error)) from error  # see in_brief() for what Airflow prints of it
    except Exception as error:
        make_plain(error)  # a library's, which may quote a server's text unchanged
        raise


F = TypeVar("F", bound="Callable[..., Any]")


def in_brief(method: F) -> F:
    """
    Have Airflow print only the message of the provider's own errors, which says all that a user needs, and
    leave what fails a try as an XCom.

    Airflow prints an exception with its causes, each with its frames, so that one sentence stood twice among
    50 lines. The traceback is logged at DEBUG. Any other exception is a bug, or comes from other code, and
    keeps its traceback.

    :param method: one that Airflow calls.
    """

    @wraps(method)
    def brief(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            with leaving_error(self, (*args, *kwargs.values()), unless=TaskStoppedError):
                return method(self, *args, **kwargs)
        except (WiroError, AirflowFailException, AirflowSensorTimeout) as error:
            failure: BaseException = error
        except AirflowException as error:
            if type(error) not in {AirflowException, TaskStoppedError} or not _is_raised_here(error):
                raise  # a deferral, a skip, or an error of other code
            failure = error
        self.log.debug("Where this error comes from:", exc_info=failure)
        raise failure.with_traceback(None) from None

    return cast("F", brief)


def _is_raised_here(error: BaseException) -> bool:
    """Whether this provider has raised an error, and no code that it called."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    name = "" if step is None else step.tb_frame.f_globals.get("__name__", "")
    return str(name).partition(".")[0] == __name__.partition(".")[0]


def require_success(task: Task) -> None:
    """
    Raise unless a task has succeeded, for operators that did not start it.

    A failed run may succeed when it is run again (``may_retry``), but the retry of such an operator starts
    none.

    :raises AirflowFailException: it failed, or was cancelled.
    """
    from airflow_provider_wiro.api.run_summary import check_success

    try:
        check_success(task)
    except WiroTaskError as error:
        raise AirflowFailException(explain(error)) from error


def wiro_retry_policy() -> ExceptionRetryPolicy:
    """
    Return a policy for the ``retry_policy`` argument of a task (Airflow 3.3+), with a delay for each error.

    The delays: a failed model 30 s, the network, a server error or a lost record 2 min, a rate limit 5 min,
    no free slot 10 min. An error that a retry can't help fails the task at once. Tasks still need
    ``retries``.

    :raises WiroUsageError: this Airflow has no retry policies.
    """
    try:
        from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule
    except ImportError as error:
        raise WiroUsageError(
            "wiro_retry_policy() needs Airflow 3.3; before it, use retries and retry_delay."
        ) from error

    def path(kind: type[WiroError]) -> str:
        return f"{kind.__module__}.{kind.__qualname__}"

    rules = [
        RetryRule(path(kind), action=RetryAction.RETRY, retry_delay=delay, reason=kind.__name__)
        for kind, delay in _RETRY_DELAYS.items()
    ]
    # The first matching rule counts, also for subclasses.
    too_large, any_other = (
        RetryRule(path(kind), action=RetryAction.FAIL, reason="a retry can't help")
        for kind in (WiroAnswerTooLargeError, WiroError)
    )
    return ExceptionRetryPolicy(rules=[too_large, *rules, any_other])

"""
The exceptions of this package, as one tree.

.. code-block:: text

    WiroError                              may_retry
     ├─ WiroUsageError                     no    the input can't be right; nothing was sent
     ├─ WiroApiError                             Wiro understood the call and said no
     │   ├─ WiroAuthenticationError        no    key, secret, mode, nonce or IP address refused
     │   ├─ WiroPermissionError            no    the account may not do this (codes 0 and 97, HTTP 403)
     │   ├─ WiroValidationError            no    a parameter is missing or out of range (code 0)
     │   ├─ WiroNotFoundError              no    no such model, task or endpoint (code 1, HTTP 404)
     │   │   ├─ WiroModelNotFoundError     no    no such model
     │   │   └─ WiroTaskNotFoundError      no    no such task
     │   ├─ WiroNotStoppableError          no    the task is not in a state to be cancelled or killed (code 1)
     │   ├─ WiroBalanceError               no    insufficient balance (code 97)
     │   ├─ WiroConcurrencyLimitError      yes   the account runs as many tasks as it may (code 96)
     │   ├─ WiroRateLimitError             yes   too many requests (HTTP 429)
     │   └─ WiroServerError                yes   HTTP 5xx, 408 and the like, or an error that gives no reason
     ├─ WiroResponseError                  yes   a response that is not the API's: HTML, empty, truncated
     │   └─ WiroAnswerTooLargeError        no    a response larger than the limit
     ├─ WiroConnectionError                yes   no response: refused, reset, DNS, timeout
     ├─ WiroMissingConnectionError         yes   Airflow has no such connection, or its secrets backend is out
     ├─ WiroLostRunError                   no    a Run may have been started and its id is not known
     ├─ WiroOrphanedRunError               no    an earlier try may have started a Run; somebody has to check
     ├─ WiroUnsettledRunError              yes   a Run's response is lost, and time ran out before it was
     │                                           clear whether it started a task; a retry continues
     ├─ WiroRecordError                    yes   the durable record of a run can't be read or written
     │   └─ WiroOvertakenError             yes   another try has taken over the record
     ├─ WiroTaskError                            the task ended, but not well
     │   ├─ WiroTaskFailedError            yes   the model failed
     │   ├─ WiroTooFewOutputsError         yes   it succeeded, with fewer outputs than `min_outputs`
     │   ├─ WiroTaskCancelledError         no    somebody cancelled or killed it
     │   └─ WiroTaskTimeoutError           yes   it did not end before its deadline
     ├─ WiroStorageRefusedError            no    the store refuses a request, and would for any object
     └─ WiroOutputError                          an output can't be fetched
         ├─ WiroOutputUnavailableError     yes   link expired, CDN error, connection cut
         └─ WiroOutputRefusedError         no    not what Wiro announced, or where it must not be fetched from

Each class says whether repeating the same may help (``may_retry``);
:mod:`airflow_provider_wiro.failures` decides what Airflow does then. No message has a key, a secret, a
signature or a task token in it.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from airflow_provider_wiro.redaction.plain_text import plain


class WiroError(Exception):
    """
    The base of all errors of this package.

    ``may_retry``: whether repeating the same may help.
    """

    may_retry: ClassVar[bool] = False

    def __init__(self, *args: object) -> None:
        # Here, not where messages are made: nearly all of them quote a server or a model.
        super().__init__(*(plain(value) if isinstance(value, str) else value for value in args))


class WiroUsageError(WiroError):
    """A slug, parameter, file or connection that can't be right. Nothing was sent."""


class WiroApiError(WiroError):
    """
    Wiro refused a call.

    :param message: what a reader of the log needs, Wiro's own words included.
    :param code: Wiro's error code, None where the response had none.
    :param http_status: the HTTP status of the response.
    """

    def __init__(self, message: str, *, code: int | None = None, http_status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = http_status


class WiroAuthenticationError(WiroApiError):
    """Key, secret, authentication mode, nonce or IP address refused (HTTP 401, 403, codes 98 and 99)."""


class WiroPermissionError(WiroApiError):
    """The key is right, but its account, team or project may not do this (codes 0 and 97, HTTP 403)."""


class WiroValidationError(WiroApiError):
    """A parameter is missing or not allowed (code 0)."""


class WiroNotFoundError(WiroApiError):
    """No such model, task or endpoint (code 1, HTTP 404)."""


class WiroModelNotFoundError(WiroNotFoundError):
    """Wiro has no such model, in neither form of its slug."""


class WiroTaskNotFoundError(WiroNotFoundError):
    """Wiro doesn't know the task, or doesn't show it to the connection's key."""


class WiroNotStoppableError(WiroApiError):
    """The task can't be cancelled (not in the queue) or killed (not running)."""


class WiroBalanceError(WiroApiError):
    """The account has too little balance for this run (code 97, where its words are about balance)."""


class WiroConcurrencyLimitError(WiroApiError):
    """The account already runs as many tasks as its balance allows (code 96). Waiting helps."""

    may_retry = True


class WiroRateLimitError(WiroApiError):
    """Too many requests (HTTP 429)."""

    may_retry = True


class WiroServerError(WiroApiError):
    """
    The server failed: HTTP 5xx, or a status that says as little about the request (408, 409, 425, 499).

    Also an error without a reason ("Something went wrong."), which the server can return after it has carried
    out the request: for a Run that is a :class:`WiroLostRunError`.
    """

    may_retry = True


class WiroResponseError(WiroError):
    """A response that is not in the API's form: HTML from a proxy, an empty or truncated body."""

    may_retry = True


class WiroAnswerTooLargeError(WiroResponseError):
    """
    A response is larger than the limit. A retry would get the same.

    :param wiro_task_id: the task that was requested, None where none was.
    :param has_ended: that task has certainly succeeded, and is paid for.
    """

    may_retry = False

    def __init__(self, message: str, *, wiro_task_id: str | None = None, has_ended: bool = False) -> None:
        super().__init__(message)
        self.wiro_task_id = wiro_task_id
        self.has_ended = has_ended


class WiroConnectionError(WiroError):
    """No response: connection refused or reset, name not found, timeout."""

    may_retry = True


class WiroMissingConnectionError(WiroError):
    """
    Airflow has no connection of this id. Nothing was sent.

    A retry may help: Airflow reports the same while its secrets backend can't be reached.
    """

    may_retry = True


class WiroLostRunError(WiroError):
    """
    The response to a Run was lost: Wiro may have started, and will bill, a task whose id isn't known.

    Repeating it blindly could pay twice.

    :param was_cut_off: the connection was reset or closed before any byte of a response: Wiro is less likely
        to still work on the request than after a timeout.
    """

    def __init__(self, message: str, *, was_cut_off: bool = False) -> None:
        super().__init__(message)
        self.was_cut_off = was_cut_off


class WiroOrphanedRunError(WiroError):
    """It isn't known whether, or as which task, an earlier try's Run was started. Somebody has to check."""


class WiroUnsettledRunError(WiroError):
    """
    A Run's response was lost, and the deadline passed while Wiro could still start its task.

    The record stays: a retry continues the search, and sends nothing before it is certain that nothing was
    started.
    """

    may_retry = True


class WiroRecordError(WiroError):
    """The durable record of a run can't be read or written. That never counts as "there is none"."""

    may_retry = True


class WiroOvertakenError(WiroRecordError):
    """Another try of the Airflow task has taken over the record: this one sends nothing more."""


class WiroTaskError(WiroError):
    """
    A Wiro task ended without success.

    :param wiro_task_id: the task's id.
    """

    def __init__(self, message: str, *, wiro_task_id: str) -> None:
        super().__init__(message)
        self.wiro_task_id = wiro_task_id

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickle rebuilds exceptions from positional arguments alone, which would fail in the receiving
        # process.
        return partial(type(self), wiro_task_id=self.wiro_task_id), self.args


class WiroTaskFailedError(WiroTaskError):
    """The model, or Wiro before it, failed. Failed tasks are not billed."""

    may_retry = True


class WiroTooFewOutputsError(WiroTaskError):
    """The task succeeded, and is billed, but has fewer outputs than ``min_outputs``."""

    may_retry = True


class WiroTaskCancelledError(WiroTaskError):
    """The task was cancelled or killed, by a person or by the stop of its Airflow task."""


class WiroTaskTimeoutError(WiroTaskError):
    """The task did not end before its deadline."""

    may_retry = True


class WiroStorageRefusedError(WiroError):
    """
    The store refuses an output: no such bucket, permission denied, wrong credentials.

    It would refuse the next object as well, so a batch then submits nothing more.
    """


class WiroOutputError(WiroError):
    """An output of a finished task can't be fetched."""


class WiroOutputUnavailableError(WiroOutputError):
    """Temporarily unavailable: the link expired, the CDN failed, the connection was cut."""

    may_retry = True


class WiroOutputRefusedError(WiroOutputError):
    """Not what Wiro announced (size, a web page), or at an address that must not be fetched."""

"""
Everything that can go wrong with Wiro, as one tree.

.. code-block:: text

    WiroError                              may_retry
     ├─ WiroUsageError                     no    what we were asked to send can't be right; nothing was sent
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
     ├─ WiroResponseError                  yes   an answer that is not the API's: HTML, empty, cut
     │   └─ WiroAnswerTooLargeError        no    an answer larger than is read
     ├─ WiroConnectionError                yes   no answer: refused, reset, DNS, timeout
     ├─ WiroMissingConnectionError         yes   Airflow has no such connection, or its secrets backend is out
     ├─ WiroLostRunError                   no    a Run may have been started and its id is not known
     ├─ WiroOrphanedRunError               no    an earlier try may have started a Run; a person has to look
     ├─ WiroUnsettledRunError              yes   a Run's answer is lost, and time ran out before it is certain
     │                                           whether it started a task; a retry goes on with that
     ├─ WiroRecordError                    yes   the durable record of a run can't be read or written
     │   └─ WiroOvertakenError             yes   another try has taken the record over
     ├─ WiroTaskError                            the task ended, but not well
     │   ├─ WiroTaskFailedError            yes   the model failed
     │   ├─ WiroTooFewOutputsError         yes   it succeeded, with fewer outputs than `min_outputs`
     │   ├─ WiroTaskCancelledError         no    somebody cancelled or killed it
     │   └─ WiroTaskTimeoutError           yes   it did not end before its deadline
     ├─ WiroStorageRefusedError            no    the store refuses what it is asked, and would for any object
     └─ WiroOutputError                          an output can't be had
         ├─ WiroOutputUnavailableError     yes   link expired, CDN error, connection cut
         └─ WiroOutputRefusedError         no    not what Wiro announced, or where it must not be fetched from

Each class answers whether doing the same again may help (``may_retry``); what Airflow makes of that answer is
decided in :mod:`airflow_provider_wiro.failures`. No message carries a key, a secret, a signature or a task
token.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from airflow_provider_wiro.redaction.plain_text import plain


class WiroError(Exception):
    """
    Whatever this package raises about Wiro.

    ``may_retry``: would doing the same again possibly help?
    """

    may_retry: ClassVar[bool] = False

    def __init__(self, *args: object) -> None:
        # Here and not where a message is made: nearly each quotes something that a server or a model wrote.
        super().__init__(*(plain(value) if isinstance(value, str) else value for value in args))


class WiroUsageError(WiroError):
    """A slug, parameter, file or connection that can't be right. Nothing was sent."""


class WiroApiError(WiroError):
    """
    Wiro answered that it won't do it.

    :param message: what a reader of the log needs, Wiro's own words included.
    :param code: Wiro's error code, None where the answer had none.
    :param http_status: the HTTP status of the answer.
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

    Also an error without a reason ("Something went wrong."), which the server can give after it has carried
    the request out: to a Run that is a :class:`WiroLostRunError`.
    """

    may_retry = True


class WiroResponseError(WiroError):
    """Something answered, but not in the API's form: HTML from a proxy, an empty or cut body."""

    may_retry = True


class WiroAnswerTooLargeError(WiroResponseError):
    """
    An answer has more bytes than are read. Asking again brings the same, hence no retry.

    :param wiro_task_id: the task that was asked for, None where none was.
    :param has_ended: that task is known to have succeeded, and to be paid for.
    """

    may_retry = False

    def __init__(self, message: str, *, wiro_task_id: str | None = None, has_ended: bool = False) -> None:
        super().__init__(message)
        self.wiro_task_id = wiro_task_id
        self.has_ended = has_ended


class WiroConnectionError(WiroError):
    """No answer came: connection refused or reset, name not found, timeout."""

    may_retry = True


class WiroMissingConnectionError(WiroError):
    """
    Airflow has no connection of this id. Nothing was sent.

    A retry may help: Airflow says the same while its secrets backend can't be reached.
    """

    may_retry = True


class WiroLostRunError(WiroError):
    """
    A Run was sent and its answer never came: Wiro may have started, and will bill, a task we don't know.

    Repeating it blindly could pay twice, hence no retry.

    :param was_cut_off: the connection was reset or closed before any byte of an answer, so that the request
        is less likely to be still at work than after a timeout.
    """

    def __init__(self, message: str, *, was_cut_off: bool = False) -> None:
        super().__init__(message)
        self.was_cut_off = was_cut_off


class WiroOrphanedRunError(WiroError):
    """It can't be told whether, or as which task, an earlier try's Run was started. A person has to look."""


class WiroUnsettledRunError(WiroError):
    """
    A Run's answer was lost, and the time for this ran out while Wiro could still start its task.

    The record stays: a retry looks on, and sends nothing before it is certain that nothing was started.
    """

    may_retry = True


class WiroRecordError(WiroError):
    """The durable record of a run can't be read or written. That is never taken for "there is none"."""

    may_retry = True


class WiroOvertakenError(WiroRecordError):
    """Another try of the Airflow task has taken the record over: nothing more is sent here."""


class WiroTaskError(WiroError):
    """
    A Wiro task ended without success.

    :param wiro_task_id: the task's id.
    """

    def __init__(self, message: str, *, wiro_task_id: str) -> None:
        super().__init__(message)
        self.wiro_task_id = wiro_task_id

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is rebuilt from its positional arguments, which would fail in the receiving process.
        return partial(type(self), wiro_task_id=self.wiro_task_id), self.args


class WiroTaskFailedError(WiroTaskError):
    """The model, or Wiro before it, failed. Failed tasks are not billed."""

    may_retry = True


class WiroTooFewOutputsError(WiroTaskError):
    """The task succeeded, and is billed, but has fewer outputs than were asked for with ``min_outputs``."""

    may_retry = True


class WiroTaskCancelledError(WiroTaskError):
    """The task was cancelled or killed, by a person or by the stop of its Airflow task."""


class WiroTaskTimeoutError(WiroTaskError):
    """The task did not end before its deadline."""

    may_retry = True


class WiroStorageRefusedError(WiroError):
    """
    The store where outputs are to land refuses: no such bucket, permission denied, wrong credentials.

    It would refuse the next object as well, so a batch submits nothing more after it.
    """


class WiroOutputError(WiroError):
    """An output of a finished task can't be had."""


class WiroOutputUnavailableError(WiroOutputError):
    """Not to be had right now: the link expired, the CDN failed, the connection was cut."""

    may_retry = True


class WiroOutputRefusedError(WiroOutputError):
    """Not what Wiro announced (size, a web page), or at an address that must not be fetched."""

"""Turns a store's refusal at the very beginning into one permanent error that says what to change."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroOvertakenError, WiroUsageError
from airflow_provider_wiro.storage.s3.refusals import S3Access, is_permanent
from airflow_provider_wiro.storage.s3.responses import code_and_status, is_missing_bucket

if TYPE_CHECKING:
    from collections.abc import Iterator

_PERMANENT_ERRNOS = frozenset(
    {
        errno.EACCES,
        errno.EEXIST,
        errno.EINVAL,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)
#: Characters of a store's error that a message quotes.
_QUOTED = 200


@contextmanager
def refusals(what: str, *, so_far: str = "Nothing was submitted.") -> Iterator[None]:
    """
    Raise a store's refusal as a permanent error. Only around what happens at the very beginning.

    :param what: the task could not do, and where.
    :param so_far: what had been done by then.
    :raises WiroUsageError: the store refuses it.
    """
    try:
        yield
    except WiroOvertakenError:
        raise
    except Exception as error:
        cause = _refusal(error)
        if cause is None:
            raise
        reason = f"{type(cause).__name__}: {cause}".rstrip(".")[:_QUOTED]
        raise WiroUsageError(f"Can't {what}: {reason}. {so_far} {_advice(cause)}") from cause


def _refusal(error: BaseException | None) -> BaseException | None:
    """Return the permanent refusal that an error was raised from, None if there is none."""
    while error is not None:
        if is_permanent(error):
            return error
        if isinstance(error, PermissionError) or getattr(error, "errno", None) in _PERMANENT_ERRNOS:
            return error
        error = error.__cause__
    return None


def _advice(error: BaseException) -> str:
    if isinstance(error, OSError):
        return "Choose a folder that the worker may write to."
    if is_missing_bucket(error):
        return "Correct the bucket, or create it."
    if code_and_status(error) != ("", ""):
        return S3Access("", None).advice(error)
    return "Correct the connection, or the arguments of the upload."

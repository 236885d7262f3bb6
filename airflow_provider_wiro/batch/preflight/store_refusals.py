"""What a store refuses before the first Run of a batch, as one error that says what to change."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroOvertakenError, WiroUsageError
from airflow_provider_wiro.storage.s3.refusals import NOT_KNOWN_ADVICE, is_not_known
from airflow_provider_wiro.storage.s3.responses import answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_DENIED = frozenset({"AccessDenied", "403"})
_OF_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "NoCredentialsError",
        "PartialCredentialsError",
        "SignatureDoesNotMatch",
    }
)
#: Answers with another reason than the state of the server at this moment.
_PASSING = frozenset(
    {"SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "OperationAborted", "408", "409", "429"}
)
_OF_FILES = frozenset(
    {
        errno.EACCES,
        errno.EEXIST,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)
_LONGEST_REASON = 200

_WHAT_TO_DO = {
    "PutObject": "The role of the connection needs s3:PutObject on it; where the bucket demands encryption, "
    "give encrypt=True, or what it demands as extra_args.",
    "CreateMultipartUpload": "The role of the connection needs s3:PutObject on it, and with tags "
    "s3:PutObjectTagging; where the bucket demands encryption, give encrypt=True, or what it demands as "
    "extra_args.",
    "GetObject": "The role of the connection needs s3:GetObject on it, and s3:ListBucket on the bucket, "
    "without which S3 says of a missing object that it is forbidden.",
}


def is_access_denied(error: BaseException) -> bool:
    """Whether S3 answered that a call is not allowed."""
    return not _DENIED.isdisjoint(answer_of(error))


def is_missing_bucket(error: BaseException) -> bool:
    """Whether S3 answered that there is no such bucket."""
    return "NoSuchBucket" in answer_of(error)


def is_refusal(error: BaseException) -> bool:
    """Whether a store, or the client before it, refused a call in a way that a retry can't help."""
    code, status = answer_of(error)
    if is_not_known(error):
        return True
    if status:
        return status.startswith("4") and _PASSING.isdisjoint((code, status))
    if isinstance(error, OSError):
        return isinstance(error, PermissionError) or error.errno in _OF_FILES
    return type(error).__name__ in {"NoCredentialsError", "PartialCredentialsError", "ParamValidationError"}


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """
    Let the refusal of a store leave as a permanent error. Only around what happens before the first Run.

    :param what: the batch could not do, and where.
    :raises WiroUsageError: the store refuses it.
    """
    try:
        yield
    except WiroOvertakenError:
        raise
    except Exception as error:
        cause = _cause(error)
        if cause is None:
            raise
        raise WiroUsageError(
            f"Can't {what}: {_reason(cause)}. Nothing was submitted. {_advice(cause)}"
        ) from cause


def _cause(error: BaseException | None) -> BaseException | None:
    """Return the refusal that an error was raised from, None if there is none."""
    while error is not None:
        if is_refusal(error):
            return error
        error = error.__cause__
    return None


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(".")[:_LONGEST_REASON]


def _advice(error: BaseException) -> str:
    if not _OF_CREDENTIALS.isdisjoint((answer_of(error)[0], type(error).__name__)):
        return "Correct the credentials of the connection."
    if is_access_denied(error):
        operation = getattr(error, "operation_name", "")
        return _WHAT_TO_DO.get(operation, "Give the connection's role the permission for it.")
    if is_not_known(error):
        return NOT_KNOWN_ADVICE
    if is_missing_bucket(error):
        return "Correct the bucket, or create it."
    if isinstance(error, OSError):
        return "Choose a folder that the worker may write to."
    return "Correct the connection, or the arguments of the upload."

"""What an error of boto3's says that S3 answered, and whether an answer may have been lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def answer_of(error: BaseException) -> tuple[str, str]:
    """
    Return S3's error code and its HTTP status, each empty where there is none.

    botocore's errors of a connection have a ``response``, too, and that is None: S3 didn't answer.
    """
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return "", ""
    code = response.get("Error", {}).get("Code")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return str(code or ""), str(status or "")


def is_denied(error: BaseException) -> bool:
    """
    Whether S3 denied the permission, as far as it says: to a HEAD its answer is the bare status 403, which
    wrong credentials get as well.
    """
    code, status = answer_of(error)
    return code in {"AccessDenied", "AllAccessDisabled", "403", "Forbidden"} or (not code and status == "403")


def was_repeated(answer: Mapping[str, Any]) -> bool:
    """Whether boto3 made a call more than once: S3 may have done before what it answers only now."""
    return bool(answer.get("ResponseMetadata", {}).get("RetryAttempts"))


def may_be_done(error: BaseException) -> bool:
    """
    Whether S3 may have done what a call asked for although the call failed.

    Not so where it couldn't even be reached in the end: then it can't be asked about it, either.
    """
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return was_repeated(error.response)
    return isinstance(error, exceptions.HTTPClientError) and not isinstance(error, exceptions.ConnectionError)

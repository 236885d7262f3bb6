"""Reads boto3's responses and errors: code, status, ETag, and whether a response may have been lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def code_and_status(error: BaseException) -> tuple[str, str]:
    """
    Return S3's error code and its HTTP status, each empty where there is none.

    botocore's connection errors have a ``response``, too, which is None.
    """
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return "", ""
    code = response.get("Error", {}).get("Code")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return str(code or ""), str(status or "")


def etag_of(response: Mapping[str, Any]) -> str:
    """Return the ETag that a response of S3 names, empty if it names none."""
    return str(response.get("ETag", "")).strip('"')


def is_missing_bucket(error: BaseException) -> bool:
    """Whether S3 says that there is no such bucket."""
    return "NoSuchBucket" in code_and_status(error)


def is_denied(error: BaseException) -> bool:
    """
    Whether S3 denied the permission. The response to a HEAD is the bare status 403, which wrong credentials
    get as well.
    """
    code, status = code_and_status(error)
    return code in {"AccessDenied", "AllAccessDisabled", "403", "Forbidden"} or (not code and status == "403")


def was_repeated(response: Mapping[str, Any]) -> bool:
    """Whether boto3 repeated the call: S3 may have done it before, and that response was lost."""
    return bool(response.get("ResponseMetadata", {}).get("RetryAttempts"))


def may_be_done(error: BaseException) -> bool:
    """
    Whether S3 may have done what a call asked for although the call failed.

    Not so where S3 couldn't be reached in the end: then it can't be asked about it, either.
    """
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return was_repeated(error.response)
    return isinstance(error, exceptions.HTTPClientError) and not isinstance(error, exceptions.ConnectionError)

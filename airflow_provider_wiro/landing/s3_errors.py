"""What an error of boto3's says that S3 answered."""

from __future__ import annotations


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

"""Conditional writes: puts and deletions that affect no other writer's object, where a server knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.conditions import ObjectExistsError
from airflow_provider_wiro.storage.s3.responses import code_and_status

if TYPE_CHECKING:
    from collections.abc import Callable

log = plain_logger(__name__)

#: Codes and statuses of a server that doesn't know the condition.
_NOT_KNOWN = frozenset({"NotImplemented", "501"})
#: An object is there. MinIO before April 2024 responds with 304.
_THERE = frozenset({"PreconditionFailed", "412", "NotModified", "304"})
_TAKEN = _THERE | {"ConditionalRequestConflict", "409"}


class ConditionUnknownError(Exception):
    """A server knows no conditional puts, and without one an object could be overwritten."""


class ConditionalPut:
    """
    Runs the call that makes an object visible under the condition that there is none of its key.

    One is shared by all puts of a transfer, so that a server is asked once whether it knows the condition. A
    server that silently ignores it can't be distinguished from one that obeys it.
    """

    def __init__(self) -> None:
        self._is_known = True

    def __call__(self, call: Callable[..., Any], **arguments: Any) -> Any:
        """
        Make the call.

        :param call: ``put_object`` or ``complete_multipart_upload`` of boto3's client.
        :raises ObjectExistsError: there is an object of this key.
        """
        try:
            return self.strictly(call, **arguments)
        except ConditionUnknownError:
            return call(**arguments)

    def strictly(self, call: Callable[..., Any], **arguments: Any) -> Any:
        """
        Make the call only under the condition, for a key of which S3 doesn't show whether there is an object.

        :raises ObjectExistsError: there is an object of this key.
        :raises ConditionUnknownError: the server doesn't know the condition; nothing was put.
        """
        if not self._is_known:
            raise ConditionUnknownError(arguments.get("Key"))
        from botocore.exceptions import ClientError

        try:
            return call(**arguments, IfNoneMatch="*")
        except ClientError as error:
            found = set(code_and_status(error))
            if found & _TAKEN:
                raise ObjectExistsError(arguments.get("Key"), is_there=bool(found & _THERE)) from error
            if not found & _NOT_KNOWN and not _names_condition(error):
                raise
            self._is_known = False
            log.info(
                "This S3 server knows no conditional puts. Objects that are there are still not overwritten, "
                "but one that another task puts at the very same moment may be."
            )
            raise ConditionUnknownError(arguments.get("Key")) from error


def _names_condition(error: Any) -> bool:
    """
    Whether a server says that it doesn't know this header, with a status of any other mistake.

    Backblaze B2 says so of others: "Unsupported header 'x-amz-…' received for this API call."
    """
    message = str(error.response.get("Error", {}).get("Message", "")).lower()
    return "if-none-match" in message or "if-match" in message


def put_if_unchanged(
    client: Any, etag: str | None, *, on_unknown: Callable[[], None] = lambda: None, **arguments: Any
) -> Any:
    """
    Put an object in place of the one that has this ETag, or, if that is None, of none; return S3's response.

    Where a server doesn't know the condition, what is there is replaced: a moment ago that was the one.

    :param on_unknown: called if it doesn't.
    :raises ObjectExistsError: there is another one, or none any more.
    """
    from botocore.exceptions import ClientError

    try:
        if etag is None:
            return ConditionalPut().strictly(client.put_object, **arguments)
        return client.put_object(**arguments, IfMatch=etag)
    except ConditionUnknownError:
        pass
    except ClientError as error:
        found = set(code_and_status(error))
        if found & (_TAKEN | {"NoSuchKey"}):
            raise ObjectExistsError(arguments.get("Key")) from error
        if not found & _NOT_KNOWN and not _names_condition(error):
            raise
    on_unknown()
    return client.put_object(**arguments)


def delete_if_unchanged(client: Any, etag: str, **where: Any) -> bool:
    """
    Delete an object that was just put and must not stay, unless another writer has replaced it meanwhile.

    Return whether it is no longer there. A failure is only logged: the error that led here matters more.
    Where a server doesn't know ``If-Match`` on a deletion, whatever is there is deleted: a moment ago it was
    that object.
    """
    from botocore.exceptions import ClientError

    try:
        try:
            client.delete_object(**where, IfMatch=f'"{etag}"')
        except ClientError as error:
            if _NOT_KNOWN.isdisjoint(code_and_status(error)):
                raise
            client.delete_object(**where)
    except Exception as error:
        if not _TAKEN.isdisjoint(code_and_status(error)):
            return True
        log.warning("Could not delete s3://%s/%s, which is damaged: %s", where["Bucket"], where["Key"], error)
        return False
    return True

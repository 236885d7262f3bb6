"""An object in S3, read by ranges of bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_wiro.exceptions import WiroMissingConnectionError
from airflow_provider_wiro.gallery.ranged.ranged_object import (
    BeyondEndError,
    MissingObjectError,
    ReplacedObjectError,
    StoredFacts,
    UnreadableObjectError,
)
from airflow_provider_wiro.gallery.ranged.s3_clients import s3_client
from airflow_provider_wiro.gallery.ranged.store_calls import calls
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.s3.responses import code_and_status, is_denied

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

log = plain_logger(__name__)

_TOTAL = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
#: A store that sends the whole object in place of a range: of a larger one no part can be read.
_MOST_WITHOUT_RANGES = 8 * 1024 * 1024


class S3Object:
    """
    An object in S3, as a :class:`~airflow_provider_wiro.gallery.ranged.ranged_object.RangedObject`.

    Nothing is open between two calls.

    :param aws_conn_id: the connection to read it with; None: the credentials that boto3 finds.
    """

    def __init__(self, aws_conn_id: str | None, bucket: str, key: str) -> None:
        self.aws_conn_id = aws_conn_id
        self.bucket, self.key = bucket, key
        # With the bucket, which can have a host of its own: results name it, also one that leads nowhere.
        self._store = ("s3", aws_conn_id, bucket)

    @property
    def identity(self) -> tuple[str, ...]:
        """See :attr:`RangedObject.identity`."""
        return ("s3", repr(self.aws_conn_id), self.bucket, self.key)

    def facts(self) -> StoredFacts:
        """See :meth:`RangedObject.facts`."""
        return self._asked(self._head)

    def read(self, start: int, stop: int, version: str | None = None) -> tuple[bytes, StoredFacts]:
        """See :meth:`RangedObject.read`."""
        condition = {"IfMatch": version} if version else {}
        body, facts = self._asked(lambda: self._get(f"bytes={start}-{stop - 1}", start, stop, **condition))
        if version and facts.version != version:  # a store that doesn't heed the condition
            raise ReplacedObjectError("It was replaced while it was read.")
        return body, facts

    def read_tail(self, size: int) -> tuple[bytes, StoredFacts]:
        """See :meth:`RangedObject.read_tail`."""
        return self._asked(lambda: self._get(f"bytes=-{size}", None, size))

    def _head(self) -> StoredFacts:
        found = s3_client(self.aws_conn_id).head_object(Bucket=self.bucket, Key=self.key)
        return _facts(found, found["ContentLength"])

    def _get(self, asked: str, start: int | None, stop: int, **condition: str) -> tuple[bytes, StoredFacts]:
        """
        Return a range.

        :param start: None: of the last ``stop`` bytes.
        """
        from botocore.exceptions import IncompleteReadError

        client = s3_client(self.aws_conn_id)
        found = client.get_object(Bucket=self.bucket, Key=self.key, Range=asked, **condition)
        body = found["Body"]
        with body:  # which gives urllib3's own response, without botocore's errors
            answered = _TOTAL.fullmatch(found.get("ContentRange", ""))
            if answered is not None:
                expected = int(answered[2]) - int(answered[1]) + 1
                read: bytes = body.read(stop if start is None else stop - start)
                if len(read) < expected:
                    raise IncompleteReadError(actual_bytes=len(read), expected_bytes=expected)
                return read, _facts(found, int(answered[3]))
            size = found["ContentLength"]
            if size > _MOST_WITHOUT_RANGES:
                raise UnreadableObjectError("Its store doesn't answer requests for a range of its bytes.")
            read = body.read()
        if start is not None and start >= size:
            raise BeyondEndError("It ends before these bytes.")
        return read[-stop:] if start is None else read[start:stop], _facts(found, size)

    def _asked(self, ask: Callable[[], T]) -> T:
        """Return what S3 answers, or raise why it doesn't. A body that breaks off is asked for once more."""
        try:
            with calls.one(self._store):
                try:
                    return ask()
                except Exception as error:
                    if not _is_broken_off(error):
                        raise
                return ask()
        except UnreadableObjectError:
            raise
        except Exception as error:  # of boto3, and of what Airflow's hook makes of a connection
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> UnreadableObjectError:
        code, status = code_and_status(error)
        if code in {"NoSuchKey", "NoSuchBucket", "404", "NotFound"} or status == "404":
            return MissingObjectError("It is not in its bucket any more.")
        if status == "412" or code == "PreconditionFailed":
            return ReplacedObjectError("It was replaced while it was read.")
        if status == "416" or code == "InvalidRange":
            return BeyondEndError("It ends before these bytes.")
        if isinstance(error, WiroMissingConnectionError):
            return UnreadableObjectError(f"Airflow's API server has no connection {self.aws_conn_id!r}.")
        # Neither the error's text nor its cause: they can quote headers and signed URLs.
        log.warning(
            "Could not read s3://%s/%s with the connection %r: %s %s %s",
            self.bucket,
            self.key,
            self.aws_conn_id,
            type(error).__name__,
            code,
            status,
        )
        if is_denied(error):
            return UnreadableObjectError(
                f"Its store refuses to show it: the connection {self.aws_conn_id!r} may not read it from "
                "Airflow's API server (s3:GetObject)."
            )
        reason = (
            f"Its store can't be read with the connection {self.aws_conn_id!r} at the moment; the log of "
            "Airflow's API server says why."
        )
        if _is_out(error):
            calls.note_out(self._store, reason)
        return UnreadableObjectError(reason)


def _is_out(error: Exception) -> bool:
    """Whether there is no connection to the store, so that the next call would wait as long for nothing."""
    from botocore import exceptions

    return isinstance(error, exceptions.ConnectionError | exceptions.ReadTimeoutError)


def _is_broken_off(error: Exception) -> bool:
    from botocore import exceptions

    return isinstance(error, exceptions.IncompleteReadError | exceptions.ResponseStreamingError)


def _facts(found: Mapping[str, Any], size: int) -> StoredFacts:
    metadata = {name.lower(): value for name, value in (found.get("Metadata") or {}).items()}
    return StoredFacts(size, str(found.get("ETag", "")), metadata)

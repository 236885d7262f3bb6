"""Uploads that nobody goes on with: S3 bills their parts, and no list of objects shows them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.landing.s3_errors import answer_of, may_be_done, was_repeated
from airflow_provider_wiro.plain_logs import plain_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

log = plain_logger(__name__)

#: How long an upload must have got no part before it counts as dead. One of ours gets several a second as a
#: rule; one that waits longer for a CDN that has stalled, and is aborted for it, begins anew by itself.
QUIET_SECONDS = 30.0
#: S3 shows whole seconds, and a part that was on its way when its sender was killed may still arrive.
_SLACK = timedelta(seconds=2)


@dataclass(frozen=True)
class _Upload:
    """
    An open upload.

    :ivar is_unheard: it may be of a call whose answer was lost; else, of an earlier try.
    """

    key: str
    upload_id: str
    begun: datetime
    is_unheard: bool = False

    @property
    def origin(self) -> str:
        return "S3 began without our knowing" if self.is_unheard else "an earlier try left"


class Leftovers:
    """
    The open uploads that a transfer may have left, in an earlier try or by a call whose answer was lost, and
    how they are told from live ones.

    S3 tells of an open upload neither who began it nor why. What it tells is when each part came, and a dead
    one gets none: an upload with a part that came since this try began is somebody else's, and one that has
    been silent for ``QUIET_SECONDS`` is dead. One of a lost answer never got any part, since nobody knows its
    id. All moments are S3's own, by the ``Date`` of its answers; of this machine's clock only the time since
    this try, or that call, began is taken.

    What S3 doesn't allow (``s3:ListBucketMultipartUploads``, ``s3:ListMultipartUploadParts``) is only logged.

    :param client: boto3's S3 client.
    :param also: further arguments of the calls.
    :param now: a clock in seconds that never goes back. The try begins at the creation of this object.
    """

    def __init__(
        self, client: Any, bucket: str, also: Mapping[str, Any], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._also = also
        self._now = now
        self._began = now()
        self._searched: set[str] = set()
        #: Those of which it can't be told yet.
        self._doubtful: set[_Upload] = set()

    def remove(self, key: str) -> None:
        """Abort the dead uploads of a key, and keep those in mind that may be. Done once for each key."""
        if key in self._searched:
            return  # by now there may be one that was begun anew because of us
        self._searched.add(key)
        with _logged(f"look for what an earlier try left of s3://{self._bucket}/{key}"):
            for upload in self._open_uploads(key)[0]:
                self._judge(upload)

    @contextmanager
    def begins(self, key: str) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        """
        Begin an upload; if an answer of S3's may have been lost, look for those it may have begun unheard of.

        boto3 repeats a call that brought no answer. What is found is kept in mind: another run may have begun
        one at the same moment, and has until :meth:`settled` to put a part into it.

        Yields what is to be told S3's answer.
        """
        began = self._now()

        def answered(answer: Mapping[str, Any]) -> None:
            if was_repeated(answer):
                self._remember_unheard(key, began, answer["UploadId"])

        try:
            yield answered
        except Exception as error:
            if may_be_done(error):
                self._remember_unheard(key, began)
            raise

    @contextmanager
    def settled(self, pause: Callable[[float], None]) -> Iterator[None]:
        """
        Do a transfer, and :meth:`settle`.

        If it fails, the next try sees to what earlier ones left, so that only what this one may have left
        itself is waited for.
        """
        try:
            yield
        except Exception:
            self._doubtful = {upload for upload in self._doubtful if upload.is_unheard}
            if self._doubtful:
                try:
                    pause(0.0)
                    self.settle(pause)
                except Exception as ended:  # the transfer's own error is the one to tell
                    log.info("Didn't wait for open uploads in s3://%s to prove dead: %s", self._bucket, ended)
            raise
        self.settle(pause)

    def settle(self, pause: Callable[[float], None]) -> None:
        """
        Abort those that prove dead of the ones that were doubtful; wait for that, at most ``QUIET_SECONDS``.

        For the end of a transfer, when most of that time has passed anyway.

        :param pause: waits so many seconds; raises what is to end the waiting.
        """
        while self._doubtful:
            doubtful, self._doubtful = self._doubtful, set()
            waits = [self._judge(upload) for upload in doubtful]
            if self._doubtful:
                seconds = max(wait or 0.0 for wait in waits)
                log.info(
                    "Open uploads in s3://%s that may be left over: %d. Looking again in %.0f s, whether "
                    "anybody goes on with them.",
                    self._bucket,
                    len(self._doubtful),
                    seconds,
                )
                pause(seconds)

    def _remember_unheard(self, key: str, began: float, known: str | None = None) -> None:
        with _logged(f"look for uploads of s3://{self._bucket}/{key} that S3 began without our knowing"):
            uploads, s3_now = self._open_uploads(key)
            since = s3_now - timedelta(seconds=self._now() - began) - _SLACK
            # A copy of the set: other threads begin uploads meanwhile.
            others = {known, *(upload.upload_id for upload in list(self._doubtful))}
            for upload in uploads:
                if upload.begun >= since and upload.upload_id not in others:
                    self._doubtful.add(replace(upload, is_unheard=True))

    def _open_uploads(self, key: str) -> tuple[list[_Upload], datetime]:
        """Return the open uploads of a key, and S3's time."""
        found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key, **self._also)
        uploads = [
            _Upload(key, upload["UploadId"], upload["Initiated"])
            for upload in found.get("Uploads", [])
            if upload["Key"] == key
        ]
        return uploads, _moment_of(found)

    def _judge(self, upload: _Upload) -> float | None:
        """Abort an upload if it is dead; if that can't be told yet, return in how many seconds it can."""
        what = f"the upload of s3://{self._bucket}/{upload.key} that {upload.origin}"
        with _logged(f"remove {what}"):
            seconds = self._seconds_until_dead(upload)
            if seconds is None:
                log.info(
                    "Left alone an upload of s3://%s/%s that somebody works on.", self._bucket, upload.key
                )
            elif seconds > 0:
                self._doubtful.add(upload)
                return seconds
            else:
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=upload.key, UploadId=upload.upload_id, **self._also
                )
                log.info("Removed %s, and its parts.", what)
        return None

    def _seconds_until_dead(self, upload: _Upload) -> float | None:
        """Return how much longer an upload has to be silent to count as dead, None if it is alive."""
        parts: list[datetime] = []
        pages = self._client.get_paginator("list_parts").paginate(
            Bucket=self._bucket, Key=upload.key, UploadId=upload.upload_id, **self._also
        )
        for page in pages:
            parts += (part["LastModified"] for part in page.get("Parts", []))
            s3_now = _moment_of(page)
        last = max([upload.begun, *parts])
        this_try = s3_now - timedelta(seconds=self._now() - self._began) + _SLACK
        if parts if upload.is_unheard else last > this_try:
            return None
        return max(0.0, QUIET_SECONDS - (s3_now - last).total_seconds())


@contextmanager
def _logged(what: str) -> Iterator[None]:
    """Let nothing that S3 says stop a transfer for the sake of what is only left over."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        if not is_gone(error):
            log.info("Could not %s: %s", what, error)


def is_gone(error: BaseException) -> bool:
    """Whether S3 says that there is no such upload: it was aborted, or has become an object."""
    return "NoSuchUpload" in answer_of(error)


def _moment_of(answer: Mapping[str, Any]) -> datetime:
    """Return S3's time at an answer; this machine's, if S3 doesn't tell."""
    shown = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        moment = parsedate_to_datetime(shown)
    except ValueError:
        return datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

"""Uploads that nobody goes on with: S3 bills their parts, and no list of objects shows them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.s3.responses import answer_of, may_be_done, was_repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

log = plain_logger(__name__)

#: How long an upload must have got no part before it counts as dead. One of ours gets several a second as a
#: rule; one that waits longer for a CDN that has stalled, and is aborted for it, begins anew by itself.
QUIET_SECONDS = 30.0
#: By so much S3's own clocks may differ: several servers of it answer, and they show whole seconds.
_SLACK = timedelta(seconds=15)
#: The same for the ``Date`` of its answers, which a proxy may have set.
_DATE_SLACK = timedelta(minutes=10)


@dataclass(frozen=True)
class _Upload:
    """
    An open upload.

    :ivar is_unheard: it may be of a call whose answer was lost; else, of an earlier try.
    :ivar parts: number, ETag and time of each, when it was first looked at.
    :ivar seen_at: when that was, by our clock.
    """

    key: str
    upload_id: str
    begun: datetime
    is_unheard: bool = False
    parts: frozenset[tuple[Any, ...]] | None = None
    seen_at: float = 0.0

    @property
    def origin(self) -> str:
        return "S3 began without our knowing" if self.is_unheard else "an earlier try left"


class IncompleteUploads:
    """
    The open uploads that a transfer may have left, in an earlier try or by a call whose answer was lost, and
    how they are told from live ones.

    S3 shows of an open upload neither who began it nor why, but its parts: one that gets another while it is
    watched is somebody else's, one that gets none for ``QUIET_SECONDS`` is dead. One of a lost answer never
    has any, since nobody knows its id. The watching goes by this machine's clock alone.

    What S3's times show by far isn't watched: one that has long been silent is dead, one that began well
    after this try is alive. They are compared with each other, not with this machine's, nor with the ``Date``
    of an answer where there is another way: that can be a proxy's, minutes off.

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

    def remove(self, key: str, own: str | None = None) -> None:
        """
        Abort the dead uploads of a key, and keep those in mind that may be. Done once for each key.

        :param own: the id of the upload that this try has just begun; by its time the others' are judged.
        """
        if key in self._searched:
            return  # by now there may be one that was begun anew because of us
        self._searched.add(key)
        with _logged(f"look for what an earlier try left of s3://{self._bucket}/{key}"):
            uploads, s3_now = self._open_uploads(key, own)
            for upload in uploads:
                if upload.upload_id != own:
                    self._judge(upload, s3_now)

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
            uploads, s3_now = self._open_uploads(key, known)
            is_known = any(upload.upload_id == known for upload in uploads)
            since = s3_now - timedelta(seconds=self._now() - began) - (_SLACK if is_known else _DATE_SLACK)
            # A copy of the set: other threads begin uploads meanwhile.
            others = {known, *(upload.upload_id for upload in list(self._doubtful))}
            for upload in uploads:
                if upload.begun >= since and upload.upload_id not in others:
                    self._doubtful.add(
                        replace(upload, is_unheard=True, parts=frozenset(), seen_at=self._now())
                    )

    def _open_uploads(self, key: str, own: str | None) -> tuple[list[_Upload], datetime]:
        """Return the open uploads of a key, and the time by the clock that gives them theirs."""
        found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key, **self._also)
        # A store may leave times out: what it says nothing of is as of now, and so is watched.
        uploads = [
            _Upload(key, upload["UploadId"], upload.get("Initiated") or _moment_of(found))
            for upload in found.get("Uploads", [])
            if upload.get("Key") == key and upload.get("UploadId")
        ]
        begun_now = [upload.begun for upload in uploads if upload.upload_id == own]
        return uploads, begun_now[0] if begun_now else _moment_of(found)

    def _judge(self, upload: _Upload, s3_now: datetime | None = None) -> float | None:
        """
        Abort an upload if it is dead; if that can't be known yet, return in how many seconds it can.

        :param s3_now: S3's time, at the first look.
        """
        what = f"the upload of s3://{self._bucket}/{upload.key} that {upload.origin}"
        with _logged(f"remove {what}"):
            upload, seconds = self._looked_at(upload, s3_now)
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

    def _looked_at(self, upload: _Upload, s3_now: datetime | None) -> tuple[_Upload, float | None]:
        """Return an upload as seen, and in how many seconds it counts as dead, None if it is alive."""
        parts = self._parts(upload)
        if upload.is_unheard and parts:
            return upload, None
        if upload.parts is not None:  # not the first look
            has_changed = parts != upload.parts
            return upload, None if has_changed else QUIET_SECONDS - (self._now() - upload.seen_at)
        seen = replace(upload, parts=parts, seen_at=self._now())
        if s3_now is not None and not upload.is_unheard:
            this_try = s3_now - timedelta(seconds=self._now() - self._began)
            if upload.begun > this_try + _SLACK:
                return seen, None
            last = max([upload.begun, *(moment for _, _, moment in parts if moment is not None)])
            if s3_now - last >= timedelta(seconds=QUIET_SECONDS) + _SLACK:
                return seen, 0.0
        return seen, QUIET_SECONDS

    def _parts(self, upload: _Upload) -> frozenset[tuple[Any, ...]]:
        pages = self._client.get_paginator("list_parts").paginate(
            Bucket=self._bucket, Key=upload.key, UploadId=upload.upload_id, **self._also
        )
        return frozenset(
            (part.get("PartNumber"), part.get("ETag"), part.get("LastModified"))
            for page in pages
            for part in page.get("Parts", [])
        )


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

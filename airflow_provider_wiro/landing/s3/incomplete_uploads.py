"""Abandoned multipart uploads: S3 bills their parts, and no list of objects shows them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.s3.responses import code_and_status, may_be_done, was_repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

log = plain_logger(__name__)

#: How long an upload must have got no part before it counts as dead. A live one usually gets several a
#: second; one that waits longer for a stalled CDN, and is aborted for it, restarts by itself.
QUIET_SECONDS = 30.0
#: How much S3's own clocks may differ: several of its servers respond, and they show whole seconds.
_SLACK = timedelta(seconds=15)
#: The same for the ``Date`` of its responses, which a proxy may have set.
_DATE_SLACK = timedelta(minutes=10)


@dataclass(frozen=True)
class _Upload:
    """
    An open upload.

    :ivar is_unacknowledged: it may be of a call whose response was lost; else, of an earlier try.
    :ivar parts: number, ETag and time of each, when it was first listed.
    :ivar seen_at: when that was, by this machine's clock.
    """

    key: str
    upload_id: str
    created: datetime
    is_unacknowledged: bool = False
    parts: frozenset[tuple[Any, ...]] | None = None
    seen_at: float = 0.0

    @property
    def origin(self) -> str:
        if self.is_unacknowledged:
            return "S3 created in a call whose response was lost"
        return "an earlier try left"


class IncompleteUploads:
    """
    Finds the open uploads that a transfer may have left, in an earlier try or by a call whose response was
    lost, distinguishes them from live ones, and aborts them.

    S3 shows neither who created an upload nor why, but its parts: one that gets another part while it is
    watched is another writer's, one that gets none for ``QUIET_SECONDS`` is dead. One of a lost response
    never gets any, since no client knows its id. For this only this machine's clock counts.

    Uploads about which S3's times leave no doubt aren't watched: one that has been idle for long is dead, one
    that was created well after this try is alive. S3's times are compared with each other, not with this
    machine's, nor with a response's ``Date`` where there is another way: a proxy's can be minutes off.

    What S3 doesn't allow (``s3:ListBucketMultipartUploads``, ``s3:ListMultipartUploadParts``) is only logged.

    :param client: boto3's S3 client.
    :param also: further arguments of the calls.
    :param is_retry: there was an earlier try.
    :param now: a monotonic clock in seconds. The try starts at the creation of this object.
    """

    def __init__(
        self,
        client: Any,
        bucket: str,
        also: Mapping[str, Any],
        now: Callable[[], float] = time.monotonic,
        *,
        is_retry: bool = False,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._also = also
        self._now = now
        self._is_retry = is_retry
        self._started = now()
        self._searched: set[str] = set()
        #: Those that may be dead or alive, as far as is known yet.
        self._doubtful: set[_Upload] = set()

    def remove(self, key: str, own: str | None = None) -> None:
        """
        Abort the dead uploads of a key, and remember those that may be. Done once for each key.

        :param own: the id of the upload that this try has just created; the others' times are compared with
            its time.
        """
        if key in self._searched:
            return  # by now there may be one that was restarted because this try aborted it
        self._searched.add(key)
        with _logged(f"list what an earlier try left of s3://{self._bucket}/{key}"):
            uploads, s3_now = self._open_uploads(key, own)
            for upload in uploads:
                if upload.upload_id != own:
                    self._abort_if_dead(upload, s3_now)

    @contextmanager
    def creating(self, key: str) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        """
        Create an upload in this block; then find others of its key that no client knows.

        boto3 repeats a call that brought no response, and S3 may have created one each time. Those are
        remembered and not aborted yet: another run may have created one at the same moment, and has until
        :meth:`clean_up` to put a part into it. In a retry, earlier tries' are aborted.

        Yields a function to call with S3's response.
        """
        started = self._now()

        def on_response(response: Mapping[str, Any]) -> None:
            if was_repeated(response):
                self._remember_unacknowledged(key, started, response["UploadId"])
            if self._is_retry:
                self.remove(key, response["UploadId"])

        try:
            yield on_response
        except Exception as error:
            if may_be_done(error):
                self._remember_unacknowledged(key, started)
            raise

    @contextmanager
    def cleaned_up(self, pause: Callable[[float], None]) -> Iterator[None]:
        """
        Do a transfer in this block, then :meth:`clean_up`.

        If it fails, the next try removes what earlier ones left, so only what this one may have left itself
        is waited for.
        """
        try:
            yield
        except Exception:
            self._doubtful = {upload for upload in self._doubtful if upload.is_unacknowledged}
            if self._doubtful:
                try:
                    pause(0.0)
                    self.clean_up(pause)
                except Exception as ended:  # the transfer's own error is the one to raise
                    log.info("Didn't wait for open uploads in s3://%s to prove dead: %s", self._bucket, ended)
            raise
        self.clean_up(pause)

    def clean_up(self, pause: Callable[[float], None]) -> None:
        """
        Abort the doubtful uploads that prove dead; wait for that, at most ``QUIET_SECONDS``.

        For the end of a transfer, when most of that time has passed anyway.

        :param pause: waits this many seconds; raises what is to end the wait.
        """
        while self._doubtful:
            doubtful, self._doubtful = self._doubtful, set()
            waits = [self._abort_if_dead(upload) for upload in doubtful]
            if self._doubtful:
                seconds = max(wait or 0.0 for wait in waits)
                log.info(
                    "Open uploads in s3://%s that may be abandoned: %d. Checking again in %.0f s whether "
                    "they got more parts.",
                    self._bucket,
                    len(self._doubtful),
                    seconds,
                )
                pause(seconds)

    def _remember_unacknowledged(self, key: str, started: float, known: str | None = None) -> None:
        with _logged(f"list uploads of s3://{self._bucket}/{key} from calls whose responses were lost"):
            uploads, s3_now = self._open_uploads(key, known)
            is_known = any(upload.upload_id == known for upload in uploads)
            since = s3_now - timedelta(seconds=self._now() - started) - (_SLACK if is_known else _DATE_SLACK)
            # A copy of the set: other threads create uploads meanwhile.
            others = {known, *(upload.upload_id for upload in list(self._doubtful))}
            for upload in uploads:
                if upload.created >= since and upload.upload_id not in others:
                    self._doubtful.add(
                        replace(upload, is_unacknowledged=True, parts=frozenset(), seen_at=self._now())
                    )

    def _open_uploads(self, key: str, own: str | None) -> tuple[list[_Upload], datetime]:
        """Return the open uploads of a key, and the time by the clock that gives them theirs."""
        found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key, **self._also)
        # A store may leave times out: an upload without one counts as created now, and so is watched.
        uploads = [
            _Upload(key, upload["UploadId"], upload.get("Initiated") or _moment_of(found))
            for upload in found.get("Uploads", [])
            if upload.get("Key") == key and upload.get("UploadId")
        ]
        created_now = [upload.created for upload in uploads if upload.upload_id == own]
        return uploads, created_now[0] if created_now else _moment_of(found)

    def _abort_if_dead(self, upload: _Upload, s3_now: datetime | None = None) -> float | None:
        """
        Abort an upload if it is dead; if that isn't known yet, return in how many seconds it will be.

        :param s3_now: S3's time, when it is listed for the first time.
        """
        what = f"the upload of s3://{self._bucket}/{upload.key} that {upload.origin}"
        with _logged(f"remove {what}"):
            upload, seconds = self._listed(upload, s3_now)
            if seconds is None:
                log.info(
                    "Left alone an upload of s3://%s/%s that another task works on.", self._bucket, upload.key
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

    def _listed(self, upload: _Upload, s3_now: datetime | None) -> tuple[_Upload, float | None]:
        """Return an upload with its parts, and in how many seconds it counts as dead, None if it is alive."""
        parts = self._parts(upload)
        if upload.is_unacknowledged and parts:
            return upload, None
        if upload.parts is not None:  # not the first time
            has_changed = parts != upload.parts
            return upload, None if has_changed else QUIET_SECONDS - (self._now() - upload.seen_at)
        seen = replace(upload, parts=parts, seen_at=self._now())
        if s3_now is not None and not upload.is_unacknowledged:
            this_try = s3_now - timedelta(seconds=self._now() - self._started)
            if upload.created > this_try + _SLACK:
                return seen, None
            last = max([upload.created, *(moment for _, _, moment in parts if moment is not None)])
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
    """Log S3's errors: no transfer fails because of uploads that are only left over."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        if not is_gone(error):
            log.info("Could not %s: %s", what, error)


def is_gone(error: BaseException) -> bool:
    """Whether S3 says that there is no such upload: it was aborted, or has become an object."""
    return "NoSuchUpload" in code_and_status(error)


def _moment_of(response: Mapping[str, Any]) -> datetime:
    """Return the ``Date`` of a response; this machine's time, if it has none."""
    shown = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        moment = parsedate_to_datetime(shown)
    except ValueError:
        return datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

"""Uploads that a killed try left open: their parts are billed, and nothing in the bucket shows them."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.landing.s3_errors import answer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

log = logging.getLogger(__name__)

#: How long an upload must have got no part before it counts as dead. One of ours gets several a second as a
#: rule; one that waits longer for a CDN that has stalled, and is aborted for it, begins anew by itself.
QUIET_SECONDS = 30.0
#: S3 shows whole seconds, and a part that was on its way when its sender was killed may still arrive.
_SLACK = timedelta(seconds=2)


class Leftovers:
    """
    The open uploads that earlier tries of one transfer may have left, and how they are told from live ones.

    S3 tells of an open upload neither who began it nor why. What it tells is when each part came, and a dead
    one gets none: an upload with a part that came since this try began is somebody else's, and one that has
    been silent for ``QUIET_SECONDS`` is dead. All moments are S3's own, by the ``Date`` of its answers; of
    this machine's clock only the time since this try began is taken.

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
        #: Key and upload id → when it was begun, of those of which it can't be told yet.
        self._doubtful: dict[tuple[str, str], datetime] = {}

    def remove(self, key: str) -> None:
        """Abort the dead uploads of a key, and keep those in mind that may be. Done once for each key."""
        if key in self._searched:
            return  # by now there may be one that was begun anew because of us
        self._searched.add(key)
        with _logged(f"look for what an earlier try left of s3://{self._bucket}/{key}"):
            found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key, **self._also)
            for upload in found.get("Uploads", []):
                if upload["Key"] == key:
                    self._judge(key, upload["UploadId"], upload["Initiated"])

    def settle(self, pause: Callable[[float], None]) -> None:
        """
        Abort those that prove dead of the ones that were doubtful; wait for that, at most ``QUIET_SECONDS``.

        For the end of a transfer, when most of that time has passed anyway.

        :param pause: waits so many seconds; raises what is to end the waiting.
        """
        while self._doubtful:
            doubtful, self._doubtful = self._doubtful, {}
            waits = [self._judge(key, upload_id, begun) for (key, upload_id), begun in doubtful.items()]
            if self._doubtful:
                seconds = max(wait or 0.0 for wait in waits)
                log.info(
                    "Open uploads in s3://%s that an earlier try may have left: %d. Looking again in %.0f s, "
                    "whether anybody goes on with them.",
                    self._bucket,
                    len(self._doubtful),
                    seconds,
                )
                pause(seconds)

    def _judge(self, key: str, upload_id: str, begun: datetime) -> float | None:
        """Abort an upload if it is dead; if that can't be told yet, return in how many seconds it can."""
        with _logged(f"remove the parts that an earlier try left of s3://{self._bucket}/{key}"):
            seconds = self._seconds_until_dead(key, upload_id, begun)
            if seconds is None:
                log.info("Left alone an upload of s3://%s/%s that somebody works on.", self._bucket, key)
            elif seconds > 0:
                self._doubtful[key, upload_id] = begun
                return seconds
            else:
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=upload_id, **self._also
                )
                log.info("Removed the parts that an earlier try left of s3://%s/%s.", self._bucket, key)
        return None

    def _seconds_until_dead(self, key: str, upload_id: str, begun: datetime) -> float | None:
        """Return how much longer an upload has to be silent to count as dead, None if it is alive."""
        last = begun
        pages = self._client.get_paginator("list_parts").paginate(
            Bucket=self._bucket, Key=key, UploadId=upload_id, **self._also
        )
        for page in pages:
            last = max([last, *(part["LastModified"] for part in page.get("Parts", []))])
            s3_now = _moment_of(page)
        if last > s3_now - timedelta(seconds=self._now() - self._began) + _SLACK:
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

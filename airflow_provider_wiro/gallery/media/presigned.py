"""Presigned URLs: for one object, for reading, for a short time, with the media type of our own table."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from airflow_provider_wiro.gallery.media.disposition import content_disposition
from airflow_provider_wiro.gallery.media.shown_types import sent_type
from airflow_provider_wiro.gallery.ranged.ranged_object import UnreadableObjectError
from airflow_provider_wiro.gallery.ranged.s3_clients import s3_client
from airflow_provider_wiro.gallery.ranged.timed_cache import TimedCache
from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from airflow_provider_wiro.gallery.landed_output import LandedOutput
    from airflow_provider_wiro.gallery.ranged.s3_object import S3Object

log = plain_logger(__name__)

#: How long a URL can be used. A film that is watched for longer is asked for again by the page.
SECONDS = 900
#: How long the origin of a bucket's URLs is kept.
_ORIGIN_SECONDS = 60.0
_MOST_ORIGINS = 1000
_REGION_OF_HOST = re.compile(r"(?:.+\.)?s3[.-]([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")

_origins: TimedCache[str] = TimedCache(_ORIGIN_SECONDS, _MOST_ORIGINS, time.monotonic)


def presigned_url(stored: S3Object, output: LandedOutput) -> str:
    """
    Return a URL of an object, with which a browser reads it.

    :raises UnreadableObjectError: the connection has no credentials, or can't be used.
    """
    content_type, is_shown = sent_type(output.content_type, output.name)
    return _signed(
        stored,
        ResponseContentType=content_type,
        ResponseContentDisposition=content_disposition(output.name, is_shown=is_shown),
    )


def presigned_origin(stored: S3Object) -> str | None:
    """Return the origin of the URLs of a bucket's objects, None if there are none."""
    which = (stored.aws_conn_id, stored.bucket)
    found = _origins.get(which)
    if found is None:
        try:
            url = urlsplit(_signed(stored))
        except UnreadableObjectError:
            return None
        found = f"{url.scheme}://{url.netloc}"
        _origins.put(which, found)
    return found


def _signed(stored: S3Object, **answer: str) -> str:
    try:
        url = _sign(s3_client(stored.aws_conn_id), stored, answer)
        # Once a bucket has turned out to be in another region, boto3 takes that one's address, and still
        # signs for its own.
        region = _REGION_OF_HOST.fullmatch(urlsplit(url).hostname or "")
        if region is not None and region[1] != _region_of_signature(url):
            url = _sign(s3_client(stored.aws_conn_id, region[1]), stored, answer)
    except Exception as error:  # of boto3, and of what Airflow's hook makes of a connection
        log.warning(
            "Could not sign a URL of s3://%s with the connection %r: %s",
            stored.bucket,
            stored.aws_conn_id,
            type(error).__name__,
        )
        raise UnreadableObjectError(
            f"No URL could be signed with the connection {stored.aws_conn_id!r}; the log of Airflow's API "
            "server says why."
        ) from None
    return url


def _sign(client: Any, stored: S3Object, answer: dict[str, str]) -> str:
    url: str = client.generate_presigned_url(
        "get_object",
        Params={"Bucket": stored.bucket, "Key": stored.key, **answer},
        ExpiresIn=SECONDS,
        HttpMethod="GET",
    )
    return url


def _region_of_signature(url: str) -> str | None:
    # Key, date, region, service.
    scope = parse_qs(urlsplit(url).query).get("X-Amz-Credential", [""])[0].split("/")
    return scope[2] if len(scope) > 2 else None

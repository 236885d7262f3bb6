"""Uploads that a killed try left open: their parts are billed, and nothing in the bucket shows them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)


def abort_leftovers(client: Any, bucket: str, key: str, also: Mapping[str, Any]) -> int:
    """
    Abort every open upload of one key, and return how many there were.

    For a second try before it begins its own: Airflow runs one try of a task at a time, so they are of one
    that is dead. If S3 doesn't allow it (``s3:ListBucketMultipartUploads``), that is only logged.

    :param also: further arguments of the calls.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    aborted = 0
    try:
        found = client.list_multipart_uploads(Bucket=bucket, Prefix=key, **also).get("Uploads", [])
        for upload in found:
            if upload["Key"] == key:
                client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload["UploadId"], **also)
                aborted += 1
    except (BotoCoreError, ClientError) as error:
        log.info("Could not look for what an earlier try left of s3://%s/%s: %s", bucket, key, error)
    if aborted:
        log.info("Removed the parts that an earlier try left of s3://%s/%s.", bucket, key)
    return aborted

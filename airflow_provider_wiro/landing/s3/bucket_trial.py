"""Trial calls on the bucket of the outputs, before anything is paid for or moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.plan import PLACEHOLDERS, model_folder
from airflow_provider_wiro.landing.provenance import tagging_header
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.object_keys import fill_key
from airflow_provider_wiro.storage.s3.responses import code_and_status, is_missing_bucket
from airflow_provider_wiro.storage.store_refusals import refusals

if TYPE_CHECKING:
    from airflow_provider_wiro.landing.s3.destination import S3Destination

log = plain_logger(__name__)

#: What a store responds that doesn't know a call.
_UNKNOWN_CALL = frozenset({"404", "405", "501"})
#: An example of an output, to fill a key with before there is any.
_EXAMPLE = {"wiro_task_id": "0", "index": "0", "name": "0.png", "stem": "0", "suffix": ".png"}


def check_bucket(destination: S3Destination, *, so_far: str = "no run is paid for before") -> None:
    """
    Refuse a bucket of which S3 says for certain that it doesn't exist.

    A role that may only put objects gets an error (without ``s3:ListBucket``), so other errors mean nothing.

    :param so_far: the end of the message: what has not been done by now.
    :raises WiroUsageError: there is none.
    """
    from botocore.exceptions import ClientError

    bucket, conn_id = destination.bucket, destination.settings.aws_conn_id
    owner = {name: value for name, value in bucket.arguments.items() if name == "ExpectedBucketOwner"}
    try:
        bucket.client.head_bucket(Bucket=bucket.name, **owner)
    except ClientError as error:
        if "404" in code_and_status(error):
            raise WiroUsageError(
                f"Expected a bucket {bucket.name!r} for the outputs, found none: S3 responded with 404 by "
                f"the connection {conn_id!r}. Correct s3_bucket (or s3_key, or the connection), or create "
                f"the bucket; {so_far}."
            ) from error
        log.info("Could not check the bucket %s, which may be there: %s", bucket.name, error)


def try_put(destination: S3Destination, model: str, *, so_far: str = "Nothing was submitted.") -> None:
    """
    Ask S3 whether an output may be put, with all its arguments, and leave nothing there.

    An upload in parts is created, under a key like an output's, and aborted: that needs the permissions and
    arguments of a put, but makes no object, version, retention or event.

    :param so_far: what had been done by now, for the message.
    :raises WiroUsageError: S3 refuses it.
    """
    bucket, tags = destination.bucket, destination.tags
    values = {**dict.fromkeys(PLACEHOLDERS, "0"), **_EXAMPLE, "model": model_folder(model)}
    key = fill_key(destination.key_template, values)
    where = {"Bucket": bucket.name, "Key": key}
    arguments = dict(bucket.arguments)
    if tags is not None:
        arguments["Tagging"] = tagging_header(tags or {"wiro_item": "0"})
    by = f"by the connection {destination.settings.aws_conn_id!r}"
    with refusals(f"put outputs such as s3://{bucket.name}/{key}, {by}", so_far=so_far):
        try:
            created = bucket.client.create_multipart_upload(**where, **arguments)
        except Exception as error:
            if _UNKNOWN_CALL.isdisjoint(code_and_status(error)) or is_missing_bucket(error):
                raise
            return  # a store without uploads in parts: the first output shows what it takes
    try:
        bucket.client.abort_multipart_upload(**where, UploadId=created["UploadId"], **bucket.managing)
    except Exception as error:
        log.info(
            "Could not abort the empty upload of s3://%s/%s, created as a trial (%s). It holds no bytes; "
            "the role of the connection lacks s3:AbortMultipartUpload.",
            bucket.name,
            key,
            type(error).__name__,
        )

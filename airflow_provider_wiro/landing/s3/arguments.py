"""Where in S3 outputs are to land, and how, as a user says it in the arguments of the operator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.s3.bucket import S3Bucket
from airflow_provider_wiro.landing.s3.written_arguments import merged_arguments
from airflow_provider_wiro.storage.s3.hooks import s3_hook
from airflow_provider_wiro.storage.s3.location import check_bucket, quoted
from airflow_provider_wiro.storage.s3.refusals import S3Access

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Of boto3's upload arguments, those that describe the bytes of a single object.
_OF_ONE_OBJECT = re.compile(r"Checksum(?!Algorithm$)|MpuObjectSize$")


def upload_arguments(
    extra_args: Mapping[str, Any] | None, *, encrypt: bool, acl_policy: str | None
) -> dict[str, Any]:
    """
    Return the arguments of every upload, in boto3's words.

    :raises WiroUsageError: boto3 doesn't take them, or they contradict each other.
    """
    from boto3.s3.transfer import S3Transfer

    arguments = merged_arguments(extra_args, encrypt=encrypt, acl_policy=acl_policy)
    unknown = sorted(set(arguments) - set(S3Transfer.ALLOWED_UPLOAD_ARGS))
    if unknown:
        raise WiroUsageError(f"extra_args has {', '.join(unknown)}, which boto3 doesn't take for an upload.")
    of_one_object = sorted(name for name in arguments if _OF_ONE_OBJECT.match(name))
    if of_one_object:
        raise WiroUsageError(
            f"extra_args has {', '.join(of_one_object)}, which would have to differ from output to output. "
            "To have S3 check each, give ChecksumAlgorithm."
        )
    return arguments


def open_s3(
    bucket: str | None,
    arguments: Mapping[str, Any],
    *,
    aws_conn_id: str | None,
    verify: bool | str | None,
    max_concurrency: int,
) -> S3Bucket:
    """
    Connect to S3: one connection is read, one client made.

    :param bucket: None for the connection's own.
    :raises WiroUsageError: the connection is unknown, names no bucket, or can't be right.
    """
    from botocore.config import Config

    if isinstance(verify, str) and not Path(verify).exists():
        raise WiroUsageError(
            f"Expected verify as the path of a CA bundle, found no file at {quoted(verify)}."
        )
    hook = s3_hook(aws_conn_id, verify)
    # Airflow itself takes what boto3 finds in place of a connection that isn't there. For its default that is
    # relied on; any other name was meant to be one.
    if aws_conn_id not in {None, "", hook.default_conn_name} and not hook.conn_config:
        raise WiroUsageError(
            f"Expected aws_conn_id as the id of an Airflow connection, found {quoted(aws_conn_id)}: there is "
            "no such connection. Create it, or correct the id; None takes boto3's own credentials."
        )
    if getattr(hook.conn_config, "conn_type", None) == "wiro":
        raise WiroUsageError(
            "Expected aws_conn_id as the id of a connection to S3 (type aws), found "
            f"{quoted(aws_conn_id)}, which is of type wiro."
        )
    bucket = bucket or hook.service_config.get("bucket_name")
    if not bucket:
        raise WiroUsageError(
            "No bucket: give s3_bucket, a full s3:// URL as s3_key, or service_config.s3.bucket_name in the "
            f"extra of the S3 connection, found none in {quoted(aws_conn_id)}."
        )
    bucket = check_bucket(str(bucket), "bucket_name of the S3 connection")
    config: Any = hook.config
    if max_concurrency > (config.max_pool_connections or 0):
        config = config.merge(Config(max_pool_connections=max_concurrency))
    try:
        with S3Access(bucket, aws_conn_id, arguments).plain_errors():
            client = hook.get_client_type(config=config)
    except ValueError as error:  # boto3's, of an endpoint_url
        raise WiroUsageError(
            f"boto3 can't use the S3 connection {quoted(aws_conn_id)}: {error}. Expected endpoint_url in its "
            "extra as https://host or http://host:port."
        ) from error
    return S3Bucket(client, bucket, arguments, conn_id=aws_conn_id)

"""Where and how outputs land in S3: the operator's settings, and the bucket opened by them."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.plan import PLACEHOLDERS
from airflow_provider_wiro.landing.s3.argument_checks import (
    bucket_and_template,
    check_numbers,
    check_tags,
    merged_arguments,
)
from airflow_provider_wiro.landing.s3.bucket import S3Bucket
from airflow_provider_wiro.storage.s3.hooks import s3_hook
from airflow_provider_wiro.storage.s3.location import check_bucket, quoted
from airflow_provider_wiro.storage.s3.refusals import S3Access

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.landing.s3.transfer_group import S3TransferGroup

#: Of boto3's upload arguments, those that describe the bytes of a single object.
_OF_ONE_OBJECT = re.compile(r"Checksum(?!Algorithm$)|MpuObjectSize$")


@dataclass(frozen=True)
class S3Settings:
    """
    Where outputs land and how, as an operator was given it. The fields are documented at
    :class:`~airflow_provider_wiro.transfers.wiro_to_s3.WiroToS3Operator`.
    """

    s3_bucket: str | None
    s3_key: str
    replace: bool
    aws_conn_id: str | None
    verify: bool | str | None
    encrypt: bool
    acl_policy: str | None
    extra_args: Mapping[str, Any] | None
    tags: bool | Mapping[str, str]
    max_concurrency: int
    part_size: int
    require_size: bool

    @classmethod
    def of(cls, operator: Any) -> Self:
        """Return the settings of an operator, whose attributes have the same names."""
        return cls(**{field.name: getattr(operator, field.name) for field in fields(cls)})


@dataclass(frozen=True)
class S3Destination:
    """
    A bucket that outputs can land in, with settings that were checked.

    :ivar key_template: of the outputs.
    :ivar workers: how many threads of a transfer move them.
    :ivar tags: the user's, to which the provider's are added; None: none of the provider's.
    :ivar group: of the transfers of several tasks that run at once; None: each runs by itself.
    """

    settings: S3Settings
    bucket: S3Bucket
    key_template: str
    workers: int
    tags: Mapping[str, str] | None
    group: S3TransferGroup | None = None


def open_destination(settings: S3Settings, placeholders: frozenset[str] = PLACEHOLDERS) -> S3Destination:
    """
    Check the settings and connect to S3. Call it where Airflow may be asked for a connection.

    :param placeholders: what the key may be made of.
    :raises WiroUsageError: a setting, or the connection, can't be right.
    """
    bucket, key_template = bucket_and_template(settings.s3_bucket, settings.s3_key, placeholders)
    check_numbers(settings.max_concurrency, settings.part_size)
    arguments = upload_arguments(
        settings.extra_args, encrypt=settings.encrypt, acl_policy=settings.acl_policy
    )
    tags = check_tags(settings.tags, arguments)
    opened = open_s3(settings, bucket, arguments)
    return S3Destination(settings, opened, key_template, settings.max_concurrency, tags)


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


def open_s3(settings: S3Settings, bucket: str | None, arguments: Mapping[str, Any]) -> S3Bucket:
    """
    Connect to S3: one connection is read, one client made.

    :param bucket: None for the connection's own.
    :raises WiroUsageError: the connection is unknown, names no bucket, or can't be right.
    """
    from botocore.config import Config

    aws_conn_id, verify = settings.aws_conn_id, settings.verify
    if isinstance(verify, str) and not Path(verify).exists():
        raise WiroUsageError(
            f"Expected verify as the path of a CA bundle, found no file at {quoted(verify)}."
        )
    hook = s3_hook(aws_conn_id, verify)
    # Airflow replaces a connection that doesn't exist by what boto3 finds. Users rely on that for the default
    # id; any other id was meant to name a connection.
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
    if settings.max_concurrency > (config.max_pool_connections or 0):
        config = config.merge(Config(max_pool_connections=settings.max_concurrency))
    try:
        with S3Access(bucket, aws_conn_id, arguments).plain_errors():
            client = hook.get_client_type(config=config)
    except ValueError as error:  # boto3's, of an endpoint_url
        raise WiroUsageError(
            f"boto3 can't use the S3 connection {quoted(aws_conn_id)}: {error}. Expected endpoint_url in its "
            "extra as https://host or http://host:port."
        ) from error
    return S3Bucket(client, bucket, arguments, conn_id=aws_conn_id)

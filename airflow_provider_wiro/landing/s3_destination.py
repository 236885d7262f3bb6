"""Where in S3 outputs are to land, and how, as a user says it in the arguments of the operator."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.filenames import check_key_template
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.crew import check_size
from airflow_provider_wiro.landing.landings import PLACEHOLDERS
from airflow_provider_wiro.landing.provenance import check_metadata
from airflow_provider_wiro.landing.s3_upload import MAX_PART_BYTES, MIN_PART_BYTES, S3Upload

if TYPE_CHECKING:
    from collections.abc import Mapping

#: As many connections a client of boto3's keeps by default.
_KEPT_CONNECTIONS = 10
#: Of boto3's upload arguments, those that describe the bytes of a single object.
_OF_ONE_OBJECT = re.compile(r"Checksum(?!Algorithm$)|MpuObjectSize$")


def bucket_and_template(s3_bucket: str | None, s3_key: str) -> tuple[str | None, str]:
    """Return the bucket, None for the S3 connection's own, and the key template."""
    bucket, key = s3_bucket, s3_key
    if key.startswith("s3://"):
        if bucket:
            raise WiroUsageError(f"s3_key is a full URL ({key!r}), so s3_bucket must not be given as well.")
        bucket, _, key = key.removeprefix("s3://").partition("/")
        if not bucket:
            raise WiroUsageError(f"Expected s3_key as s3://bucket/key, found {s3_key!r}.")
    return bucket or None, check_key_template(key.lstrip("/"), PLACEHOLDERS)


def upload_arguments(
    extra_args: Mapping[str, Any] | None, *, encrypt: bool, acl_policy: str | None
) -> dict[str, Any]:
    """Return what S3 is to be told of every object, in boto3's words."""
    from boto3.s3.transfer import S3Transfer

    arguments = dict(extra_args or {})
    unknown = sorted(set(arguments) - set(S3Transfer.ALLOWED_UPLOAD_ARGS))
    if unknown:
        raise WiroUsageError(f"extra_args has {', '.join(unknown)}, which boto3 doesn't take for an upload.")
    of_one_object = sorted(name for name in arguments if _OF_ONE_OBJECT.match(name))
    if of_one_object:
        raise WiroUsageError(
            f"extra_args has {', '.join(of_one_object)}, which would have to differ from output to output. "
            "To have S3 check each, give ChecksumAlgorithm."
        )
    check_metadata(arguments.get("Metadata", {}))
    if encrypt:
        arguments["ServerSideEncryption"] = "AES256"
    if acl_policy:
        arguments["ACL"] = acl_policy
    return arguments


def check_numbers(max_concurrency: object, part_size: object) -> None:
    """Raise if a number is not one that S3 or this machine could do with."""
    check_size(max_concurrency)
    if not isinstance(part_size, int) or not MIN_PART_BYTES <= part_size <= MAX_PART_BYTES:
        raise WiroUsageError(
            f"Expected part_size in bytes, from S3's least of {MIN_PART_BYTES} (5 MiB) to its most of "
            f"{MAX_PART_BYTES} (5 GiB), found {part_size!r}."
        )


def open_s3(
    bucket: str | None,
    arguments: Mapping[str, Any],
    *,
    aws_conn_id: str | None,
    verify: bool | str | None,
    max_concurrency: int,
) -> S3Upload:
    """Connect to S3; ``bucket`` may be the connection's own."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    hook = S3Hook(aws_conn_id=aws_conn_id, verify=verify)
    bucket = bucket or hook.service_config.get("bucket_name")
    if not bucket:
        raise WiroUsageError(
            "No bucket: give s3_bucket, a full s3:// URL as s3_key, or service_config.s3.bucket_name in the "
            "extra of the S3 connection."
        )
    if max_concurrency > _KEPT_CONNECTIONS:
        from botocore.config import Config

        wider = hook.config.merge(Config(max_pool_connections=max_concurrency))
        hook = S3Hook(aws_conn_id=aws_conn_id, verify=verify, config=wider)
    return S3Upload(hook.get_conn(), bucket, arguments)

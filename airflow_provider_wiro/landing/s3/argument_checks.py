"""
Checks of the operators' S3 arguments that need no request, also when a DAG file is parsed.

DAG files are parsed all day long, so nothing here imports boto3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_wiro.dag_arguments.literals import is_known_later
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.plan import MANIFEST_PLACEHOLDERS, PLACEHOLDERS
from airflow_provider_wiro.storage.object_keys import check_key_template
from airflow_provider_wiro.storage.s3.location import check_bucket, check_key, quoted, split_url

#: The least and the most bytes that S3 takes for a part, the last one aside.
MIN_PART_BYTES = 5 * 1024**2
MAX_PART_BYTES = 5 * 1024**3

#: S3's canned ACLs of objects.
_CANNED_ACLS = frozenset(
    {
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
    }
)


def is_literal(value: object) -> bool:
    """Whether an argument is text without a template, so that it is known when the DAG is parsed."""
    return isinstance(value, str) and not is_known_later(value)


def bucket_and_template(
    s3_bucket: str | None, s3_key: str, placeholders: frozenset[str] = PLACEHOLDERS
) -> tuple[str | None, str]:
    """
    Return the bucket, None for the S3 connection's own, and the key template.

    :raises WiroUsageError: one of them can't be right.
    """
    key = check_key(s3_key)
    bucket = check_bucket(s3_bucket) if s3_bucket else None
    if key.startswith("s3://"):
        if bucket:
            raise WiroUsageError(
                f"s3_key is a full URL ({quoted(key)}), so s3_bucket must not be given as well, found "
                f"{quoted(bucket)}."
            )
        bucket, key = split_url(key)
    return bucket, _checked_template(key, s3_key, placeholders)


def _checked_template(key: str, given: str, placeholders: frozenset[str]) -> str:
    if key.endswith("/") and key.strip("/ "):
        raise WiroUsageError(
            f"Expected s3_key as the key of an object, found that of a folder, {quoted(given)}. Write "
            f"{quoted(given + '{index}-{name}')}."
        )
    return check_key_template(key.lstrip("/"), placeholders)


def check_written_arguments(
    *,
    s3_bucket: Any,
    s3_key: Any,
    encrypt: object,
    acl_policy: Any,
    extra_args: object,
    tags: object,
    max_concurrency: object,
    part_size: object,
    manifest: object = False,
    placeholders: frozenset[str] = PLACEHOLDERS,
) -> None:
    """
    Check an operator's arguments as the DAG file gives them; those with templates are checked once rendered.

    :raises WiroUsageError: one of them can't be right.
    """
    check_numbers(max_concurrency, part_size)
    bucket = s3_bucket if is_literal(s3_bucket) else None
    if is_literal(s3_key) or s3_key is None:
        bucket_and_template(bucket, s3_key, placeholders)
    elif bucket:
        check_bucket(bucket)
    merged_arguments(extra_args, encrypt=encrypt, acl_policy=acl_policy if is_literal(acl_policy) else None)
    if _is_rendered(tags):
        check_tags(tags, extra_args if isinstance(extra_args, Mapping) else {})
    if manifest and is_literal(manifest):
        check_manifest_key(str(manifest))


def _is_rendered(tags: object) -> bool:
    if isinstance(tags, Mapping):
        texts = [text for pair in tags.items() for text in pair]
        return all(is_literal(text) or isinstance(text, int | float | None) for text in texts)
    return is_literal(tags) if isinstance(tags, str) else not (hasattr(tags, "resolve") or callable(tags))


def check_tags(wanted: object, arguments: Mapping[str, Any]) -> dict[str, str] | None:
    """
    Return the user's tags if the provider's are wanted too; else None, and the user's stay as given.

    :param wanted: what the operator was given as ``tags``.
    :param arguments: of the upload.
    :raises WiroUsageError: S3 wouldn't take them.
    """
    from airflow_provider_wiro.landing.user_metadata import user_tags

    if not isinstance(wanted, bool | Mapping):
        raise WiroUsageError(
            f"Expected tags as True, False or a dict of text to text, found {quoted(wanted)}."
        )
    return user_tags(arguments.get("Tagging"), wanted) if wanted else None


def check_manifest_key(manifest: str) -> str:
    """
    Return the key template of a manifest.

    :raises WiroUsageError: it is no key.
    """
    if manifest.startswith("s3://"):
        raise WiroUsageError(
            f"Expected manifest as a key in the bucket of the outputs, found a full URL ({quoted(manifest)})."
        )
    key = check_key(manifest, "manifest").lstrip("/")
    return check_key_template(key, MANIFEST_PLACEHOLDERS, argument="manifest")


def check_numbers(max_concurrency: object, part_size: object) -> None:
    """
    Refuse numbers that S3 doesn't take or that are of no use.

    :raises WiroUsageError: it isn't.
    """
    from airflow_provider_wiro.landing.workers import check_max_concurrency

    check_max_concurrency(max_concurrency)
    is_number = isinstance(part_size, int) and not isinstance(part_size, bool)
    if not is_number or not MIN_PART_BYTES <= part_size <= MAX_PART_BYTES:  # type: ignore[operator]
        raise WiroUsageError(
            f"Expected part_size in bytes, from S3's least of {MIN_PART_BYTES} (5 MiB) to its most of "
            f"{MAX_PART_BYTES} (5 GiB), found {quoted(part_size)}."
        )


def merged_arguments(extra_args: object, *, encrypt: object, acl_policy: str | None) -> dict[str, Any]:
    """
    Return the arguments of every upload, in boto3's words.

    :raises WiroUsageError: they can't be right, or contradict each other.
    """
    if not isinstance(extra_args, Mapping | None):
        raise WiroUsageError(
            'Expected extra_args as a dict such as {"StorageClass": "STANDARD_IA"}, found '
            f"{quoted(extra_args)}."
        )
    if not isinstance(encrypt, bool):
        raise WiroUsageError(
            f"Expected encrypt as True (SSE-S3) or False, found {quoted(encrypt)}. For SSE-KMS leave it out "
            'and give extra_args={"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "…"}.'
        )
    arguments = dict(extra_args or {})
    if "Metadata" in arguments:
        from airflow_provider_wiro.landing.user_metadata import check_metadata

        check_metadata(arguments["Metadata"])
    if encrypt:
        other = [name for name in arguments if name.startswith("SSE")]
        if arguments.get("ServerSideEncryption", "AES256") != "AES256":
            other.append("ServerSideEncryption")
        if other:
            raise WiroUsageError(
                f"encrypt=True is SSE-S3, and extra_args asks for another encryption ({', '.join(other)}). "
                "Leave out one of the two."
            )
        arguments["ServerSideEncryption"] = "AES256"
    if acl_policy:
        _check_acl(acl_policy, arguments)
        arguments["ACL"] = acl_policy
    return arguments


def _check_acl(acl_policy: str, arguments: Mapping[str, Any]) -> None:
    if acl_policy not in _CANNED_ACLS:
        known = ", ".join(sorted(_CANNED_ACLS))
        raise WiroUsageError(
            f"Expected acl_policy as a canned ACL of objects ({known}), found {quoted(acl_policy)}."
        )
    if arguments.get("ACL", acl_policy) != acl_policy:
        raise WiroUsageError(
            f"acl_policy is {quoted(acl_policy)}, and ACL in extra_args {quoted(arguments['ACL'])}. Leave "
            "one of them out."
        )
    grants = sorted(name for name in arguments if name.startswith("Grant"))
    if grants:
        raise WiroUsageError(
            "S3 takes either a canned ACL or grants: leave out acl_policy, or "
            f"{', '.join(grants)} in extra_args."
        )

"""Checks bucket names, access points, keys and ``s3://`` URLs as users write them."""

from __future__ import annotations

import re

from airflow_provider_wiro.exceptions import WiroUsageError

#: What boto3 takes as a bucket's name; S3 itself, for new buckets, takes less.
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}", re.ASCII)
_ACCESS_POINT = re.compile(
    r"arn:aws[a-z-]*:s3:[a-z0-9-]+:[0-9]{12}:accesspoint[/:][A-Za-z0-9-]{1,63}", re.ASCII
)
_MULTI_REGION = re.compile(r"arn:aws[a-z-]*:s3::[0-9]{12}:accesspoint[/:]", re.ASCII)
#: The services with access points of their own, and why none of them can be landed in.
_OTHER_ARNS = {
    "s3-object-lambda": "S3 Object Lambda access points are for reading; name the access point below it",
    "s3-outposts": "S3 on Outposts is not supported; land in a bucket of the region",
}
_ANY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
#: How many characters of a value a message quotes.
_QUOTED = 200


def quoted(value: object) -> str:
    """Return a value as it is shown in an error: at most some 200 characters of it."""
    shown = repr(value)
    return shown if len(shown) <= _QUOTED else f"{shown[:_QUOTED]}…"


def check_bucket(bucket: str, argument: str = "s3_bucket") -> str:
    """
    Return the name of a bucket, or the ARN of an access point, as boto3 takes it.

    :param argument: what the user knows it as, for the message.
    :raises WiroUsageError: it is neither.
    """
    if not isinstance(bucket, str):
        raise WiroUsageError(f"Expected {argument} as the name of a bucket, found {quoted(bucket)}.")
    if bucket.startswith("arn:"):
        return _checked_arn(bucket, argument)
    if _BUCKET.fullmatch(bucket):
        return bucket
    if _ANY_SCHEME.match(bucket):
        name, _, key = _without_scheme(bucket).partition("/")
        advice = _where_else(bucket) or (
            f"Write {argument}={name!r}"
            + (f" and s3_key={key!r}, or the URL as s3_key alone." if key.strip("/") else ".")
        )
    elif "/" in bucket:
        name, _, key = bucket.strip("/").partition("/")
        advice = (
            f"A bucket's name has no slash; a folder belongs into s3_key: {f'{key}/{{index}}-{{name}}'!r}."
        )
    elif "{" in bucket or "}" in bucket:
        advice = "Placeholders such as {name} are filled in s3_key only; here Jinja's {{ … }} is."
    else:
        advice = "Names have letters, digits, dots and hyphens."
    raise WiroUsageError(f"Expected {argument} as the name of a bucket, found {quoted(bucket)}. {advice}")


def _checked_arn(arn: str, argument: str) -> str:
    if _ACCESS_POINT.fullmatch(arn):
        return arn
    if _MULTI_REGION.match(arn):
        advice = (
            "Multi-Region Access Points are not supported: they need requests signed with SigV4A. Name one "
            "of its buckets, or an access point of one region."
        )
    else:
        service = arn.split(":")[2] if arn.count(":") > 1 else ""
        advice = f"{_OTHER_ARNS[service]}." if service in _OTHER_ARNS else ""
        if re.fullmatch(r"arn:aws[a-z-]*:s3:::[A-Za-z0-9._-]+(/.*)?", arn):
            advice = f"For a bucket give its name alone: {arn.rpartition(':::')[2].partition('/')[0]!r}."
    expected = "arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME"
    raise WiroUsageError(
        f"Expected {argument} as the name of a bucket, or the ARN of an access point ({expected}), found "
        f"{quoted(arn)}. {advice}".rstrip()
    )


def split_url(url: str, argument: str = "s3_key") -> tuple[str, str]:
    """
    Return bucket, or access point, and key of an ``s3://`` URL. An access point's ARN has one slash itself.

    :raises WiroUsageError: it names no bucket.
    """
    rest = url.removeprefix("s3://")
    if rest.startswith("arn:"):
        resource, slash, name_and_key = rest.partition("/")
        if slash and resource.endswith(":accesspoint"):
            name, _, key = name_and_key.partition("/")
            return check_bucket(f"{resource}/{name}", argument), key
        return check_bucket(resource, argument), name_and_key
    bucket, _, key = rest.partition("/")
    if not bucket:
        raise WiroUsageError(f"Expected {argument} as s3://bucket/key, found {quoted(url)}.")
    return check_bucket(bucket, argument), key


def check_key(key: str, argument: str = "s3_key") -> str:
    """
    Return a key, or its template, that is no URL of something else.

    :raises WiroUsageError: it is none, or S3 couldn't list it.
    """
    if not isinstance(key, str):
        raise WiroUsageError(f"Expected {argument} as text, found {quoted(key)}.")
    if _ANY_SCHEME.match(key) and not key.startswith("s3://"):
        advice = _where_else(key) or f"Write s3://{_without_scheme(key)[:100]}."
        raise WiroUsageError(
            f"Expected {argument} as the key of an object, or s3://bucket/key, found {quoted(key)}. {advice}"
        )
    return key


def _where_else(url: str) -> str:
    """Return what to use for the URL of another kind of store; empty if it is of S3."""
    scheme = url.partition("://")[0].lower()
    if scheme in {"s3", "s3a", "s3n"}:
        return ""
    if scheme in {"http", "https"}:
        return "An S3 server's address belongs into the S3 connection, as endpoint_url in its extra."
    return f"This lands in S3 only; for {scheme}:// use WiroToObjectStorageOperator."


def _without_scheme(url: str) -> str:
    return url.partition("://")[2]

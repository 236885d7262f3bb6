"""The demo's report of a run: the important lines of the task logs, and the bucket's objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mypy_boto3_s3 import S3Client

# A multiple of what the examples write: the demo's own bucket holds nothing else.
_MOST_LINES = 60


def print_task_log(task: str, records: Iterable[Mapping[str, Any]]) -> None:
    """Print the provider's log lines, and all warnings and errors, but not Airflow's other lines."""
    print(f"\nFrom the log of {task}:")
    shown = [line for record in records if is_worth_reading(record) for line in lines_of(record)]
    for line in shown[:_MOST_LINES] or ["(nothing)"]:
        print(f"  {line}")
    if len(shown) > _MOST_LINES:
        print(f"  … and {len(shown) - _MOST_LINES} more")


def is_worth_reading(record: Mapping[str, Any]) -> bool:
    if record.get("level") in ("warning", "error", "critical"):
        return True
    return "airflow_provider_wiro" in str(record.get("logger", ""))


def lines_of(record: Mapping[str, Any]) -> list[str]:
    """Return a record as lines: its time and words, then the exceptions it carries."""
    moment = str(record.get("timestamp", ""))[11:19]
    level = str(record.get("level", ""))
    mark = "" if level == "info" else f"{level.upper()} "
    errors = [f"{it['exc_type']}: {it['exc_value']}" for it in record.get("error_detail") or ()]
    return [f"{moment} {mark}{record.get('event', '')}", *(f"         {error}" for error in errors)]


def print_bucket(bucket: str, files: Sequence[Mapping[str, Any]] | None) -> int:
    """
    Print key, size and content type of each object, as S3 reports them, and return their number.

    With `files` (the transfer's return value) only those are read: a user's bucket may hold millions of
    others.
    """
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    s3: S3Client = S3Hook(aws_conn_id="aws_default").get_conn()
    if files is None:
        keys = [it["Key"] for it in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]
    else:
        keys = [urlsplit(it["uri"]).path.lstrip("/") for it in files]
    print(f"\nWhat is in s3://{bucket} now:")
    for key in keys:
        head = s3.head_object(Bucket=bucket, Key=key)
        print(f"  {key}   {head['ContentLength']:,} bytes   {head['ContentType']}")
    return len(keys)

"""
One transfer in a process of its own, so that its peak memory is its own: prints seconds, CPU and peak as
JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

CONTEXT: dict[str, Any] = {}


def ours(output_url: str, wiro_task_id: str, key: str) -> None:
    """WiroToS3Operator, as Airflow would run it."""
    from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

    operator = WiroToS3Operator(task_id="bench", wiro_task_id=wiro_task_id, s3_bucket="bench", s3_key=key)
    operator.execute(CONTEXT)  # type: ignore[arg-type]


def plain(output_url: str, wiro_task_id: str, key: str) -> None:
    """What one writes by hand: a `requests` stream into boto3's `upload_fileobj`."""
    import requests
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    with requests.get(output_url, stream=True, timeout=60) as response:
        S3Hook().get_conn().upload_fileobj(response.raw, "bench", key)


def http_to_s3(output_url: str, wiro_task_id: str, key: str) -> None:
    """Airflow's own HttpToS3Operator."""
    from airflow.providers.amazon.aws.transfers.http_to_s3 import HttpToS3Operator

    base, _, path = output_url.rpartition("/cdn/")
    os.environ["AIRFLOW_CONN_CDN"] = json.dumps({"conn_type": "http", "host": base})
    HttpToS3Operator(
        task_id="bench",
        http_conn_id="cdn",
        method="GET",
        endpoint=f"cdn/{path}",
        s3_bucket="bench",
        s3_key=key,
    ).execute(CONTEXT)  # type: ignore[arg-type]


def discard(output_url: str, wiro_task_id: str, key: str) -> None:
    """The raw limit of the way in: the same bytes read and thrown away."""
    import requests

    with requests.get(output_url, stream=True, timeout=60) as response:
        while response.raw.read(8 * 1024 * 1024):
            pass


WAYS = {"ours": ours, "plain": plain, "http_to_s3": http_to_s3, "discard": discard}


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main() -> None:
    """Import all that any way needs, note the idle memory, then run the one that was asked for."""
    way, output_url, wiro_task_id, key = sys.argv[1:]
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    import airflow_provider_wiro.hooks.blocking
    import airflow_provider_wiro.transfers.wiro_to_s3  # noqa: F401

    S3Hook().get_conn().list_buckets()
    idle = _resident_bytes()
    used, began = time.process_time(), time.perf_counter()
    WAYS[way](output_url, wiro_task_id, key)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_bytes": max(0, peak - idle)}))


if __name__ == "__main__":
    main()

"""
One transfer in a process of its own, to measure its peak memory: prints the cost as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

CONTEXT: dict[str, Any] = {}
BUCKET = "bench"
_PART_BYTES = 8 * 1024 * 1024
_THREADS = 4


def wiro_to_s3(urls: list[str], size: int, wiro_task_id: str, prefix: str) -> None:
    """WiroToS3Operator, as Airflow runs it."""
    from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

    WiroToS3Operator(
        task_id="bench", wiro_task_id=wiro_task_id, s3_bucket=BUCKET, s3_key=f"{prefix}/{{index}}-{{name}}"
    ).execute(CONTEXT)  # type: ignore[arg-type]


def wiro_to_s3_again(urls: list[str], size: int, wiro_task_id: str, prefix: str) -> None:
    """WiroToS3Operator, when all objects exist already."""
    wiro_to_s3(urls, size, wiro_task_id, prefix.replace("wiro_to_s3_again", "wiro_to_s3"))


def plain(urls: list[str], size: int, wiro_task_id: str, prefix: str) -> None:
    """Plain code: a `requests` stream into boto3's `upload_fileobj`, one after the other."""
    import requests
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    client = S3Hook().get_conn()
    with requests.Session() as session:
        for number, url in enumerate(urls):
            with session.get(url, stream=True, timeout=60) as response:
                client.upload_fileobj(response.raw, BUCKET, f"{prefix}/{number}")


def http_to_s3(urls: list[str], size: int, wiro_task_id: str, prefix: str) -> None:
    """Airflow's own HttpToS3Operator, once for each file."""
    from airflow.providers.amazon.aws.transfers.http_to_s3 import HttpToS3Operator

    base = urls[0].partition("/cdn/")[0]
    os.environ["AIRFLOW_CONN_CDN"] = json.dumps({"conn_type": "http", "host": base})
    for number, url in enumerate(urls):
        HttpToS3Operator(
            task_id="bench",
            http_conn_id="cdn",
            method="GET",
            endpoint=f"cdn/{url.partition('/cdn/')[2]}",
            s3_bucket=BUCKET,
            s3_key=f"{prefix}/{number}",
        ).execute(CONTEXT)  # type: ignore[arg-type]


def discard(urls: list[str], size: int, wiro_task_id: str, prefix: str) -> None:
    """The raw limit of downloads: the same bytes, read and discarded by several threads."""
    import requests

    def read(mine: list[str]) -> None:
        with requests.Session() as session:
            for url in mine:
                with session.get(url, stream=True, timeout=60) as response:
                    while response.raw.read(1024 * 1024):
                        pass

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(read, [urls[number::_THREADS] for number in range(_THREADS)]))


def put(urls: list[str], size: int, wiro_task_id: str, prefix: str) -> None:
    """The raw limit of uploads: as many bytes, put from memory by several threads."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    client = S3Hook().get_conn()
    body = os.urandom(min(size, _PART_BYTES))

    def put_one(number: int) -> None:
        client.put_object(Bucket=BUCKET, Key=f"{prefix}/{number}", Body=body)

    def put_parts(number: int) -> None:
        where = {"Bucket": BUCKET, "Key": f"{prefix}/{number}"}
        where["UploadId"] = client.create_multipart_upload(**where)["UploadId"]
        many = range(1, size // _PART_BYTES + 1)

        def put_part(part: int) -> dict[str, Any]:
            return {"PartNumber": part, **client.upload_part(**where, PartNumber=part, Body=body)}

        done = list((parts.map if len(urls) == 1 else map)(put_part, many))
        found = [{"PartNumber": one["PartNumber"], "ETag": one["ETag"]} for one in done]
        client.complete_multipart_upload(**where, MultipartUpload={"Parts": found})

    with ThreadPoolExecutor(_THREADS) as pool, ThreadPoolExecutor(_THREADS) as parts:
        list(pool.map(put_one if size < _PART_BYTES else put_parts, range(len(urls))))


WAYS = {
    "wiro_to_s3": wiro_to_s3,
    "wiro_to_s3_again": wiro_to_s3_again,
    "plain": plain,
    "http_to_s3": http_to_s3,
    "discard": discard,
    "put": put,
}


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _count_s3_requests() -> list[int]:
    from botocore.httpsession import URLLib3Session

    counted = [0]
    real = URLLib3Session.send

    def send(self: Any, request: Any) -> Any:
        counted[0] += 1
        return real(self, request)

    URLLib3Session.send = send  # type: ignore[method-assign]
    return counted


def main() -> None:
    """Import what any way needs, note the idle memory, then run the requested way."""
    job = json.loads(sys.argv[1])
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    import airflow_provider_wiro.downloads.downloader
    import airflow_provider_wiro.transfers.wiro_to_s3  # noqa: F401

    S3Hook().get_conn().list_buckets()
    requests = _count_s3_requests()
    idle = _resident_bytes()
    used, started_at = time.process_time(), time.perf_counter()
    WAYS[job["way"]](job["urls"], job["size"], job["wiro_task_id"], job["prefix"])
    seconds, cpu = time.perf_counter() - started_at, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu_seconds": cpu,
                "peak_bytes": max(0, peak - idle),
                "s3_requests": requests[0],
            }
        )
    )


if __name__ == "__main__":
    main()

"""One run of an export in a process of its own, to measure its peak memory: prints the cost as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

from tests.operators.fakes import FakeTi
from tests.programs.benchmarks.transfer_job import BUCKET, _count_s3_requests, _resident_bytes


def export(run: str, model: str, ids: list[str]) -> dict[str, Any]:
    """WiroProjectToS3Operator, as Airflow runs it."""
    from airflow_provider_wiro.transfers.wiro_project_to_s3 import WiroProjectToS3Operator

    operator = WiroProjectToS3Operator(
        task_id="bench", since="2020-01-01", model=model, s3_bucket=BUCKET, s3_key="out/{wiro_task_id}/{name}"
    )
    result: dict[str, Any] = operator.execute(FakeTi(run_id=run, task_id="bench").context)  # type: ignore[arg-type]
    return result


def plain(run: str, model: str, ids: list[str]) -> dict[str, Any]:
    """Plain code that knows the tasks: Detail, a `requests` stream into `upload_fileobj`, each in turn."""
    import requests
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from airflow_provider_wiro.hooks.wiro import WiroHook

    client = S3Hook().get_conn()
    with requests.Session() as session, WiroHook() as hook:
        for one in ids:
            for output in hook.get_task(one).outputs:
                with session.get(str(output.url), stream=True, timeout=60) as response:
                    client.upload_fileobj(response.raw, BUCKET, f"{run}/{one}/{output.name}")
    return {"tasks": len(ids)}


def main() -> None:
    """Import what an export needs, note the idle memory, then run."""
    job = json.load(sys.stdin)
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    import airflow_provider_wiro.export.opening
    import airflow_provider_wiro.transfers.wiro_project_to_s3  # noqa: F401

    S3Hook().get_conn().list_buckets()
    requests = _count_s3_requests()
    idle = _resident_bytes()
    used, started_at = time.process_time(), time.perf_counter()
    result = {"export": export, "plain": plain}[job["way"]](job["run"], job["model"], job["ids"])
    seconds, cpu = time.perf_counter() - started_at, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    measured = {
        "tasks": result["tasks"],
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_bytes": max(0, peak - idle),
        "s3_requests": requests[0],
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()

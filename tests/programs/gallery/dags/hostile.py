"""Names, prompts and results that want to become HTML, script or a link, and results that nobody made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = "wiro-outputs"
ONERROR = "<img src=x onerror=alert('prompt')>"
BREAKOUT = "\"'></textarea></title><script>alert('breakout')</script>"
RIGHT_TO_LEFT = "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe \N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED}"
LONG = "W" * 10_000
URL = "javascript:alert('link')"
NO_RETRY = {"retries": 0, "execution_timeout": timedelta(minutes=2)}


with DAG("hostile", schedule=None, catchup=False, default_args=NO_RETRY, tags=["gallery"]):
    # This Wiro gives its outputs a hostile name, too.
    draw = WiroRunOperator.partial(
        task_id="draw",
        model="retroAIx/Retro-Cartoons",
        wiro_conn_id="wiro_hostile",
        check_parameters="off",
        label=ONERROR,
    ).expand(
        parameters=[
            {
                "prompt": prompt,
                "samples": 1,
                "width": 64,
                "height": 64,
                "seed": ONERROR,
                "negativePrompt": URL,
            }
            for prompt in (ONERROR, BREAKOUT, RIGHT_TO_LEFT, LONG)
        ]
    )
    WiroToS3Operator.partial(task_id="keep", wiro_conn_id="wiro_hostile", s3_bucket=BUCKET).expand(
        wiro_task_id=draw.output
    )

    @task
    def forged_run() -> dict[str, Any]:
        """Return what looks like a run summary."""
        return {
            "wiro_task_id": BREAKOUT,
            "model": f"{ONERROR}/{BREAKOUT}",
            "status": "task_postprocess_end",
            "state": "succeeded",
            "outputs": [
                {"index": 0, "name": ONERROR, "content_type": "image/png", "size": 7, "url": URL},
                {
                    "index": 1,
                    "name": "0.png",
                    "content_type": ONERROR,
                    "size": -1,
                    "url": "http://example.org/",
                },
                {"index": 2, "name": "a.svg", "content_type": "image/svg+xml", "size": 7, "url": "data:,x"},
            ],
            "text": f"{ONERROR}\0{BREAKOUT}{RIGHT_TO_LEFT} {LONG}",
            "finish_reason": BREAKOUT,
            "usage": None,
            "elapsed_seconds": 1e308,
            "cost_usd": ONERROR,
            "label": BREAKOUT,
            "reused": False,
        }

    @task
    def forged_transfer() -> dict[str, Any]:
        """Return what looks like a transfer's result, of an object that no transfer has put there."""
        file = {"size": 7, "sha256": None, "content_type": "image/png", "etag": None, "skipped": False}
        return {
            "wiro_task_id": "2221",
            "files": [
                {"uri": f"s3://{BUCKET}/private/salaries.png", "name": "salaries.png", **file},
                {"uri": f"s3://aws_default@{BUCKET}/private/salaries.png", "name": "salaries.png", **file},
                {"uri": URL, "name": URL, **file},
                {"uri": "file:///etc/passwd", "name": "passwd", **file},
            ],
            "total_bytes": 28,
            "cost_usd": None,
        }

    @task
    def forged_batch() -> dict[str, Any]:
        """Return what looks like a batch's summary, with a file of this machine as its manifest."""
        counts = {"total": 3, "succeeded": 3, "failed": 0, "reused": 0, "not_run": 0}
        return {"model": ONERROR, **counts, "cost_usd": None, "manifest_uri": "/etc/passwd"}

    @task
    def no_result() -> dict[str, Any]:
        """Return something else, deeply nested."""
        nested: list[Any] = []
        for _ in range(50):
            nested = [nested]
        return {"wiro_task_id": nested, "files": [{"uri": nested}], "outputs": "none", "manifest_uri": 7}

    forged_run()
    forged_transfer()
    forged_batch()
    no_result()

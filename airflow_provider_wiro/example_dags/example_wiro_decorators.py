"""
Python functions as Wiro tasks: what a function returns is what the model is given.

`@task.wiro` for single runs, mapped and chained; `@task.wiro_batch` for many runs in one task.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# This import works on Airflow 2.11 too; with Airflow 3 alone it is `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")

with DAG(
    dag_id="example_wiro_decorators",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    # A retry follows the same run, and pays for no other. Without retries, a passing fault (a lost worker, a
    # scheduler that lags) fails a task whose run is paid for.
    default_args={"retries": 2},
    tags=["example", "wiro"],
):

    @task.wiro(model="retroAIx/Retro-Cartoons", deferrable=True)
    def draw(subject: str, style: str) -> dict[str, Any]:
        """Return the parameters of a picture, and the name of its run."""
        return {"parameters": {"prompt": f"a {subject}, {style}", "samples": 1}, "label": subject}

    @task.wiro(model="wiro/image-edit-general", parameters={"samples": 1}, deferrable=True)
    def repaint(picture: dict[str, Any], weather: str) -> dict[str, Any]:
        """Return the parameters and the file of another picture, made from the first one."""
        return {
            "parameters": {"prompt": f"the same in {weather}"},
            "files": {"inputImage": picture},
            "label": f"{picture['label']}-in-{weather}",
        }

    @task.wiro_batch(
        model="retroAIx/Retro-Cartoons",
        parameters={"samples": 1},
        deferrable=True,
        s3_bucket=BUCKET,
        s3_key="icons/{id}{suffix}",
    )
    def icons() -> Iterator[dict[str, Any]]:
        """Yield one item for each icon; yours would come from a table."""
        for name in ("anchor", "kite", "teapot"):
            yield {"id": name, "parameters": {"prompt": f"an icon of a {name}, one colour"}}

    pictures = draw.partial(style="retro cartoon").expand(subject=["lighthouse", "tram"])
    rainy = repaint.partial(weather="rain").expand(picture=pictures)
    to_s3 = WiroToS3Operator.partial(
        task_id="to_s3", s3_bucket=BUCKET, s3_key="decorated/{label}{suffix}"
    ).expand(wiro_task_id=rainy)
    icons()

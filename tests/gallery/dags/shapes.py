"""What operators of this provider leave, in each form that the gallery reads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG, BaseOperator, TaskGroup, task

from airflow_provider_wiro.decorators.wiro import wiro_task
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.sensors.wiro import WiroTaskSensor
from airflow_provider_wiro.transfers.wiro_project_to_s3 import WiroProjectToS3Operator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = "outputs"
MODEL = "retroAIx/Retro-Cartoons"
SMALL: dict[str, Any] = {"samples": 1, "width": 64, "height": 64}
SOON: dict[str, Any] = {"poll_interval": 0.05, "timeout": 60}
START = datetime(2026, 1, 1, tzinfo=UTC)


class House(WiroRunOperator):
    """A subclass of a project's own."""


class Elsewhere(BaseOperator):
    """Returns what no operator of this provider returns."""

    def execute(self, context: Any) -> Any:
        return {"wiro_task_id": ["no", "id"], "files": "none", "outputs": {"a": 1}, "score": 0.5}


def dag(dag_id: str) -> DAG:
    return DAG(dag_id, start_date=START, schedule=None, catchup=False)


with dag("gallery_runs"):
    generate = WiroRunOperator(
        task_id="generate",
        model=MODEL,
        parameters={"prompt": "a robot {{ run_id[:6] }}", "seed": "7", "apiKey": "s3cr3t-value", **SMALL},
        label="robot",
        **SOON,
    )
    WiroToS3Operator(task_id="land", wiro_task_id=generate.output, s3_bucket=BUCKET)
    House(task_id="own", model=MODEL, parameters={"prompt": "a tram", **SMALL}, deferrable=True, **SOON)
    WiroRunOperator(task_id="answer", model="openai/gpt-5-nano", parameters={"prompt": "Why?"}, **SOON)
    started = WiroRunOperator(
        task_id="started",
        model=MODEL,
        parameters={"prompt": "a pier", **SMALL},
        wait_for_completion=False,
        **SOON,
    )
    waited = WiroTaskSensor(task_id="waited", wiro_task_id=started.output, poll_interval=0.05, timeout=60)
    WiroToS3Operator(task_id="land_waited", wiro_task_id=waited.output, s3_bucket=BUCKET)
    failed = WiroRunOperator(task_id="fails", model="retroAIx/Not-There", parameters={"prompt": "x"}, **SOON)
    WiroToS3Operator(task_id="after_failure", wiro_task_id=failed.output, s3_bucket=BUCKET)
    Elsewhere(task_id="elsewhere")


def mapped(dag_id: str) -> None:
    """A mapped run with its mapped transfer, in a group."""

    @task
    def subjects() -> list[str]:
        return ["a tram", "a bakery", "a harbour"]

    @wiro_task(model=MODEL, **SOON)
    def picture(subject: str) -> dict[str, Any]:
        return {"parameters": {"prompt": subject, **SMALL}, "label": subject}

    with dag(dag_id), TaskGroup("shots"):
        pictures = picture.expand(subject=subjects())
        WiroToS3Operator.partial(
            task_id="land", s3_bucket=BUCKET, map_index_template="{{ task.wiro_task_id['label'] }}"
        ).expand(wiro_task_id=pictures)


mapped("gallery_mapped")
mapped("gallery_many")

with dag("gallery_batches"):
    batch = WiroBatchRunOperator(
        task_id="batch",
        model=MODEL,
        inputs=[{"id": "A-1", "parameters": {"prompt": "one"}}, {"parameters": {"prompt": "two"}}],
        parameters=SMALL,
        s3_bucket=BUCKET,
        s3_key="night/{item}/{name}",
        **SOON,
    )
    export = WiroProjectToS3Operator(task_id="export", since="2020-01-01", s3_bucket=BUCKET)
    batch >> export

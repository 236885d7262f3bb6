"""Decorated functions as a DAG file has them; small pictures; some return something else at each call."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from airflow.providers.common.compat.sdk import DAG, task, task_group

from airflow_provider_wiro.decorators.run_operator import WiroDecoratedRunOperator
from airflow_provider_wiro.decorators.wiro import wiro_batch_task, wiro_task

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "retroAIx/Retro-Cartoons"
ARGS: Any = {"poll_interval": 0.05, "timeout": 60, "retries": 1, "retry_delay": timedelta(0)}
SMALL = {"samples": 1, "width": 64, "height": 64}
START = datetime(2026, 1, 1, tzinfo=UTC)
#: Deferred without a poll, so that a slow machine defers as well.
DEFERS = patch("airflow_provider_wiro.run.follower.poll_once", return_value=None)


def dag(dag_id: str) -> DAG:
    return DAG(dag_id, start_date=START, schedule=None, catchup=False)


@task.wiro(model=MODEL, parameters=SMALL, **ARGS)
def draw(prompt: str, ds: str | None = None, ti: Any = None, **context: Any) -> dict[str, Any]:
    return {"prompt": f"{prompt}, {ti.task_id}, {context['dag_run'].conf['mood']}", "seed": random.random()}


with dag("decorated"):
    draw("a robot")

with dag("decorated_chain"):

    @task
    def subjects() -> list[str]:
        return ["a tram", "a bakery"]

    @wiro_task(model=MODEL, deferrable=True, **ARGS)
    def picture(subject: str, mood: str) -> dict[str, Any]:
        return {"parameters": {"prompt": f"{subject}, {mood}", **SMALL}, "label": subject}

    @wiro_task(model="wiro/image-edit-general", deferrable=True, **ARGS)
    def repaint(image: dict[str, Any]) -> dict[str, Any]:
        return {"parameters": {"prompt": "winter", "samples": 1}, "files": {"inputImage": image}}

    @task_group
    def each(subject: str) -> None:
        repaint.override(task_id="again")(picture(subject, mood="dawn"))

    pictures = picture.override(task_id="mapped").partial(mood="dusk").expand(subject=subjects())
    repaint.expand(image=pictures)
    picture.override(task_id="pairs").expand_kwargs([{"subject": "a pier", "mood": "rain"}])
    each("a harbour")


class DiesAfterTheWait(WiroDecoratedRunOperator):
    """Fails, at its first try, where a worker can die: after the trigger's event, before the result."""

    def execute(self, context: Any) -> Any:
        with DEFERS:
            return super().execute(context)

    def execute_complete(self, context: Any, event: Any = None, **kwargs: Any) -> Any:
        if context["ti"].try_number == 1:
            raise RuntimeError("the worker is gone")
        return super().execute_complete(context, event, **kwargs)


with dag("decorated_dies"):
    with patch("airflow_provider_wiro.decorators.run_operator.WiroDecoratedRunOperator", DiesAfterTheWait):

        @wiro_task(model=MODEL, deferrable=True, **ARGS)
        def by_chance() -> dict[str, Any]:
            return {"prompt": f"a robot {random.random()}", **SMALL}

    by_chance()

with dag("decorated_batch"):

    @task.wiro_batch(model=MODEL, parameters=SMALL, deferrable=True, max_active=1, **ARGS)
    def items(mood: str) -> Iterator[dict[str, Any]]:
        for number in range(3):
            yield {"prompt": f"robot {number}, {mood}, {random.random()}"}

    @wiro_batch_task(model=MODEL, parameters=SMALL, **ARGS)
    def listed(total: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"prompt": f"{total['succeeded']} robots"}]

    listed(items("dusk"))

with dag("decorated_outputs"):

    @task.wiro(model=MODEL, multiple_outputs=True, **ARGS)
    def several() -> dict[str, Any]:
        return {"prompt": "a robot", **SMALL}

    several()

with dag("decorated_wrong"):

    @task.wiro(model=MODEL, **{**ARGS, "retries": 2})
    def forgets() -> None:
        """Return nothing, by mistake."""

    forgets()

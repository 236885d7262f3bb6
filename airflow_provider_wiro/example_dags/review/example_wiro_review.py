"""
Pictures that a person looks at before they are published.

Four pictures land below `review/`, and Airflow asks what to do with them: on its page *Required Actions*,
with a link to the gallery, where they are seen. *Approve* copies the chosen ones to `published/`, within S3.
*Reject* publishes nothing. *Again* starts another run with the next seed, twice at most.

Needs Airflow 3.1 or newer, whose tasks can ask people.
"""

from __future__ import annotations

import os
from typing import Any

from airflow import __version__ as airflow_version
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.common.compat.sdk import DAG, Param, conf, task

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

DAG_ID = "example_wiro_review"
BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")
APPROVE, REJECT, AGAIN = "Approve", "Reject", "Again, with another seed"
REVIEWED, PUBLISHED = f"s3://{BUCKET}/review/", f"s3://{BUCKET}/published/"
PICTURES = ["1", "2", "3", "4"]
# The tab of the DAG run. Airflow's own address is known to it by `[api] base_url`.
GALLERY = "/dags/{{ dag.dag_id }}/runs/{{ run_id | urlencode }}/plugin/wiro-run"
QUESTION = (
    "**{{ params.prompt }}** (seed {{ params.seed }})\n\n"
    f"[Look at the pictures]({conf.get('api', 'base_url', fallback='').rstrip('/')}{GALLERY}), "
    "and choose those to publish by their place there: the larger view says *1 of 4*. "
    "(The names of the files count from 0.)\n\n"
    "Further tries that are possible: {{ params.tries_left }}."
)

if tuple(map(int, airflow_version.split(".")[:2])) < (3, 1):
    print(f"{DAG_ID} needs Airflow 3.1 or newer, whose tasks can ask people: this file makes no DAG here.")
else:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.providers.standard.operators.hitl import HITLOperator
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

    with DAG(
        dag_id=DAG_ID,
        doc_md=__doc__,
        schedule=None,
        catchup=False,
        params={
            "prompt": Param("a lighthouse keeper and his cat", type="string"),
            "seed": Param(1, type="integer"),
            "tries_left": Param(2, type="integer", minimum=0, maximum=5),
        },
        # A retry follows the same run, and pays for no other.
        default_args={"retries": 2},
        tags=["example", "wiro"],
    ):
        draw = WiroRunOperator(
            task_id="draw",
            model="retroAIx/Retro-Cartoons",
            parameters={
                "prompt": "{{ params.prompt }}",
                "seed": "{{ params.seed }}",
                "samples": len(PICTURES),
            },
            deferrable=True,
        )
        # Nobody reads this folder. A lifecycle rule on `review/` deletes what was not published.
        land = WiroToS3Operator(
            task_id="land",
            wiro_task_id=draw.output,
            s3_key=f"{REVIEWED}{{wiro_task_id}}/{{index}}-{{name}}",
        )
        ask = HITLOperator(
            task_id="ask",
            subject="Publish these pictures?",
            body=QUESTION,
            options=[APPROVE, REJECT, AGAIN],
            params={
                "pictures": Param(
                    PICTURES,
                    type="array",
                    items={"type": "string", "enum": PICTURES},
                    examples=PICTURES,  # with these, Airflow shows a list to choose from
                    description="The pictures to publish, with Approve.",
                )
            },
        )

        @task.branch
        def decide(answer: Any, params: Any = None) -> str:
            """Return the task that follows the answer."""
            [option] = answer["chosen_options"]
            if option == AGAIN and params["tries_left"] > 0:
                return "next_try"
            if option == AGAIN:
                print("No further try is possible: nothing is published.")
            return "approved" if option == APPROVE else "rejected"

        @task
        def approved(answer: Any, landed: Any) -> list[dict[str, Any]]:
            """Return which of the files that have landed were chosen."""
            chosen = answer["params_input"]["pictures"]
            numbered = zip(PICTURES, landed["files"], strict=False)
            return [file for number, file in numbered if number in chosen]

        @task
        def publish(file: Any) -> None:
            """Copy a file within S3, if it is still the one that has landed."""
            S3Hook().copy_object(
                file["uri"],
                file["uri"].replace(REVIEWED, PUBLISHED),
                acl_policy="no-acl",  # else Airflow sets one, which needs `s3:PutObjectAcl`
                CopySourceIfMatch=file["etag"],
            )

        @task
        def next_try(params: Any = None) -> dict[str, Any]:
            """Return the params of the run that follows this one."""
            return {**params, "seed": params["seed"] + 1, "tries_left": params["tries_left"] - 1}

        chosen = approved(ask.output, land.output)
        another: Any = next_try()
        land >> ask
        decide(ask.output) >> [chosen, another, EmptyOperator(task_id="rejected")]
        publish.expand(file=chosen)
        TriggerDagRunOperator(
            task_id="again",
            trigger_dag_id=DAG_ID,
            # The same name in each try, so that no retry starts, and pays for, a second run.
            trigger_run_id="{{ run_id }}.again",
            skip_when_already_exists=True,
            conf=another,
        )

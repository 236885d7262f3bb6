"""What the gallery is looked at with: a DAG run with something of everything, and one that few may see."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, TaskGroup

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

BUCKET = "wiro-outputs"
PEOPLE = ("a lighthouse keeper", "a baker before sunrise", "a tram driver in the rain")
NO_RETRY = {"retries": 0, "execution_timeout": timedelta(minutes=2)}


def landed(run: WiroRunOperator, **arguments: Any) -> WiroToS3Operator:
    task_id = f"{run.task_id.rpartition('.')[2]}_to_s3"
    return WiroToS3Operator(task_id=task_id, wiro_task_id=run.output, s3_bucket=BUCKET, **arguments)


with DAG("autumn_campaign", schedule=None, catchup=False, default_args=NO_RETRY, tags=["gallery"]):
    posters = WiroRunOperator(
        task_id="posters",
        model="retroAIx/Retro-Cartoons",
        parameters={
            "prompt": "retro cartoon style, a cheerful robot waters its garden on the moon, bold ink "
            "outlines, muted colours, film grain",
            "negativePrompt": "photo, realistic, watermark",
            "samples": 2,
            "seed": "271828",
            "width": 768,
            "height": 512,
        },
        label="autumn posters",
    )
    landed(posters)
    trailer = WiroRunOperator(
        task_id="trailer",
        model="ByteDance/seedance-pro-v1.5",
        parameters={
            "prompt": "a paper boat sails down a rainy street at night, neon in the puddles",
            "resolution": "720p",
            "ratio": "16:9",
            "duration": "10",
            "seed": 42,
        },
    )
    landed(trailer)
    jingle = WiroRunOperator(
        task_id="jingle",
        model="resemble-ai/chatterbox-turbo",
        parameters={"prompt": "Autumn is here, and so are we. Come in, sit down, have a cup of tea."},
    )
    landed(jingle)
    WiroRunOperator(
        task_id="slogan",
        model="openai/gpt-5-nano",
        parameters={
            "prompt": "Write a slogan for a tea shop in autumn, with lighthouses, robots and paper boats.",
            "verbosity": "high",
        },
    )
    # The fault of this model lets its run fail.
    WiroRunOperator(
        task_id="teaser",
        model="klingai/kling-v3",
        parameters={"prompt": "the same boat, seen from below, in slow motion", "duration": "5"},
        fill_defaults=True,
    )
    with TaskGroup("portraits"):
        paint = WiroRunOperator.partial(
            task_id="paint",
            model="retroAIx/Retro-Cartoons",
            map_index_template="{{ task.parameters['seed'] }}",
        ).expand(
            parameters=[
                {"prompt": who, "samples": 1, "width": 384, "height": 512, "seed": str(1000 + number)}
                for number, who in enumerate(PEOPLE)
            ]
        )
        WiroToS3Operator.partial(task_id="keep", s3_bucket=BUCKET).expand(wiro_task_id=paint.output)
    # The faults of this model make an SVG, a page and a 3D file of its three runs.
    shapes = WiroRunOperator.partial(task_id="shapes", model="wiro/surprise").expand(
        parameters=[{"shape": "logo"}, {"shape": "page"}, {"shape": "teapot"}]
    )
    WiroToS3Operator.partial(task_id="shapes_to_s3", s3_bucket=BUCKET).expand(wiro_task_id=shapes.output)

# What it makes is in the bucket, and a user without rights on this DAG must not reach it.
with DAG("payroll_pictures", schedule=None, catchup=False, default_args=NO_RETRY, tags=["gallery"]):
    landed(
        WiroRunOperator(
            task_id="secret",
            model="retroAIx/Retro-Cartoons",
            parameters={"prompt": "top secret", "samples": 1, "width": 64, "height": 64},
        )
    )

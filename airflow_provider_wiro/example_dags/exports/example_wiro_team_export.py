"""
Export what a team makes at Wiro, within two minutes of its end: on Wiro's site, in n8n, by agents' tools.

An asset watcher fires an event for each Wiro task that ends, no matter who started it; the asset schedules
this DAG. The events say only that there is something: the export finds out itself what it has not landed
yet. Events can share one DAG run, and a run that fails loses nothing, since the next one lands its
tasks too.

The watcher looks at the project once a minute, in the triggerer.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_wiro.transfers.wiro_project_to_s3 import WiroProjectToS3Operator
from airflow_provider_wiro.triggers.wiro_events import WiroTaskEndedTrigger

BUCKET = os.environ.get("WIRO_EXAMPLE_BUCKET", "wiro-outputs")

SCHEDULE: Any
try:
    from airflow.sdk import Asset, AssetWatcher
except ImportError:  # Airflow 2.11 has no watchers
    SCHEDULE = timedelta(minutes=2)
else:
    made = AssetWatcher(name="ended", trigger=WiroTaskEndedTrigger(status="succeeded"))
    SCHEDULE = [Asset(name="example-wiro-project", watchers=[made])]

with DAG(
    dag_id="example_wiro_team_export",
    doc_md=__doc__,
    schedule=SCHEDULE,
    start_date=datetime(2026, 11, 1),  # Airflow 2.11 wants one
    catchup=False,
    max_active_runs=1,  # a second run at once would only wait for the first one's tasks
    # A retry follows the same run, and pays for no other.
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["example", "wiro"],
):
    export = WiroProjectToS3Operator(
        task_id="export",
        since="2026-11-01",  # of the first run; every later one continues where the last one ended
        s3_bucket=BUCKET,
        s3_key="team/{created:%Y/%m/%d}/{model}/{wiro_task_id}-{index}-{name}",
    )

"""DAGs that watchers of a project schedule: one for all tasks, one for those that failed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_wiro.triggers.wiro_events import WiroTaskEndedTrigger

INTERVAL = 5


def watched(name: str, **wanted: Any) -> Asset:
    trigger = WiroTaskEndedTrigger(interval=INTERVAL, **wanted)
    return Asset(name=name, watchers=[AssetWatcher(name=f"{name}_ended", trigger=trigger)])


for name, wanted in {"every": {}, "failed": {"status": ["failed", "cancelled"]}}.items():
    with DAG(f"note_{name}", schedule=[watched(name, **wanted)], catchup=False):

        @task
        def note(name: str, triggering_asset_events: Any = None) -> None:
            """Add the ids of this run's events to a file."""
            ids = [
                event.extra["payload"]["wiro_task_id"]
                for events in triggering_asset_events.values()
                for event in events
            ]
            with (Path(os.environ["WATCHED_FOLDER"]) / name).open("a") as file:
                file.writelines(f"{one}\n" for one in ids)

        note(name)

"""
What a batch is waiting for, as an XCom of its own: for a deferral that Airflow ends itself.

It then resumes the task with an error in place of what the task was handed over, and the trigger is gone. If
the journal is missing as well, the XCom still names the Wiro tasks that were in flight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.missing_journal import BeforeDeferral

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

IN_FLIGHT_KEY = "wiro_batch_in_flight"


def note_before_deferral(context: Context, before: BeforeDeferral) -> None:
    """Keep what the batch waits for."""
    context["ti"].xcom_push(key=IN_FLIGHT_KEY, value=before.to_json())


def before_failed_deferral(context: Context) -> BeforeDeferral:
    """Return what was kept; with no ids if nothing was."""
    ti = context["ti"]
    found = ti.xcom_pull(key=IN_FLIGHT_KEY, task_ids=ti.task_id, map_indexes=getattr(ti, "map_index", -1))
    return BeforeDeferral.from_json(found if isinstance(found, dict) else None, ())

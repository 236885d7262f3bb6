"""
An XCom with what a batch waits for, for a deferral that Airflow ends itself.

Airflow then resumes the task with an error in place of what it was handed over, and the trigger is gone. If
the journal is missing as well, the XCom still names the Wiro tasks that were in flight; and it shows whether
the inputs changed during the deferral.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.deferral.missing_journal import BeforeDeferral

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.common.compat.sdk import Context

IN_FLIGHT_KEY = "wiro_batch_in_flight"


def note_before_deferral(context: Context, handed_over: Mapping[str, Any]) -> None:
    """
    Keep what the batch waits for.

    :param handed_over: the keyword arguments of ``execute_complete``.
    """
    ti = context["ti"]
    fingerprint = handed_over["fingerprint"]
    noted = {**handed_over["before"], "fingerprint": fingerprint, "try_number": ti.try_number}
    ti.xcom_push(key=IN_FLIGHT_KEY, value=noted)


def before_failed_deferral(context: Context) -> tuple[BeforeDeferral, str | None]:
    """
    Return what was kept, with no ids if nothing was; and the inputs' fingerprint.

    That is None if this try hasn't kept it: a version before didn't, and a retry may have other inputs.
    """
    ti = context["ti"]
    found = ti.xcom_pull(key=IN_FLIGHT_KEY, task_ids=ti.task_id, map_indexes=getattr(ti, "map_index", -1))
    noted = found if isinstance(found, dict) else {}
    is_of_this_try = noted.get("try_number") == ti.try_number
    return BeforeDeferral.from_json(noted, ()), noted.get("fingerprint") if is_of_this_try else None

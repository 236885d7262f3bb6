"""How long a deferral has to last at least: ``[wiro] shortest_deferral``."""

from __future__ import annotations

import math

from airflow.providers.common.compat.sdk import conf

from airflow_provider_wiro.exceptions import WiroUsageError

#: The default. A scheduler of Airflow 3.3.2 read of a deferral up to 14.8 s after it began (two cores, load
#: average 10); one that is idle for 30 s counts as dead.
SHORTEST_DEFERRAL_SECONDS = 20.0
#: What it can be set to: Airflow must not end a deferral by its own limit before the trigger may fire.
SHORTEST_DEFERRAL_LIMIT_SECONDS = 240.0


def shortest_deferral_seconds() -> float:
    """
    Return how long a deferral lasts at least: ``[wiro] shortest_deferral``, in seconds.

    When a task defers, its process ends, and the executor reports that as a success. Airflow's scheduler has
    to read this report before the trigger fires. If the task is queued again by then, the scheduler takes the
    report for the end of the resumed task, finds that task unfinished, and fails it: after its Wiro task was
    paid for, and without a line in the task's log ("finished with state success, but the task instance's
    state attribute is queued"; apache/airflow 66374, 67287, 71580, 72716).

    :raises WiroUsageError: it is no time.
    """
    found = conf.get("wiro", "shortest_deferral", fallback=str(SHORTEST_DEFERRAL_SECONDS))
    try:
        seconds = float(found)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= SHORTEST_DEFERRAL_LIMIT_SECONDS:
        raise WiroUsageError(
            f"[wiro] shortest_deferral has to be seconds, from 0 to {SHORTEST_DEFERRAL_LIMIT_SECONDS:.0f}, "
            f"got {found!r}."
        )
    return seconds

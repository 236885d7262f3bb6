"""
The start of a DAG run in the names of its state files, and the file it wrote before it had this start.

Two Airflow deployments that share a folder and schedule the same DAG have DAG runs and task instances with
the same ids; so has a DAG run that was deleted and created again. They differ in when they started. So a
file's name has the start of the DAG run that wrote it first, and no DAG run writes another's file.

A Clear of a finished DAG run gives it a new start. The file that it wrote before is found by what the file
says about its writer: an earlier start, and fewer Clears.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroOrphanedRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.state_files.task_try import WrittenBy

#: Between the map index and the start in a name. No map index contains it.
_MARK = "~"
#: Airflow's database and the records keep microseconds.
_SAME_SECONDS = 1e-5


@dataclass(frozen=True)
class DagRunStart:
    """
    What Airflow says about a DAG run's start.

    :ivar clears: how often its tasks were cleared, None if that isn't known.
    :ivar at: Unix time in seconds; None where it isn't known, or is the same for other DAG runs.
    :ivar label: the start in the name of a file, empty if ``at`` is None.
    """

    clears: int | None = None
    at: float | None = None
    label: str = ""


def start_of(context: Context) -> DagRunStart:
    """Return the start of the DAG run. That of ``dag.test()`` isn't used: all its runs of a date have it."""
    dag_run = context.get("dag_run")
    clears, started = getattr(dag_run, "clear_number", None), getattr(dag_run, "start_date", None)
    clears = clears if isinstance(clears, int) else None
    if not isinstance(started, datetime) or started == getattr(dag_run, "logical_date", None):
        return DagRunStart(clears)
    return DagRunStart(
        clears, started.timestamp(), f"{_MARK}{started.astimezone(UTC).strftime('%Y%m%dT%H%M%S%f')}"
    )


def find_earlier(
    names: Callable[[], Iterable[str]],
    stem: str,
    suffix: str,
    start: DagRunStart,
    written: Callable[[str], WrittenBy | None],
) -> str | None:
    """
    Return the name of the file that a DAG run wrote before it had its present start, None if there is none.

    :param names: lists the folder; called only where the DAG run may have had another start.
    :param stem: the beginning of the names of the task instance's files.
    :param suffix: their end.
    :param written: reads who wrote a file, None if there is no such file.
    :raises WiroOrphanedRunError: several may be this DAG run's.
    """
    if not start.label:
        return None
    own = f"{stem}{start.label}{suffix}"
    others = [f"{stem}{suffix}"]  # of an earlier version, which had no starts in names
    if start.clears != 0:
        others += sorted(
            name
            for name in names()
            if name.startswith(f"{stem}{_MARK}") and name.endswith(suffix) and name != own
        )
    possible = []
    for name in others:
        by = written(name)
        if by is None:
            continue
        if _is_same_moment(by.run_started_at, start.at):
            return name
        if _may_be_of(by, start):
            possible.append(name)
    if len(possible) > 1:
        raise WiroOrphanedRunError(
            "Expected one record of this DAG run from before its Clear, found "
            f"{', '.join(possible)[:200]}: of other Airflow deployments, or of deleted DAG runs with this "
            "id. Nothing was started. Look in the dashboard at wiro.ai, and delete all of these files but "
            "this DAG run's (a name has the DAG run's start in UTC)."
        )
    return possible[0] if possible else None


def _is_same_moment(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and abs(one - other) < _SAME_SECONDS


def _may_be_of(by: WrittenBy, start: DagRunStart) -> bool:
    """Whether a file can be this DAG run's, from when it had another start."""
    if None in {by.clears, by.run_started_at, start.clears, start.at}:
        return True
    return (by.clears or 0) < (start.clears or 0) and (by.run_started_at or 0.0) < (start.at or 0.0)

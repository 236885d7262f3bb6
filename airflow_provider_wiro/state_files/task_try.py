"""
Whether a durable record is this DAG run's or a deleted one's with the same id, and from before a Clear.

A record is found by the ids of its task instance. They stay the same when the DAG run is deleted and created
again, as each ``airflow dags test DAG DATE`` does on Airflow 2.11, and when the task is cleared.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Databases keep microseconds, milliseconds or seconds; DAG runs with one id are further apart than this.
_SAME_MOMENT_SECONDS = 1.0


@dataclass(frozen=True)
class TaskTry:
    """
    The try of an Airflow task that is running. What Airflow doesn't say is None.

    :ivar number: counts from 1 in each DAG run; neither a retry nor a Clear resets it.
    :ivar retries: of the task as its DAG file has it now.
    :ivar clears: how often tasks of this DAG run were cleared, this one or others.
    :ivar run_started_at: Unix time in seconds at which the DAG run started, or started again after a Clear;
        None under ``dag.test()``, which gives each DAG run of a date the same start.
    :ivar is_beginning: nothing of this try ran before; False after a deferral, and where it isn't known.
    """

    number: int
    retries: int | None = None
    clears: int | None = None
    run_started_at: float | None = None
    is_beginning: bool = False


@dataclass(frozen=True)
class WrittenBy:
    """
    What a record keeps of the latest try that wrote it.

    :ivar number: see :class:`TaskTry`, also for the others.
    :ivar max_tries: Airflow's; a retry keeps it, a Clear sets it to ``number + retries``.
    """

    number: int
    max_tries: int
    clears: int | None = None
    run_started_at: float | None = None


def is_of_deleted_dag_run(written: WrittenBy, now: TaskTry) -> bool:
    """
    Whether a record was left by a DAG run with the same id that was deleted since.

    Without a Clear, a DAG run starts only once. Where the start isn't known: within one DAG run the try
    numbers only rise, so a try that has just started finds no record of its own or of a later number.
    """
    is_known = None not in {written.run_started_at, now.run_started_at, written.clears, now.clears}
    if is_known and written.clears == now.clears:
        apart = abs((written.run_started_at or 0.0) - (now.run_started_at or 0.0))
        return apart > _SAME_MOMENT_SECONDS
    return now.is_beginning and written.number >= now.number


def was_cleared_since(written: WrittenBy, now: TaskTry, max_tries: int) -> bool:
    """
    Whether the task was cleared after a record of this DAG run was written, so that this try is no retry.

    A Clear raises ``max_tries``, unless ``retries`` was lowered in the DAG file before it. Then ``clears``
    shows that something of the DAG run was cleared, and the number of the first try after a Clear,
    ``max_tries - retries + 1``, shows whether it was this task.
    """
    if written.max_tries != max_tries:
        return True
    if None in {now.retries, now.clears, written.clears} or now.clears == written.clears:
        return False
    first = max_tries - (now.retries or 0) + 1
    # A present try before the first: retries was lowered after the Clear, and this says nothing.
    return written.number < first <= now.number

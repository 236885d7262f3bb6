"""What is done with a run's record once the run is over: it is marked as consumed, and strays are stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.recovery.strays import (
    earlier_sendings,
    find_strays,
    stray_warnings,
    unknown_strays_warning,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.recovery.resume import RunSpec
    from airflow_provider_wiro.recovery.run_record import RecordStore
    from airflow_provider_wiro.redaction.loggers import Log


def mark_consumed(
    store: RecordStore | None, wiro_task_id: str, log: Log, *, try_number: int | None = None
) -> bool:
    """
    Record that a run's result is returned: after a Clear the task starts a new run.

    A retry still returns the same result: the worker can die before Airflow has recorded the success.

    :param try_number: of the Airflow task; a record that a later try has taken over is left to that one.
    :return: whether nothing says that the result was, or will be, returned by another try.
    """
    if store is None:
        return True
    try:
        record = store.read()
        if record is None or record.wiro_task_id != wiro_task_id:
            return True
        if record.is_consumed:
            return False
        is_overtaken = record.writer is not None and try_number is not None and record.try_number > try_number
        if not is_overtaken:
            store.write(replace(record, is_consumed=True))
    except WiroError as error:
        log.warning("%s After a Clear, this task would return the same result again.", error)
        return True
    return not is_overtaken


def stop_strays(
    hook: WiroHook, store: RecordStore | None, wiro_task_id: str, wanted: Callable[[], RunSpec], log: Log
) -> None:
    """
    Search once for tasks of a run's earlier sendings; stop those that run, and report each with its cost.

    It fails nothing: the run itself is over, or followed elsewhere.

    :param wiro_task_id: the run's task.
    :param wanted: returns what the run is; called only if it was sent again.
    """
    if store is None:
        return
    try:
        record = store.read()
        if record is None or record.wiro_task_id != wiro_task_id or not record.lost_sendings:
            return
        run = wanted()
        earlier = earlier_sendings(record, run)
        known_ids = list(reversed(record.known_task_ids))
        found = hook.run_flow(
            lambda context: find_strays(
                context,
                earlier,
                known_ids,
                own_ids=known_ids,
                patience_seconds=run.patience_seconds,
                resent_after=record.sending.newest_before,
            )
        )
    except WiroError as error:
        log.warning("%s", unknown_strays_warning("This run", error))
        return
    for warning in stray_warnings(found, "this run"):
        log.warning("%s", warning)

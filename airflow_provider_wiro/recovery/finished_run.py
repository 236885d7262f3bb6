"""After a run that was sent again: whether an earlier sending has started a task after all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.recovery.strays import earlier_sendings, find_strays, stray_warnings

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.cancellation.log import Log
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.recovery.record_store import RecordStore
    from airflow_provider_wiro.recovery.resume import RunSpec


def stop_strays(
    hook: WiroHook,
    store: RecordStore | None,
    wiro_task_id: str,
    wanted: Callable[[], RunSpec],
    log: Log,
) -> None:
    """
    Look once for tasks of earlier sendings of a run; stop those that run, and report each with its cost.

    Fails nothing: the run itself is over, or followed elsewhere.

    :param wiro_task_id: the run's task.
    :param wanted: what the run is, needed only where it was sent again.
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
        found = hook.converse(
            lambda outside: find_strays(
                outside,
                earlier,
                known_ids,
                own_ids=known_ids,
                patience_seconds=run.patience_seconds,
                resent_after=record.newest_before,
            )
        )
    except WiroError as error:
        log.warning(
            "This run was sent more than once, and it is not known whether an earlier sending has started a "
            "task as well: %s",
            error,
        )
        return
    for warning in stray_warnings(found, "this run"):
        log.warning("%s", warning)

"""
The one place that knows Airflow versions. Everything else imports from
``airflow.providers.common.compat.sdk``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook, conf

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection


def mask_secret(secret: str) -> None:
    """
    Have Airflow replace ``secret`` by ``***`` in this task's logs. Not from an event loop, nor from on_kill.
    """
    try:
        masker = import_module("airflow.sdk.log")  # 3.0+
    except ImportError:
        masker = import_module("airflow.utils.log.secrets_masker")  # 2.11
    masker.mask_secret(secret)


async def mask_secret_async(secret: str) -> None:
    """
    Do the same on the triggerer's event loop.

    Before Airflow 3.3 the only masking there is a blocking call that can disturb the triggerer's own traffic,
    so that nothing is done: a connection's password is masked by Airflow itself, and we log no key.
    """
    try:
        from airflow.sdk.log import amask_secret
    except ImportError:
        return
    await amask_secret(secret)


async def get_connection_async(conn_id: str) -> Connection:
    """
    Read a connection on the triggerer's event loop without blocking it.

    ``BaseHook.aget_connection`` masks with a blocking call before Airflow 3.3.2 (the one with
    ``aextra_dejson``) and then raises DeadlockImminentError when another trigger talks to the supervisor at
    that moment; ``sync_to_async`` works on all of them. common-compat 1.23 does the same, but the constraint
    files of Airflow 2.11 to 3.2 have older ones.
    """
    from airflow.providers.common.compat import sdk

    if hasattr(sdk.Connection, "aextra_dejson"):
        return await BaseHook.aget_connection(conn_id)
    from asgiref.sync import sync_to_async

    return await sync_to_async(BaseHook.get_connection)(conn_id)


async def is_deferred(task_instance: Any) -> bool:
    """
    Whether a trigger's task instance is still deferred, asked from the triggerer's event loop.

    False means that a user has marked or cleared it. A task instance that is gone is not deferred.

    :raises Exception: whatever Airflow raises when it can't tell.
    """
    from asgiref.sync import sync_to_async

    return await sync_to_async(is_in_state)(task_instance, "deferred")


def is_in_state(task_instance: Any, state: str) -> bool:
    """Ask Airflow whether a task instance is in ``state``. Blocks."""
    where = {"dag_id": task_instance.dag_id, "map_index": task_instance.map_index}
    task_id, run_id = task_instance.task_id, task_instance.run_id
    try:
        runner = import_module("airflow.sdk.execution_time.task_runner")  # 3.0+
    except ImportError:
        return _count_in_database(task_id=task_id, run_id=run_id, state=state, **where) > 0  # 2.11
    count: int = runner.RuntimeTaskInstance.get_ti_count(
        task_ids=[task_id], run_ids=[run_id], states=[state], **where
    )
    return count > 0


def _count_in_database(**where: Any) -> int:
    models = import_module("airflow.models.taskinstance")
    session = import_module("airflow.utils.session")
    with session.create_session() as opened:
        count: int = opened.query(models.TaskInstance).filter_by(**where).count()
    return count


#: Executors whose tasks run on the scheduler's machine, so that a local folder is the same for every try.
_LOCAL_EXECUTORS = frozenset({"LocalExecutor", "SequentialExecutor"})


def configured_state_path() -> str | None:
    """
    Return where run records are kept as files: ``[wiro] state_path``, else a local folder if that is safe.
    """
    configured: str | None = conf.get("wiro", "state_path", fallback=None)
    if configured:
        return configured
    if conf.get("core", "executor", fallback="") not in _LOCAL_EXECUTORS:
        return None
    home = import_module("airflow.configuration").AIRFLOW_HOME
    return f"{home}/wiro_runs"

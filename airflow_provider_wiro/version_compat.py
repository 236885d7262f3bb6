"""
Everything that depends on the Airflow version. Other modules import from
``airflow.providers.common.compat.sdk``.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from airflow.providers.common.compat.sdk import Connection, Context

log = plain_logger(__name__)

#: A triggerer's child process sends events to its parent once a second.
_SYNC_SECONDS = 2.0
#: Requests in flight, so that they aren't garbage collected when their callers are cancelled.
_ASKING: set[Any] = set()


def is_mapped_instance(operator: Any) -> bool:
    """Whether Airflow has made an operator from ``expand()``: its arguments may be another task's output."""
    return bool(getattr(operator, "_BaseOperator__from_mapped", True))


def is_parsed(operator: Any) -> bool:
    """
    Whether a DAG file makes this operator, rather than Airflow from ``expand()``.

    Airflow makes a mapped task in the worker from values that are data, and never rendered.
    """
    return not is_mapped_instance(operator)


def determine_kwargs(
    function: Callable[..., Any], op_args: Collection[Any], context: Mapping[str, Any]
) -> Mapping[str, Any]:
    """
    Return the keyword arguments of a decorated function: those of the context that it asks for.

    :param op_args: its positional arguments.
    :param context: with the keyword arguments that the user gave.
    """
    try:
        module = import_module("airflow.sdk.bases.decorator")  # 3.2+ has the function there
        found = module.determine_kwargs
    except (ImportError, AttributeError):
        found = import_module("airflow.utils.operator_helpers").determine_kwargs
    kwargs: Mapping[str, Any] = found(function, op_args, context)
    return kwargs


def mask_secret(secret: str) -> None:
    """
    Mask ``secret`` in this task's logs. Don't call it on an event loop or in on_kill.
    """
    try:
        masker = import_module("airflow.sdk.log")  # 3.0+
    except ImportError:
        masker = import_module("airflow.utils.log.secrets_masker")  # 2.11
    masker.mask_secret(secret)


async def mask_secret_async(secret: str) -> None:
    """
    Do the same on the triggerer's event loop.

    Before Airflow 3.3 there is only a blocking call, which can disturb the triggerer's own traffic, so
    nothing is masked: Airflow itself masks a connection's password, and this package logs no key.
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
    from airflow.providers.common.compat import sdk  # DAG files, which import this module, need no hook

    if hasattr(sdk.Connection, "aextra_dejson"):
        return await sdk.BaseHook.aget_connection(conn_id)
    from asgiref.sync import sync_to_async

    return await sync_to_async(sdk.BaseHook.get_connection)(conn_id)


def takes_messages_of_threads() -> bool:
    """
    Whether several threads of a task may talk to Airflow at once.

    In Airflow 3.0 and 3.1 one thread can read the response to another one's message, after which every call
    of the task fails. Under ``airflow dags test`` and ``dag.test()``, a message of one thread takes the way
    to Airflow from the others as long as it lasts.
    """
    from airflow import __version__

    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    if type(getattr(runner, "SUPERVISOR_COMMS", None)).__name__ == "InProcessSupervisorComms":
        return False
    major, minor = (int(part) for part in __version__.split(".")[:2])
    return (major, minor) not in {(3, 0), (3, 1)}


async def write_xcom_async(task_instance: Any, key: str, value: Any) -> None:
    """
    Write an XCom of a trigger's task instance, without blocking the triggerer's event loop.

    :raises Exception: Airflow's own, if it can't.
    """
    from airflow.providers.common.compat.sdk import XCom
    from asgiref.sync import sync_to_async

    await sync_to_async(XCom.set)(
        key=key,
        value=value,
        dag_id=task_instance.dag_id,
        task_id=task_instance.task_id,
        run_id=task_instance.run_id,
        map_index=task_instance.map_index,
    )


async def task_instance_state(task_instance: Any) -> str | None:
    """
    Return the state of a trigger's task instance, without blocking the triggerer's event loop.

    :return: None for a task instance that was cleared and is not scheduled yet; ``"removed"`` for one that is
        gone.
    :raises Exception: Airflow's own, if it can't find out.
    """
    from asgiref.sync import sync_to_async

    return await sync_to_async(read_task_instance_state)(task_instance)


async def wait_until_the_triggerer_answers() -> None:
    """
    Return once the triggerer's parent process answers, so that it can store events at once.

    The first answer of a triggerer that has just started takes up to ten seconds, and each one waits for
    earlier events.
    """
    try:
        await _ask_supervisor()
    except Exception as error:
        log.debug("The triggerer doesn't answer: %s", error)


async def wait_until_events_are_stored() -> None:
    """
    Return once Airflow has stored the events that a trigger of this process has fired so far.

    Airflow 3.0 to 3.2 don't say when that is, and 3.3 only says it about streams of its own. But the
    triggerer's child process sends events once a second, in order with its other requests, and its parent,
    which has one thread, stores them before it serves the next batch of requests. So after two seconds, the
    response to the second of two requests says that the events are stored. If the parent is busy with
    earlier events, the first request here waits for that.
    """
    import asyncio  # DAG files, which import this module, need none

    try:
        await _ask_supervisor()
        await asyncio.sleep(_SYNC_SECONDS)
        await _ask_supervisor()
        await _ask_supervisor()
    except Exception as error:
        log.debug("The triggerer doesn't answer, so events are expected to be stored by now: %s", error)
        await asyncio.sleep(2 * _SYNC_SECONDS)


async def _ask_supervisor() -> None:
    """
    Ask the triggerer's parent process about a task that can't exist.

    A cancelled caller doesn't cancel the request: Airflow before 3.2 would read its answer as that to the
    next request, of whatever trigger, and the triggerer would end.
    """
    import asyncio

    from asgiref.sync import sync_to_async

    runner = import_module("airflow.sdk.execution_time.task_runner")
    asking = asyncio.ensure_future(
        sync_to_async(runner.RuntimeTaskInstance.get_task_states)(
            dag_id="airflow_provider_wiro", task_ids=["none"], run_ids=["none"]
        )
    )
    _ASKING.add(asking)
    asking.add_done_callback(_forget_asking)
    await asyncio.shield(asking)


def _forget_asking(asking: Any) -> None:
    _ASKING.discard(asking)
    if not asking.cancelled():
        asking.exception()  # seen here, in case that the caller was cancelled


def read_task_instance_state(task_instance: Any) -> str | None:
    """Do the same where blocking is allowed."""
    try:
        runner = import_module("airflow.sdk.execution_time.task_runner")  # 3.0+
    except ImportError:
        return _state_in_database(task_instance)  # 2.11
    task_id, run_id, map_index = task_instance.task_id, task_instance.run_id, task_instance.map_index
    states: dict[str, dict[str, Any]] = runner.RuntimeTaskInstance.get_task_states(
        dag_id=task_instance.dag_id, map_index=map_index, task_ids=[task_id], run_ids=[run_id]
    )
    # Airflow appends the index of a mapped task instance, and 3.0 returns its siblings, too.
    name = task_id if map_index < 0 else f"{task_id}_{map_index}"
    return _name_of_state(states.get(run_id, {}).get(name, _GONE))


def _state_in_database(task_instance: Any) -> str | None:
    model = import_module("airflow.models.taskinstance").TaskInstance
    session = import_module("airflow.utils.session")
    with session.create_session() as opened:
        found = (
            opened.query(model.state)
            .filter(
                model.dag_id == task_instance.dag_id,
                model.task_id == task_instance.task_id,
                model.run_id == task_instance.run_id,
                model.map_index == task_instance.map_index,
            )
            .one_or_none()
        )
    return _name_of_state(_GONE if found is None else found[0])


#: Airflow's own name for a task instance whose task is no longer in its DAG.
_GONE = "removed"


def _name_of_state(state: Any) -> str | None:
    """Return a state as text, whatever enumeration it is from."""
    return None if state is None else str(getattr(state, "value", state))


#: Executors whose tasks run on the scheduler's machine, so that a local folder is the same for every try.
_LOCAL_EXECUTORS = frozenset({"LocalExecutor", "SequentialExecutor"})
#: Environment variables of a process in Kubernetes, where a pod's disk ends with the pod. The
#: KubernetesExecutor, whose pods see ``[core] executor = LocalExecutor``, sets the first.
_IN_KUBERNETES = ("AIRFLOW_IS_K8S_EXECUTOR_POD", "KUBERNETES_SERVICE_HOST")


def configured_state_path() -> str | None:
    """Return ``[wiro] state_path``, None if it isn't set."""
    return conf.get("wiro", "state_path", fallback=None) or None


def configured_environment() -> str | None:
    """Return ``[wiro] environment``, None if it isn't set."""
    return conf.get("wiro", "environment", fallback=None) or None


def configured_model_cache_path() -> str | None:
    """Return ``[wiro] model_cache_path``, None if it isn't set."""
    return conf.get("wiro", "model_cache_path", fallback=None) or None


def configured_s3_console_url() -> str | None:
    """Return ``[wiro] s3_console_url``, None if it isn't set."""
    return conf.get("wiro", "s3_console_url", fallback=None) or None


def local_state_path() -> str | None:
    """Return a folder in ``AIRFLOW_HOME``; None if a task's tries may run on other machines."""
    if any(os.environ.get(name) for name in _IN_KUBERNETES):
        return None
    if conf.get("core", "executor", fallback="") not in _LOCAL_EXECUTORS:
        return None
    home = import_module("airflow.configuration").AIRFLOW_HOME
    return f"{home}/wiro_runs"


def first_poke_at(sensor: Any, context: Context) -> datetime | None:
    """Return when a rescheduled sensor poked first, as its base class determines it; None: not yet."""
    ti = context["ti"]
    found: datetime | None
    if hasattr(ti, "get_first_reschedule_date"):
        found = ti.get_first_reschedule_date(context)
        return found
    base = import_module("airflow.sensors.base")  # 2.11
    found = base._orig_start_date(
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=ti.map_index,
        try_number=(ti.max_tries or 0) - (sensor.retries or 0) + 1,
    )
    return found

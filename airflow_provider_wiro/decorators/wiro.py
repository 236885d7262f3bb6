"""
The decorators ``@task.wiro`` and ``@task.wiro_batch``, also with the types of all arguments for editors.

``@task.wiro(…)`` and ``@wiro_task(…)`` are the same; editors and type checkers know the arguments of the
second, since Airflow's ``task`` lists only its own providers' decorators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import task_decorator_factory

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping
    from typing import ParamSpec, Unpack

    from airflow_provider_wiro.decorators.arguments import BatchArguments, DecoratedTask, RunArguments

    P = ParamSpec("P")
    #: What a function of a batch returns: items, or the path or URI of a file with them.
    Items = Iterable[Mapping[str, Any]] | str | os.PathLike[str]


def wiro_task(
    python_callable: Callable[..., Any] | None = None,
    /,
    *,
    multiple_outputs: bool = False,
    **arguments: Unpack[RunArguments],
) -> Callable[[Callable[P, Mapping[str, Any]]], DecoratedTask[P]]:
    """
    Make a task of a function that returns the parameters of a run: the task runs the model with them.

    The function returns a dict of the model's parameters; or ``{"parameters": {…}, "files": {…}, "label":
    "…"}``, with ``parameters``, ``files`` or both. What the decorator gives as ``parameters``, ``files`` and
    ``label`` holds for every call, and what the function returns takes precedence. Jinja renders the
    arguments of the call, and not what the function returns, which may be text that somebody else wrote.

    The task returns the run summary. The function is called once: a retry runs the same again, from the run's
    record. Only where there is no record (``durable=False``), or where the returned values hold a secret or
    have more than 32 KiB, is it called again, and should then return the same.

    :param multiple_outputs: store each value of the run summary as an XCom of its own, too.
    :param arguments: those of :class:`~airflow_provider_wiro.operators.wiro.WiroRunOperator` and of Airflow's
        ``BaseOperator``.
    """
    from airflow_provider_wiro.decorators.run_operator import WiroDecoratedRunOperator

    decorate: Callable[[Callable[P, Mapping[str, Any]]], DecoratedTask[P]] = _decorator(
        WiroDecoratedRunOperator, python_callable, multiple_outputs, arguments
    )
    return decorate


def wiro_batch_task(
    python_callable: Callable[..., Any] | None = None,
    /,
    *,
    multiple_outputs: bool = False,
    **arguments: Unpack[BatchArguments],
) -> Callable[[Callable[P, Items]], DecoratedTask[P]]:
    """
    Make a task of a function that returns the items of a batch: the task runs the model for each.

    The function returns a list of items, is a generator that yields them, or returns the path or URI of a
    file with them, as ``inputs`` of the operator takes it. A generator is read once, item by item, so that
    memory doesn't grow with their number. The items are data: files of this machine and other connections
    need the ``allowed_`` arguments.

    The task returns the batch's summary. The function is called once: what follows a deferral, and a retry,
    reads the items from a file in the folder ``<manifest_uri>.parts``, which stays there. Items that hold a
    secret are not written there: the function is called again, and has to return the same.

    :param multiple_outputs: store each value of the summary as an XCom of its own, too.
    :param arguments: those of :class:`~airflow_provider_wiro.operators.wiro_batch.WiroBatchRunOperator`
        without ``inputs``, and of Airflow's ``BaseOperator``.
    """
    from airflow_provider_wiro.decorators.batch_operator import WiroDecoratedBatchOperator

    decorate: Callable[[Callable[P, Items]], DecoratedTask[P]] = _decorator(
        WiroDecoratedBatchOperator, python_callable, multiple_outputs, arguments
    )
    return decorate


def _decorator(
    operator: type[Any],
    python_callable: Callable[..., Any] | None,
    multiple_outputs: bool,
    arguments: Mapping[str, Any],
) -> Any:
    from airflow_provider_wiro.dag_arguments.literals import check_model

    # A mapped task's operator is made only when it runs.
    if "model" in arguments:
        check_model(arguments["model"])
    return task_decorator_factory(
        python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=operator,
        **arguments,
    )

"""Calls a decorated function with its arguments, and with what it asks for of Airflow's context."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import context_merge

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.version_compat import determine_kwargs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from airflow.providers.common.compat.sdk import Context


def check_function(function: object) -> None:
    """
    Raise for a function that can't be called as it is.

    :raises WiroUsageError: says what to write instead.
    """
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        name = getattr(function, "__name__", "")
        raise WiroUsageError(f"Expected a plain function, found `async def {name}`. Write `def {name}`.")


def call_function(
    function: Callable[..., Any], op_args: Collection[Any], op_kwargs: Mapping[str, Any], context: Context
) -> Any:
    """
    Call a function as Airflow's own decorators do.

    :param op_args: its positional arguments.
    :param op_kwargs: its keyword arguments. Others that it has come from the context.
    """
    context_merge(context, op_kwargs)
    return function(*op_args, **determine_kwargs(function, op_args, context))


def function_name(function: object) -> str:
    """Return a function's name, for messages."""
    return str(getattr(function, "__name__", type(function).__name__))

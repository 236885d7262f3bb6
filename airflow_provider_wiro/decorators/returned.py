"""Reads what a decorated function has returned: the parameters of one run, or parameters, files and label."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_wiro.exceptions import WiroUsageError

#: What a function may return in place of the parameters alone.
_WHOLE = ("parameters", "files", "label")
_EXPECTED = (
    'Expected a dict of the model\'s parameters, such as {"prompt": "a teapot"}, or {"parameters": {…}, '
    '"files": {…}, "label": "…"}. Nothing was sent.'
)


@dataclass(frozen=True)
class ReturnedRun:
    """
    What a function has returned for one run.

    :ivar files: file parameter → source or sources.
    :ivar label: as given, None if the function gave none.
    """

    parameters: Mapping[str, Any]
    files: Mapping[str, Any]
    label: Any


def read_run(found: Any, function: str) -> ReturnedRun:
    """
    Read what a function has returned for one run.

    A dict is the parameters. It is parameters, files and label if it has no other keys, and ``parameters`` or
    ``files`` is a dict.

    :param function: its name, for messages.
    :raises WiroUsageError: it returned something else.
    """
    if not isinstance(found, Mapping):
        raise WiroUsageError(f"The function {function!r} returned {shown(found)}. {_EXPECTED}")
    nested = [name for name in ("parameters", "files") if isinstance(found.get(name), Mapping)]
    if not nested:
        return ReturnedRun(found, {}, None)
    other = next((name for name in found if name not in _WHOLE), None)
    if other is not None:
        raise WiroUsageError(
            f"The function {function!r} returned {nested[0]!r} beside {str(other)[:50]!r}. {_EXPECTED}"
        )
    for name in ("parameters", "files"):
        if not isinstance(found.get(name, {}), Mapping | None):
            kind = type(found[name]).__name__
            raise WiroUsageError(
                f"The function {function!r} returned {name!r} as {kind}, expected a dict. {_EXPECTED}"
            )
    return ReturnedRun(found.get("parameters") or {}, found.get("files") or {}, found.get("label"))


def shown(found: Any) -> str:
    """Return a value that a function should not have returned, for a message: its type, no content."""
    if found is None:
        return "None: it may lack a `return`"
    if inspect.isgenerator(found):
        return "a generator; `yield` is for @task.wiro_batch"
    if isinstance(found, list | tuple):
        kind = type(found).__name__
        return f"a {kind} of {len(found)} items; for many runs use .expand() or @task.wiro_batch"
    return f"a value of type {type(found).__name__}"

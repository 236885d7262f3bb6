"""
Finds inputs of a task that other runs may need too, and that InputOutputDelete would delete.

Wiro deletes the inputs of a run with its outputs. A file that was sent with the run is a copy of its own; one
that the run was given by its URL (from File/Upload, or another task's output) may be an input of many runs.
Task/Detail shows both as a URL of Wiro's storage. Neither its path nor an empty ``{id}Url`` beside it
distinguishes them, since clients send unset parameters as empty text: so each counts as shared.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from airflow_provider_wiro.input_files.sent_files import SAMPLES, web_host

#: Wiro's storage; the API and the CDN are hosts of it, too.
_WIRO = "wiro.ai"
#: Fields of every Run that are no inputs of the model.
_NO_INPUTS = frozenset({"callbackUrl"})
_MAX_DEPTH = 20


def shared_inputs(parameters: Mapping[str, Any], wiro_urls: Iterable[str | None]) -> list[str]:
    """
    Return the names of the parameters that name a file in Wiro's storage, its samples excepted.

    :param parameters: of the task, as Task/Detail shows them.
    :param wiro_urls: URLs whose hosts are Wiro's beside ``wiro.ai``: the connection's, the task's outputs'.
    """
    hosts = {host for url in wiro_urls if (host := web_host(url or "")) is not None}
    return [
        name
        for name, value in parameters.items()
        if name not in _NO_INPUTS and any(_is_stored_at_wiro(url, hosts) for url in _urls(value, _MAX_DEPTH))
    ]


def _is_stored_at_wiro(url: str, hosts: Collection[str]) -> bool:
    host = web_host(url)
    if host is None or SAMPLES in url:  # which the deletion spares
        return False
    return host == _WIRO or host.endswith(f".{_WIRO}") or host in hosts


def _urls(value: Any, depth: int) -> Iterator[str]:
    """Yield what may be URLs in a parameter: one, several separated by commas, a list, JSON inside text."""
    if isinstance(value, str):
        found: Any = None
        if value.lstrip().startswith(("[", "{")):
            with suppress(ValueError, RecursionError):
                found = json.loads(value)
        if found is None:
            yield from (part.strip() for part in value.split(","))
        elif depth:
            yield from _urls(found, depth - 1)
    elif isinstance(value, Mapping | list | tuple) and depth:
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _urls(item, depth - 1)

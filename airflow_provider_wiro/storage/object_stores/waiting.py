"""Waits in a thread for what a store's client does in fsspec's event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

#: How often a waiting thread checks whether its task was stopped: a signal handler can't wake it.
_SLICE_SECONDS = 0.1


def wait_for(
    fs: Any,
    coroutine: Coroutine[Any, Any, T],
    check: Callable[[], None],
    *,
    most_seconds: float | None = None,
) -> T:
    """
    Return what a coroutine returns that runs in a file system's event loop.

    :param check: called now and then; what it raises cancels the coroutine.
    :param most_seconds: how long to wait; None: as long as the client's own timeouts allow.
    """
    future = asyncio.run_coroutine_threadsafe(coroutine, fs.loop)
    deadline = None if most_seconds is None else time.monotonic() + most_seconds
    try:
        while True:
            try:
                return future.result(_SLICE_SECONDS)
            except TimeoutError:
                if future.done() or (deadline is not None and time.monotonic() > deadline):
                    raise
            check()
    except BaseException:
        future.cancel()
        raise

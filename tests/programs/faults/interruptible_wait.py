"""Waits that Ctrl-C ends in every thread."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_SECONDS = 0.25
_STOPPED = threading.Event()


class BrokenPromiseError(Exception):
    """An expected event did not happen, or a forbidden one did."""


class StoppedError(Exception):
    """The program was stopped."""


def stop_waiting() -> None:
    """End every wait, current and future."""
    _STOPPED.set()


def pause(seconds: float) -> None:
    if _STOPPED.wait(seconds):
        raise StoppedError


def wait_for(what: str, is_so: Callable[[], Any], *, within_seconds: float) -> float:
    """Wait until the condition holds, and return how many seconds that took."""
    started_at = time.monotonic()
    while not is_so():
        if time.monotonic() - started_at > within_seconds:
            raise BrokenPromiseError(f"after {within_seconds:.0f} s still not so: {what}")
        pause(_POLL_SECONDS)
    return time.monotonic() - started_at

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
    """Something did not happen, or happened that must not."""


class StoppedError(Exception):
    """The program was stopped."""


def stop_waiting() -> None:
    """End every wait there is, now and later."""
    _STOPPED.set()


def pause(seconds: float) -> None:
    if _STOPPED.wait(seconds):
        raise StoppedError


def wait_for(what: str, is_so: Callable[[], Any], *, within_seconds: float) -> float:
    """Wait until it is so, and return how many seconds that took."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > within_seconds:
            raise BrokenPromiseError(f"after {within_seconds:.0f} s still not so: {what}")
        pause(_POLL_SECONDS)
    return time.monotonic() - began

"""Why a request failed, in words that are safe to show: a library's own may quote a URL and its secrets."""

from __future__ import annotations

import os
import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what is wrapped in it, from the outside to the inside."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        inner = getattr(cause, "reason", None) or getattr(cause, "original_error", None)
        if inner is None:
            inner = next((argument for argument in cause.args if isinstance(argument, BaseException)), None)
        cause = inner if isinstance(inner, BaseException) else cause.__cause__


def reason(error: BaseException) -> str:
    """Return the kind of an error, and what the operating system or TLS said; never its own text."""
    told = [text for cause in causes(error) if (text := _told(cause))]
    return f"{type(error).__name__} ({told[-1]})" if told else type(error).__name__


def _told(cause: BaseException) -> str | None:
    if isinstance(cause, ssl.SSLError):
        return cause.reason
    if isinstance(cause, socket.gaierror):
        return cause.strerror
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno)
    return None

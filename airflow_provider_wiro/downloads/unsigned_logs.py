"""
Keeps the signatures of outputs' links out of urllib3's log.

At level DEBUG it writes each request's path with its query, and so where a redirect leads: links that give
the file to every reader of the log.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WRITER = "urllib3.connectionpool"
_of_this_thread = threading.local()


@contextmanager
def unsigned_logs() -> Iterator[None]:
    """Hide queries in what urllib3 logs of this thread's requests; those of others are left alone."""
    logging.getLogger(_WRITER).addFilter(_hide_queries)  # noqa: TID251  urllib3's; added once, however often this is called
    before = getattr(_of_this_thread, "hides", False)
    _of_this_thread.hides = True
    try:
        yield
    finally:
        _of_this_thread.hides = before


def _hide_queries(record: logging.LogRecord) -> bool:
    if getattr(_of_this_thread, "hides", False) and isinstance(record.args, tuple):
        record.args = tuple(_shown(value) if isinstance(value, str) else value for value in record.args)
    return True


def _shown(value: str) -> str:
    path, mark, _ = value.partition("?")
    return f"{path}?…" if mark else path

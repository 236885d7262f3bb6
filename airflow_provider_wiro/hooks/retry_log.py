"""Log lines for repeated calls, so that an outage doesn't look like a task that hangs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_wiro.api.flow import Pause

#: On an event loop many calls share a connection, and an outage fails all of them: they share a line.
_QUIET_SECONDS = 5.0
_LAST_LINE_AT: dict[tuple[str, str], float] = {}


def log_retry(log: Any, step: Pause) -> None:
    """Log what failed and when it is repeated; nothing for a pause with another reason."""
    if step.failure:
        log.warning("%s Trying again in %.1f s.", step.failure, step.seconds)


def log_retry_of_many(log: Any, step: Pause, address: str, conn_id: str) -> None:
    """Do the same for one of many calls: at most a line every five seconds for each connection."""
    now = time.monotonic()
    key = (address, conn_id)
    if step.failure and now - _LAST_LINE_AT.get(key, -_QUIET_SECONDS) >= _QUIET_SECONDS:
        _LAST_LINE_AT[key] = now
        log_retry(log, step)

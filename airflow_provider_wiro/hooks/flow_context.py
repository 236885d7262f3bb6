"""What the two hooks share: the world as a flow sees it, and the plan for following a task."""

from __future__ import annotations

import math
import random
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import conf

from airflow_provider_wiro.api.flow import FlowContext
from airflow_provider_wiro.api.polling import Polling, check_poll_interval
from airflow_provider_wiro.api.retry import LOST_RUN_PATIENCE_SECONDS, POLL_PATIENCE_SECONDS, RateGate
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.transport.connection import WiroConnection

#: Called with what each poll of a task shows.
Observe = Callable[["Task"], None]

#: How long a task is followed if nobody says how long.
DEFAULT_TIMEOUT_SECONDS = 3600.0

_SMALLEST_STEP = timedelta(seconds=0.1)

#: One rate gate for each base URL and key in this process: a 429 counts for the whole project.
_GATES: dict[tuple[str, str], RateGate] = {}


def now() -> datetime:
    """Return the wall clock's time, aware: for moments that are stored, or come from elsewhere."""
    return datetime.now(UTC)


class SteadyClock:
    """
    The time, aware, by a clock that is not set: the wall clock's time when this is made, and from then on the
    monotonic clock's.

    Waits are planned by it. A wall clock that is set an hour back would make each an hour longer, and one set
    forward would end it early. Made when a wait begins, so that absolute deadlines mean what they say.
    """

    def __init__(self) -> None:
        self._began_at = datetime.now(UTC)
        self._began = time.monotonic()

    def __call__(self) -> datetime:
        """Return the time."""
        return self._began_at + timedelta(seconds=time.monotonic() - self._began)

    def timestamp(self) -> float:
        """Return the time, as Unix time."""
        return self().timestamp()

    def from_wall(self, moment: datetime) -> datetime:
        """Return a moment of the wall clock, such as a deadline from a record, as a moment of this one."""
        return moment + self._ahead_of_wall()

    def to_wall(self, moment: datetime) -> datetime:
        """Return a moment of this clock, to be stored or handed on, as a moment of the wall clock."""
        return moment - self._ahead_of_wall()

    def _ahead_of_wall(self) -> timedelta:
        ahead = self() - now()
        # Less than this is no step of the clock, and a moment that goes to and fro stays what it was.
        return ahead if abs(ahead) > _SMALLEST_STEP else timedelta(0)


def outside(connection: WiroConnection) -> FlowContext:
    """Return the world for a flow on this connection, which begins now."""
    key = (connection.base_url, connection.credentials.key)
    return FlowContext(
        credentials=connection.credentials,
        now=SteadyClock(),
        random=random.random,
        # 63 random bits: unique among all workers without their talking to each other.
        nonce=lambda: secrets.randbits(63),
        gate=_GATES.setdefault(key, RateGate(time.monotonic)),
        host=urlsplit(connection.base_url).hostname or "",
        address=urlsplit(connection.base_url).netloc,
        conn_id=connection.conn_id,
    )


def polling(
    *,
    timeout: float | None = None,
    deadline: datetime | None = None,
    poll_interval: float | None = None,
    started_at: datetime | None = None,
) -> Polling:
    """
    Return the plan for following a task; ``timeout`` is in seconds from now and goes before ``deadline``.

    With neither it is followed for an hour: no wait is without an end.
    """
    if timeout is None and deadline is None:
        timeout = DEFAULT_TIMEOUT_SECONDS
    until = deadline if timeout is None else now() + timedelta(seconds=timeout)
    return Polling(started_at or now(), until, check_poll_interval(poll_interval))


def poll_patience_seconds() -> float:
    """
    Return for how long failing polls are ridden out.

    :raises WiroUsageError: ``[wiro] poll_patience`` is no time.
    """
    return _configured_seconds("poll_patience", POLL_PATIENCE_SECONDS)


def lost_run_patience_seconds() -> float:
    """
    Return for how long Wiro may be at work on a Run whose answer timed out, counted from its last byte.

    :raises WiroUsageError: ``[wiro] lost_run_patience`` is no time.
    """
    return _configured_seconds("lost_run_patience", LOST_RUN_PATIENCE_SECONDS)


def _configured_seconds(option: str, default: float) -> float:
    found = conf.get("wiro", option, fallback=str(default))
    try:
        seconds = float(found)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise WiroUsageError(f"[wiro] {option} has to be seconds, 0 or more, got {found!r}.")
    return seconds


def ignore(_: Task) -> None:
    """Observe nothing."""

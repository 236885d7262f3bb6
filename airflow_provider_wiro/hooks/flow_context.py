"""What the two hooks share: the context that a flow needs, and the polling plan for a task."""

from __future__ import annotations

import math
import random
import secrets
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import conf

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.api.flow import FlowContext
from airflow_provider_wiro.api.polling import Polling, check_poll_interval
from airflow_provider_wiro.api.retry import LOST_RUN_PATIENCE_SECONDS, POLL_PATIENCE_SECONDS, RateGate
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.catalog.model_cache import ModelCache
    from airflow_provider_wiro.transport.connection import WiroConnection

#: Called with the task that each poll returns.
Observe = Callable[["Task"], None]

#: For how long a task is followed by default.
DEFAULT_TIMEOUT_SECONDS = 3600.0

_SMALLEST_STEP = timedelta(seconds=0.1)

#: One rate gate for each base URL and key in this process: a 429 counts for the whole project.
_GATES: dict[tuple[str, str], RateGate] = {}


def now() -> datetime:
    """Return the wall clock's time as an aware datetime: for times that are stored or come from elsewhere."""
    return datetime.now(UTC)


class SteadyClock:
    """
    A clock of aware datetimes that nobody sets: it starts at the wall clock's time, and advances with the
    monotonic clock.

    Waits are planned by it: a wall clock set an hour back would make each an hour longer, and one set forward
    would end it early. Create one when a wait starts, so that absolute deadlines stay correct.
    """

    def __init__(self) -> None:
        self._started_at = datetime.now(UTC)
        self._started = time.monotonic()

    def __call__(self) -> datetime:
        """Return the time as an aware datetime."""
        return self._started_at + timedelta(seconds=time.monotonic() - self._started)

    def timestamp(self) -> float:
        """Return the time, as Unix time."""
        return self().timestamp()

    def from_wall(self, moment: datetime) -> datetime:
        """Convert a time of the wall clock, such as a deadline from a record, to a time of this clock."""
        return moment + self._ahead_of_wall()

    def to_wall(self, moment: datetime) -> datetime:
        """Convert a time of this clock to a time of the wall clock, to store it or pass it on."""
        return moment - self._ahead_of_wall()

    def _ahead_of_wall(self) -> timedelta:
        ahead = self() - now()
        # Less than this is no step of the clock; a time converted there and back then stays the same.
        return ahead if abs(ahead) > _SMALLEST_STEP else timedelta(0)


def new_context(connection: WiroConnection) -> FlowContext:
    """Return the context of a flow that starts now on this connection."""
    key = (connection.base_url, connection.credentials.key)
    return FlowContext(
        credentials=connection.credentials,
        now=SteadyClock(),
        random=random.random,
        # 63 random bits: unique among all workers without coordination.
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
    Return the plan for following a task; ``timeout``, in seconds from now, takes precedence over
    ``deadline``.

    With neither, the task is followed for an hour: every wait has an end.
    """
    if timeout is None and deadline is None:
        timeout = DEFAULT_TIMEOUT_SECONDS
    until = deadline if timeout is None else now() + timedelta(seconds=timeout)
    return Polling(started_at or now(), until, check_poll_interval(poll_interval))


def poll_patience_seconds() -> float:
    """
    Return the seconds for which failing polls are tolerated.

    :raises WiroUsageError: ``[wiro] poll_patience`` is not a number of seconds.
    """
    return _configured_seconds("poll_patience", POLL_PATIENCE_SECONDS)


def lost_run_patience_seconds() -> float:
    """
    Return the seconds, from a Run's last byte, for which Wiro may still process it if its response timed out.

    :raises WiroUsageError: ``[wiro] lost_run_patience`` is not a number of seconds.
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


def model_cache(connection: WiroConnection) -> ModelCache:
    """
    Return this machine's cache of the models that a connection sees.

    :raises WiroUsageError: ``[wiro] model_cache_path`` is no absolute path.
    """
    from airflow_provider_wiro.catalog.model_cache import ModelCache, own_folder

    configured = version_compat.configured_model_cache_path()
    folder = Path(tempfile.gettempdir() if configured is None else configured).expanduser()
    if not folder.is_absolute() or "://" in (configured or ""):
        raise WiroUsageError(
            "Expected [wiro] model_cache_path as an absolute path on this machine, found "
            f"{configured!r:.200}."
        )
    account = (connection.base_url, connection.credentials.key, connection.project_id or "")
    return ModelCache(own_folder(folder), account)


def ignore(_: Task) -> None:
    """Do nothing with an observed task."""

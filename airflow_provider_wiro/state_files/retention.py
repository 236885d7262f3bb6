"""
Retention of records and journals whose result was returned: kept for some hours for a retry, then removed.

A worker can die after the result was returned and before Airflow has recorded the success; the retry then
returns the same result. After that the record is of no use. So it moves into one folder, under a name that
begins with the time until which it is kept, and some of the moves remove what has expired: 300,000 runs a day
leave about 75,000 files.
"""

from __future__ import annotations

import hashlib
import random
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.state_files.dag_run import start_of
from airflow_provider_wiro.state_files.folder import instance_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.state_files.folder import StateFolder
    from airflow_provider_wiro.storage.folder import Folder

#: Beside the folders of DAGs, none of which can have this name.
_FOLDER = "~spent"
#: Kept for this long plus the task's longest retry delay: by then Airflow has noticed a dead worker, and a
#: retry has found a slot.
KEPT = timedelta(hours=4)
_LONGEST_BACKOFF = timedelta(days=1)  # Airflow's own limit on an exponential delay
_STEP_SECONDS = 2 * 3600
#: Each move looks for expired files with this chance, and removes at most the next number of them.
CLEANING_CHANCE = 0.05
_REMOVED_AT_ONCE = 200


class RetainedFile:
    """
    One task instance's file in the folder of those whose result was returned.

    :param folder: the one of :func:`retained_folder_uri`.
    :param now: Unix time in seconds.
    :param random: from 0 to 1; below ``CLEANING_CHANCE`` a move looks for expired files.
    """

    def __init__(
        self,
        folder: Folder,
        context: Context,
        *,
        now: Callable[[], float] = time.time,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._folder = folder
        ids = instance_key(context)
        label = start_of(context).label
        #: This DAG run's id, and the task instance's id in an earlier version.
        self._ids = dict.fromkeys(_digest(filter(None, key)) for key in ((*ids, label), ids))
        self._is_first_try = context["ti"].try_number <= 1
        self._kept = (KEPT + _longest_retry_delay(context)).total_seconds()
        self._now = now
        self._random = random

    def get(self) -> bytes | None:
        """Return what an earlier try has put, None if it has put nothing or that has expired."""
        if self._is_first_try:
            return None
        now = self._now()
        latest = now + self._kept
        while latest > now - _STEP_SECONDS:
            for instance in self._ids:
                if (body := self._folder.read(_name(latest, instance))) is not None:
                    return body
            latest -= _STEP_SECONDS
        return None

    def put(self, body: bytes) -> None:
        """Keep a file for a retry, and remove some that have expired."""
        self._folder.write(_name(self._now() + self._kept, next(iter(self._ids))), body)
        if self._random() < CLEANING_CHANCE:
            self._remove_expired()

    def _remove_expired(self) -> None:
        limit = _label(self._now() - _STEP_SECONDS)
        try:
            for name in sorted(self._folder.names(_REMOVED_AT_ONCE))[:_REMOVED_AT_ONCE]:
                if name[: len(limit)] <= limit:
                    self._folder.delete(name)
        except Exception:  # noqa: S110  a later run tries again; this one has succeeded
            pass


def retained_folder_uri(folder: StateFolder) -> str:
    """Return the folder of the files that are kept only for retries."""
    return f"{folder.uri}/{_FOLDER}"


def _digest(key: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(key).encode()).hexdigest()[:32]


def _name(at: float, instance: str) -> str:
    return f"{_label(at)}-{instance}.json"


def _label(at: float) -> str:
    """Return the start of a moment's time step, as text that sorts by time."""
    return datetime.fromtimestamp(at // _STEP_SECONDS * _STEP_SECONDS, tz=UTC).strftime("%Y%m%dT%H")


def _longest_retry_delay(context: Context) -> timedelta:
    task: Any = context.get("task")
    delay = getattr(task, "retry_delay", None)
    delay = delay if isinstance(delay, timedelta) else timedelta(minutes=5)
    if not getattr(task, "retry_exponential_backoff", False):
        return delay
    return max(delay, getattr(task, "max_retry_delay", None) or _LONGEST_BACKOFF)

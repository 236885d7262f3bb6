"""
Timestamps in stored records: ISO 8601 in UTC, readable by people; Unix seconds inside the package.

The first versions stored Unix seconds, so both are read.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_provider_wiro.api.decoding.fields import moment


def to_stored(seconds: float) -> str:
    """Return Unix seconds as they are stored, such as ``2026-11-27T04:12:09.250000+00:00``."""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="microseconds")


def to_stored_or_none(seconds: float | None) -> str | None:
    """Return Unix seconds that may be missing, likewise."""
    return None if seconds is None else to_stored(seconds)


def from_stored(stored: object) -> float:
    """
    Return a stored moment as Unix seconds.

    :raises ValueError: it is none, or absurd.
    """
    if isinstance(stored, str) and "T" in stored:
        found: datetime | None = datetime.fromisoformat(stored)
    else:
        found = moment(stored)
    if found is None or found.tzinfo is None or found.timestamp() <= 0:
        raise ValueError(f"Expected a moment such as {to_stored(1_764_216_729)}, found {str(stored)[:50]!r}.")
    return found.timestamp()


def from_stored_or_none(stored: object) -> float | None:
    """Return a stored moment that may be missing, likewise."""
    return None if stored is None else from_stored(stored)

"""Period: from when to when, as people and templates write it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Self

from airflow_provider_wiro.exceptions import WiroUsageError

#: A moment as it may be given.
Moment = datetime | timedelta | str


@dataclass(frozen=True)
class Period:
    """
    A period of time.

    :ivar since: its first moment.
    :ivar until: the first moment after it.
    :ivar is_open: it has no end, and ``until`` is only when it was asked for: by Wiro's clock, which can be
        ahead of this machine's, a task can be created after that.
    """

    since: datetime
    until: datetime
    is_open: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, since: object, until: object, now: datetime) -> Self:
        """
        Read a period.

        :param until: None for now.
        :raises WiroUsageError: one of them is no moment, or the end is not after the beginning.
        """
        first = moment_of("since", since, now)
        end = now if until is None else moment_of("until", until, now)
        if first >= end:
            last = "now" if until is None else f"`until`, which is {end.isoformat()}"
            raise WiroUsageError(f"Expected since before {last}, found {first.isoformat()}.")
        return cls(first, end, is_open=until is None)

    def __contains__(self, moment: datetime) -> bool:
        return self.since <= moment and (self.is_open or moment < self.until)

    def __str__(self) -> str:
        return f"from {self.since.isoformat()} to {self.until.isoformat()}"


def moment_of(name: str, value: object, now: datetime) -> datetime:
    """
    Return a moment, with its time zone. One without a time zone is UTC.

    :param name: of the argument, for the error.
    :param value: a datetime; ISO text, such as what ``{{ data_interval_start }}`` and ``{{ ds }}`` give; or a
        timedelta, which is that long before ``now``.
    :raises WiroUsageError: it is none of these.
    """
    found = value
    if isinstance(found, str):
        try:
            found = datetime.fromisoformat(found.strip())
        except ValueError:
            raise _no_moment(name, value) from None
    elif isinstance(found, date) and not isinstance(found, datetime):
        found = datetime.combine(found, time())
    elif isinstance(found, timedelta):
        if found <= timedelta(0):
            raise _no_moment(name, value)
        try:
            found = now - found
        except OverflowError:
            raise _no_moment(name, value) from None
    if not isinstance(found, datetime):
        raise _no_moment(name, value)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _no_moment(name: str, value: object) -> WiroUsageError:
    hint = ""
    if value is None or value in {"", "None"}:
        hint = " A DAG run started by hand or by an asset may have no data interval: give a timedelta."
    return WiroUsageError(
        f"Expected {name} as a datetime, as ISO text such as '2026-11-27T00:00:00+00:00', or as a positive "
        f"timedelta (so long ago), found {value!r:.100}.{hint}"
    )

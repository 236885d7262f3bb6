"""Airflow's Stats, as far as the provider uses them: keeps what it is given."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat import sdk

if TYPE_CHECKING:
    from datetime import timedelta


class StatsRecorder:
    """
    Keeps counts and times by metric.

    :ivar fails: raise instead.
    """

    def __init__(self) -> None:
        self.counts: dict[str, list[tuple[float, dict[str, str]]]] = defaultdict(list)
        self.times: dict[str, list[tuple[timedelta, dict[str, str]]]] = defaultdict(list)
        self.fails = False

    def incr(self, name: str, count: float = 1, rate: float = 1, *, tags: Any = None) -> None:
        if self.fails:
            raise ConnectionError("the metrics server is gone")
        self.counts[name].append((count, dict(tags or {})))

    def timing(self, name: str, dt: timedelta, *, tags: Any = None) -> None:
        if self.fails:
            raise ConnectionError("the metrics server is gone")
        self.times[name].append((dt, dict(tags or {})))

    @property
    def states(self) -> list[str]:
        """The states of the runs that were counted."""
        return [tags["state"] for _, tags in self.counts["wiro.runs"]]

    def total(self, name: str) -> float:
        return sum(count for count, _ in self.counts[name])


@pytest.fixture
def stats(monkeypatch: pytest.MonkeyPatch) -> StatsRecorder:
    """Airflow's metrics are on, and go here."""
    recorder = StatsRecorder()
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "True")
    monkeypatch.setattr(sdk, "Stats", recorder, raising=False)
    return recorder

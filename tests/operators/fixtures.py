"""Fixtures for the folders that test what Airflow sees, against the emulator and without a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.api import retry
from airflow_provider_wiro.emulator import WiroEmulator
from airflow_provider_wiro.hooks import flow_context
from airflow_provider_wiro.hooks import wiro as wiro_hook
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.sensors.wiro import WiroTaskSensor
from airflow_provider_wiro.triggers.wiro import WiroTaskTrigger
from tests.operators.fakes import FakeLog, Work

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait little; nobody here tests how long a pause or a deferral is. No rate limit outlives its test."""
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(wiro_hook, "_SLICE_SECONDS", 0.02)
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "0.05")
    monkeypatch.setattr(flow_context, "_GATES", {})
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "0")


@pytest.fixture
def wiro(monkeypatch: pytest.MonkeyPatch, _short_waits: None) -> Iterator[WiroEmulator]:
    """Wiro, a hundred times as fast as usual, behind the connection ``wiro_default``."""
    with WiroEmulator(speed=100) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", emulator.connection)
        yield emulator
    assert emulator.counts.nonces_repeated == 0


@pytest.fixture
def task_log(monkeypatch: pytest.MonkeyPatch) -> FakeLog:
    """Return what the operator, the sensor and the trigger write into their logs."""
    log = FakeLog()
    for kind in (WiroRunOperator, WiroTaskSensor, WiroTaskTrigger):
        monkeypatch.setattr(kind, "log", property(lambda _: log))
    return log


@pytest.fixture
def work(wiro: WiroEmulator, task_log: FakeLog) -> Work:
    """Return one Airflow task instance that runs a model."""
    return Work(wiro, task_log)

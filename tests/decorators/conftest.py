"""Fixtures: the emulator behind ``wiro_default``, and decorated tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.batch import concurrency, submission
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.triggers import wiro_batch
from airflow_provider_wiro.triggers.wiro_batch import WiroBatchTrigger
from tests.decorators.fakes import DecoratedBatchWork, DecoratedWork
from tests.operators.fixtures import _short_waits, task_log, wiro
from tests.transfers.conftest import _quick_boto3, moto_url, s3

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.operators.fakes import FakeLog

__all__ = ["_quick_boto3", "_short_waits", "moto_url", "s3", "task_log", "wiro"]


@pytest.fixture
def work(wiro: WiroEmulator, task_log: FakeLog) -> DecoratedWork:
    """Return one Airflow task instance that runs what a function returns."""
    return DecoratedWork(wiro, task_log)


@pytest.fixture
def batch(
    wiro: WiroEmulator, task_log: FakeLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DecoratedBatchWork:
    """Return one Airflow task instance that runs the items that a function returns; its waits are short."""
    for kind in (WiroBatchRunOperator, WiroBatchTrigger):
        monkeypatch.setattr(kind, "log", property(lambda _: task_log))
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "0.05")
    monkeypatch.setattr(wiro_batch, "GATHERING_SECONDS", 0.1)
    monkeypatch.setattr(concurrency, "RAISE_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(submission, "TROUBLE_PAUSE_SECONDS", 0.02)
    return DecoratedBatchWork(wiro, task_log, folder=tmp_path)

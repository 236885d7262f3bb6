"""Fixtures of the batch: the emulator behind `wiro_default`, S3 behind `aws_default`, and a batch to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.batch import concurrency, submission
from airflow_provider_wiro.batch.journal import location
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.triggers import wiro_batch
from airflow_provider_wiro.triggers.wiro_batch import WiroBatchTrigger
from tests.batch.batch_work import BatchWork
from tests.operators.fakes import FakeLog
from tests.operators.fixtures import _short_waits, wiro
from tests.transfers.conftest import _quick_boto3, bucket, moto_url, s3, seaweedfs, store

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_wiro.emulator import WiroEmulator

__all__ = ["_quick_boto3", "_short_waits", "bucket", "moto_url", "s3", "seaweedfs", "store", "wiro"]


@pytest.fixture
def task_log(monkeypatch: pytest.MonkeyPatch) -> FakeLog:
    """Return what the operator and the trigger write into their logs."""
    log = FakeLog()
    for kind in (WiroBatchRunOperator, WiroBatchTrigger):
        monkeypatch.setattr(kind, "log", property(lambda _: log))
    return log


@pytest.fixture
def work(wiro: WiroEmulator, task_log: FakeLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BatchWork:
    """Return one Airflow task instance that runs a batch; its waits are short."""
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "0.05")
    monkeypatch.setattr(wiro_batch, "GATHERING_SECONDS", 0.1)
    monkeypatch.setattr(concurrency, "RAISE_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(submission, "TROUBLE_PAUSE_SECONDS", 0.02)
    # Most tests read the journal of a batch that is over; test_spent_batches.py has it removed.
    monkeypatch.setattr(location, "_discard", lambda *_: None)
    return BatchWork(wiro, task_log, folder=tmp_path)

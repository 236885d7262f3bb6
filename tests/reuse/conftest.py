"""Fixtures: the emulator behind `wiro_default`, an empty bucket behind `aws_default`, an Airflow task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.operators.fakes import Work
from tests.operators.fixtures import _short_waits, task_log, wiro
from tests.transfers.conftest import _quick_boto3, bucket, calls, moto_url, s3, seaweedfs

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.operators.fakes import FakeLog

__all__ = [
    "_quick_boto3",
    "_short_waits",
    "bucket",
    "calls",
    "moto_url",
    "s3",
    "seaweedfs",
    "task_log",
    "wiro",
]

#: Where the tests keep result cards.
CARDS = "s3://aws_default@outputs/cards"


@pytest.fixture
def work(wiro: WiroEmulator, task_log: FakeLog) -> Work:
    """Return one Airflow task instance that runs a model and reuses results."""
    return Work(wiro, task_log, settings={"reuse_results": CARDS})

"""Fixtures of the export: an export in a local folder, and S3 behind `aws_default`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.export.exports import Export
from tests.transfers.conftest import _quick_boto3, bucket, moto_url, s3, seaweedfs, store

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["_quick_boto3", "bucket", "moto_url", "s3", "seaweedfs", "store"]


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Return an export whose state is in a local folder."""
    return Export(tmp_path)

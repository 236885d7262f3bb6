from __future__ import annotations

from tests.gallery.stores import as_a_new_process
from tests.transfers.conftest import _quick_boto3, moto_url, s3, store

__all__ = ["_quick_boto3", "as_a_new_process", "moto_url", "s3", "store"]

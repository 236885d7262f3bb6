from __future__ import annotations

from tests.gallery.stores import as_a_new_process, quick_boto3, s3, store

__all__ = ["as_a_new_process", "quick_boto3", "s3", "store"]

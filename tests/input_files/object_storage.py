"""Object stores for tests: one in memory, and moto's S3 over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests import quick_s3

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "inputs"

#: For a child process. Not `ru_maxrss`: that starts with the peak of the parent process.
PEAK = """
def peak_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
"""


def storage_path(uri: str) -> Any:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    return ObjectStoragePath(uri)


def attach_memory() -> None:
    """Register `memory://` as a store: no provider does."""
    from fsspec.implementations.memory import MemoryFileSystem

    try:
        from airflow.sdk.io import attach
    except ImportError:  # Airflow 2
        from airflow.io.store import attach  # type: ignore[no-redef]
    attach("memory", fs=MemoryFileSystem())
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


class Bucket:
    """A bucket on a moto server, and the requests that the server received."""

    def __init__(self, endpoint_url: str) -> None:
        self.client: Any = quick_s3.client(endpoint_url)
        self.client.create_bucket(Bucket=BUCKET)

    def uri(self, key: str) -> str:
        return f"s3://aws_default@{BUCKET}/{key}"

    def put(self, key: str, body: Any) -> str:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)
        return self.uri(key)

    def get(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    @property
    def keys(self) -> list[str]:
        return [item["Key"] for item in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    @property
    def open_uploads(self) -> list[str]:
        return [item["Key"] for item in self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]


def forget_stores() -> None:
    """
    Make Airflow open each store again: it caches them by connection id, and each test has its own server.
    """
    import fsspec

    try:
        from airflow.sdk.io import store
    except ImportError:  # Airflow 2
        from airflow.io import store  # type: ignore[no-redef]
    store._STORE_CACHE.clear()
    fsspec.AbstractFileSystem.clear_instance_cache()


def serve_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Yield an empty bucket, to which the connection ``aws_default`` leads."""
    pytest.importorskip("s3fs")
    url = quick_s3.moto_url()
    requests.post(f"{url}/moto-api/reset", timeout=5).close()
    extra = {"endpoint_url": url, "region_name": "us-east-1"}
    fields = {"conn_type": "aws", "login": "a", "password": "b", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(fields))
    forget_stores()
    yield Bucket(url)
    forget_stores()

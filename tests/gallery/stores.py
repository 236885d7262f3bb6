"""Stores for the tests of media and manifests, to which ``aws_default`` leads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import requests

from airflow_provider_wiro.gallery.manifests import manifest as manifests
from airflow_provider_wiro.gallery.media import presigned, response
from airflow_provider_wiro.gallery.ranged import s3_clients, store_calls, store_object
from tests import quick_s3
from tests.programs.system.seaweedfs import SeaweedFS, running_seaweedfs
from tests.transfers.gateway import Gateway, connect_s3, serve_gateway
from tests.transfers.s3 import BUCKET, S3
from tests.transfers.seaweedfs_bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def as_a_new_process() -> None:
    """Forget what the last test has left: each one has another store behind the same connection."""
    for cache in (
        s3_clients._clients,
        response._facts,
        presigned._origins,
        store_object._facts,
        store_calls.calls._out,
        manifests._cache.versions,
        manifests._cache.blocks,
        manifests._cache.places,
    ):
        cache.clear()


@pytest.fixture(scope="session", autouse=True)
def quick_boto3() -> None:
    quick_s3.quicken_boto3()


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A real S3 server, which checks signatures and their times."""
    folder = tmp_path_factory.mktemp("seaweedfs")
    with running_seaweedfs(folder / "data", log=folder / "log", bucket=BUCKET) as server:
        yield server


@pytest.fixture
def bucket(seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket on SeaweedFS, to which the connection ``aws_default`` leads."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", seaweedfs.airflow_connection())
    one = Bucket(seaweedfs)
    yield one
    one.client.close()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> S3:
    """An empty bucket on moto, to which the connection ``aws_default`` leads."""
    url = quick_s3.moto_url()
    extra = {"endpoint_url": url, "region_name": "us-east-1"}
    fields = {"conn_type": "aws", "login": "a", "password": "b", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(fields))
    requests.post(f"{url}/moto-api/reset", timeout=5).close()
    return S3(url)


@pytest.fixture
def store(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """A store in front of the bucket, to which ``aws_default`` leads."""
    for one in serve_gateway(s3.endpoint_url):
        connect_s3(monkeypatch, endpoint_url=one.origin)
        yield one

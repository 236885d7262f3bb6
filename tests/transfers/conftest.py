from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
import requests

from airflow_provider_wiro.export import execution, opening
from tests import quick_s3
from tests.contract.fixtures import _short_pauses, cdn, connect, no_repeats, server, twin
from tests.programs.system.seaweedfs import SeaweedFS, running_seaweedfs
from tests.transfers.fake_project import Exports, Project
from tests.transfers.fake_wiro import Wiro
from tests.transfers.gateway import Gateway, connect_s3, serve_gateway
from tests.transfers.s3 import BUCKET, S3
from tests.transfers.s3_calls import Calls
from tests.transfers.seaweedfs_bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.contract.hostile import HostileServer

__all__ = ["_short_pauses", "cdn", "connect", "no_repeats", "server", "twin"]


@pytest.fixture(scope="session", autouse=True)
def _quick_boto3() -> None:
    quick_s3.quicken_boto3()


@pytest.fixture(scope="session")
def moto_url() -> str:
    return quick_s3.moto_url()


@pytest.fixture
def s3(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> S3:
    """An empty bucket, to which the connection ``aws_default`` leads."""
    extra = {"endpoint_url": moto_url, "region_name": "us-east-1"}
    fields = {"conn_type": "aws", "login": "a", "password": "b", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(fields))
    requests.post(f"{moto_url}/moto-api/reset", timeout=5).close()
    return S3(moto_url)


@pytest.fixture
def store(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """A store in front of the bucket, to which ``aws_default`` leads."""
    for one in serve_gateway(s3.endpoint_url):
        connect_s3(monkeypatch, endpoint_url=one.origin)
        yield one


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A real S3 server, which checks signatures and checksums as moto does not. It starts in a second."""
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
def wiro(server: HostileServer, cdn: HostileServer) -> Wiro:
    """Wiro with task 2221, to which a test gives its outputs."""
    return Wiro(server, cdn)


@pytest.fixture
def project(server: HostileServer, cdn: HostileServer, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Wiro with the tasks that a test adds. What is missing is tried again soon."""
    monkeypatch.setattr(execution, "LATE_FILES_SECONDS", 0.05)
    return Project(server, cdn)


@pytest.fixture
def exports(s3: S3) -> Exports:
    """Runs of one export."""
    return Exports(s3)


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """The clock by which a run of an export that is silent counts as dead."""
    passed = 0.0

    class Clock:
        monotonic = staticmethod(time.monotonic)

        @staticmethod
        def time() -> float:
            return time.time() + passed

    def pass_time(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(opening, "time", Clock)
    return pass_time


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """All calls that boto3 makes."""
    return Calls(monkeypatch)

"""A Wiro and a bucket for the examples: the emulator, and moto over HTTP."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from airflow_provider_wiro.emulator import WiroEmulator

if TYPE_CHECKING:
    from collections.abc import Iterator


class Bucket:
    """The objects that the examples wrote to S3."""

    def __init__(self, client: Any, name: str, connection: str) -> None:
        self._client = client
        self.name = name
        self.connection = connection

    def objects(self) -> dict[str, bytes]:
        listed = self._client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return {item["Key"]: self.read(item["Key"]) for item in listed}

    def read(self, key: str) -> bytes:
        body: bytes = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body

    def metadata(self, key: str) -> dict[str, str]:
        found: dict[str, str] = self._client.head_object(Bucket=self.name, Key=key)["Metadata"]
        return found

    def write(self, key: str, body: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=key, Body=body)


@pytest.fixture
def wiro(monkeypatch: pytest.MonkeyPatch) -> Iterator[WiroEmulator]:
    with WiroEmulator(speed=20) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", emulator.connection)
        yield emulator


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    connection = json.dumps(
        {
            "conn_type": "aws",
            "login": "test-key",
            "password": "test-secret",
            "extra": {"endpoint_url": f"http://{host}:{port}", "region_name": "us-east-1"},
        }
    )
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection)
    # All moto servers of a process share their buckets: each test gets its own bucket.
    name = f"wiro-{uuid.uuid4()}"
    monkeypatch.setenv("WIRO_EXAMPLE_BUCKET", name)
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="test-key",
        aws_secret_access_key="test-secret",
    )
    client.create_bucket(Bucket=name)
    yield Bucket(client, name, connection)
    client.close()
    server.stop()

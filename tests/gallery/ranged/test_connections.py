"""An API server finds the S3 connections of its database, its environment and its secrets backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import airflow
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.airflow_home import AirflowHome

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.skipif(
        tuple(int(part) for part in airflow.__version__.split(".")[:2]) < (3, 1),
        reason="below Airflow 3.1 there is no gallery",
    ),
]

#: The module is what `airflow api-server` loads; it makes a process one of a server.
_PROGRAM = """
import json, sys
import airflow.api_fastapi.main
from airflow.models import Connection
from airflow.utils.session import create_session
from airflow_provider_wiro.exceptions import WiroMissingConnectionError
from airflow_provider_wiro.gallery.ranged import s3_clients

def key_of(conn_id):
    try:
        return s3_clients.s3_client(conn_id)._request_signer._credentials.access_key
    except WiroMissingConnectionError:
        return "missing"

with create_session() as session:
    session.add(Connection(conn_id="of_database", conn_type="aws", login="DATABASE", password="b"))
names = ["of_database", "of_environment", "of_backend", "of_nobody", "aws_default"]
found = {name: key_of(name) for name in names}
with create_session() as session:
    session.query(Connection).filter(Connection.conn_id == "of_database").delete()
s3_clients._clients.clear()
found["deleted"] = key_of("of_database")
print("FOUND", json.dumps(found))
"""


def test_connections_are_found_and_no_others_are_made_up(airflow_home: AirflowHome, tmp_path: Path) -> None:
    del airflow_home
    file = tmp_path / "connections.json"
    file.write_text(json.dumps({"of_backend": {"conn_type": "aws", "login": "BACKEND", "password": "b"}}))
    environment = os.environ | {
        "AIRFLOW_CONN_OF_ENVIRONMENT": '{"conn_type": "aws", "login": "ENVIRONMENT", "password": "b"}',
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(file)}),
        "AWS_ACCESS_KEY_ID": "OF_THE_SERVER",
        "AWS_SECRET_ACCESS_KEY": "b",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert found, done.stderr[-3000:]
    assert json.loads(found[0].removeprefix("FOUND ")) == {
        "of_database": "DATABASE",
        "of_environment": "ENVIRONMENT",
        "of_backend": "BACKEND",
        "of_nobody": "missing",
        "aws_default": "OF_THE_SERVER",
        "deleted": "missing",
    }

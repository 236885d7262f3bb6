"""The program in processes of its own: with a connection of Airflow's database, and as `airflow wiro`."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import WiroEmulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.airflow_home import AirflowHome

pytestmark = pytest.mark.airflow
AIRFLOW = tuple(map(int, version("apache-airflow").split(".")[:2]))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def wiro(airflow_home: AirflowHome) -> Iterator[WiroEmulator]:
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    assert airflow_home.path.is_dir()
    with WiroEmulator() as emulator:
        with create_session() as session:
            fields = json.loads(emulator.connection) | {"extra": None}
            session.add(Connection(conn_id="of_cli", **fields))
        yield emulator
        with create_session() as session:
            session.query(Connection).filter(Connection.conn_id == "of_cli").delete()


@pytest.mark.usefixtures("wiro")
def test_a_connection_of_airflows_database_is_found_and_only_the_report_is_printed() -> None:
    done = run("-m", "airflow_provider_wiro", "models", "--conn-id", "of_cli", "--search", "retro", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["model"] == "retroAIx/Retro-Cartoons"


@pytest.mark.skipif(AIRFLOW < (3, 2), reason="below 3.2 a provider can't add commands to Airflow's CLI")
@pytest.mark.usefixtures("wiro")
def test_airflows_own_command_line_has_the_commands() -> None:
    unknown = run("-m", "airflow", "wiro", "task", "999999", "--conn-id", "of_cli")

    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "Wiro doesn't know task 999999" in unknown.stderr
    assert "Traceback" not in unknown.stderr

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from tests.programs.system.servers import (
    HOST,
    Server,
    ServerError,
    clean_environment,
    free_port,
    session_members,
)

if TYPE_CHECKING:
    from pathlib import Path

# Prints that it is ready, moves a child into a process group of its own, and waits.
SERVES = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], process_group=0)
print("serving", child.pid, flush=True)
time.sleep(60)
"""


def server(folder: Path, program: str, timeout_seconds: float = 30) -> Server:
    log = folder / "server.log"
    return Server(
        "toy",
        [sys.executable, "-c", program],
        log=log,
        is_ready=lambda: log.exists() and "serving" in log.read_text(),
        timeout_seconds=timeout_seconds,
    )


def test_stopping_leaves_no_process_behind_not_even_one_in_its_own_process_group(tmp_path: Path) -> None:
    with server(tmp_path, SERVES) as running:
        session = running.pid
        assert len(session_members(session)) == 2

    assert session_members(session) == []
    assert not running.is_running


def test_an_exception_stops_the_server(tmp_path: Path) -> None:
    sessions = []

    def run_into_it() -> None:
        with server(tmp_path, SERVES) as running:
            sessions.append(running.pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_into_it()
    assert [session_members(session) for session in sessions] == [[]]


def test_a_server_can_be_killed_and_started_again_with_one_log(tmp_path: Path) -> None:
    with server(tmp_path, SERVES) as running:
        first = running.pid
        running.kill()
        assert session_members(first) == []
        running.is_ready = lambda: running.log.read_text().count("serving") == 2
        running.start()
        assert running.pid != first


def test_a_server_that_ends_while_starting_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"(?s)toy ended with exit code 3 while starting.*no such dish"):
        server(tmp_path, "print('no such dish'); raise SystemExit(3)").start()


def test_a_server_that_never_gets_ready_is_stopped_and_an_error(tmp_path: Path) -> None:
    silent = server(tmp_path, "import time; time.sleep(60)", timeout_seconds=0.2)
    with pytest.raises(ServerError, match="toy was not ready after"):
        silent.start()
    assert not silent.is_running


def test_a_free_port_and_those_above_it_are_free() -> None:
    port = free_port(10_000)
    with socket.socket() as first, socket.socket() as second:
        first.bind((HOST, port))
        second.bind((HOST, port + 10_000))


def test_no_port_that_the_system_gives_away_is_drawn() -> None:
    with socket.socket() as given:
        given.bind((HOST, 0))
        assert free_port(10_000) + 10_000 < given.getsockname()[1]


def test_a_servers_environment_has_no_airflow_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AIRFLOW_CONN_WIRO_DEFAULT", "AIRFLOW__CORE__EXECUTOR", "AWS_PROFILE", "UNRELATED"):
        monkeypatch.setenv(name, "set")

    environment = clean_environment()

    assert {"AIRFLOW_CONN_WIRO_DEFAULT", "AIRFLOW__CORE__EXECUTOR", "AWS_PROFILE"}.isdisjoint(environment)
    assert environment["UNRELATED"] == "set"
    assert environment["PATH"] == os.environ["PATH"]

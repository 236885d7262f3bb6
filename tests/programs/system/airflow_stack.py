"""
A real, temporary Airflow 3: API server, scheduler (with its workers), DAG processor and triggerer.

Four child processes instead of `airflow standalone`, so that a test can stop one and start it again:
`stack.triggerer.kill()`, `stack.triggerer.start()`.
"""

from __future__ import annotations

import base64
import configparser
import contextlib
import json
import secrets
import subprocess
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING

from tests.programs.system.airflow_api import AirflowAPI
from tests.programs.system.servers import HOST, Server, ServerError, clean_environment, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

USERNAME = "admin"
# Database migrations on a fresh SQLite take 4 s with bytecode and 10 s without; a busy machine needs more.
_COMMAND_TIMEOUT_SECONDS = 180
_STOP_SECONDS = 4


class AirflowStack:
    """
    One Airflow with its home below `home`, reading DAG files from `dags_folder`.

    `environment` is added to what its processes get: connections as AIRFLOW_CONN_*, settings as AIRFLOW__*.
    `python` runs its processes; that of another environment has another Airflow. Logs of the processes are in
    `home/processes`, those of the tasks where Airflow puts them.
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        python: str | Path = sys.executable,
    ) -> None:
        self.home = home.resolve()
        self.python = str(python)
        self.password = secrets.token_urlsafe(9)
        port = free_port()
        self.url = f"http://{HOST}:{port}"
        self.environment = (
            clean_environment() | _settings(self.home, dags_folder.resolve(), port) | dict(environment or {})
        )
        self.api = AirflowAPI(self.url, username=USERNAME, password=self.password)
        self.api_server = self._server("api-server", "metadatabase")
        self.scheduler = self._server("scheduler", "scheduler")
        self.dag_processor = self._server("dag-processor", "dag_processor")
        self.triggerer = self._server("triggerer", "triggerer")

    @property
    def servers(self) -> tuple[Server, ...]:
        return self.api_server, self.scheduler, self.dag_processor, self.triggerer

    def prepare(self) -> None:
        """Make the home, its configuration, the login and the database."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._write_configuration()
        passwords = self.home / "simple_auth_manager_passwords.json.generated"
        passwords.write_text(json.dumps({USERNAME: self.password}))
        self._airflow("db", "migrate")

    def _write_configuration(self) -> None:
        """Write `airflow.cfg`, so that AIRFLOW_HOME is all that a person's own `airflow` command needs."""
        written = configparser.ConfigParser(interpolation=None)
        for name, value in self.environment.items():
            if name.startswith("AIRFLOW__"):
                _, section, option = name.lower().split("__", 2)
                if not written.has_section(section):
                    written.add_section(section)
                written.set(section, option, value.replace("%", "%%"))
        with (self.home / "airflow.cfg").open("w") as file:
            written.write(file)

    def keep_connections(self, connections: Mapping[str, str]) -> None:
        """Put connections, given as URI or JSON, into the database, where Airflow's UI shows them."""
        exported = self.home / "connections.json"
        exported.write_text(
            json.dumps(
                {it: json.loads(value) if value[0] == "{" else value for it, value in connections.items()}
            )
        )
        self._airflow("connections", "import", str(exported))

    def _airflow(self, *arguments: str) -> None:
        done = subprocess.run(
            [self.python, "-m", "airflow", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_COMMAND_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode:
            raise ServerError(f"airflow {' '.join(arguments)} failed:\n{done.stdout[-4000:]}")

    @contextlib.contextmanager
    def running(self, say: Callable[[str], None] = lambda line: None) -> Iterator[AirflowStack]:
        """Create the database, start all four processes together, and stop them at the end."""
        with contextlib.ExitStack() as cleanup:
            self.prepare()
            say("Airflow: database made")
            cleanup.callback(self.stop)
            for server in self.servers:
                server.launch()
            for server in self.servers:
                server.wait_until_ready()
                say(f"{server.name} is up (pid {server.pid})")
            yield self

    def stop(self) -> None:
        """
        Stop all four together, with a short grace period: an idle triggerer takes 12 s to end by itself.
        """
        deadline = time.monotonic() + _STOP_SECONDS

        def stop(server: Server) -> None:
            server.stop(grace_seconds=max(0, deadline - time.monotonic()))

        with contextlib.ExitStack() as cleanup:
            for server in self.servers:
                cleanup.callback(stop, server)
            for server in self.servers:
                server.ask_to_stop()

    def _server(self, command: str, part: str) -> Server:
        server = Server(
            f"Airflow {command}",
            [self.python, "-m", "airflow", command],
            log=self.home / "processes" / f"{command}.log",
            is_ready=lambda: self._is_healthy(part, server),
            environment=self.environment,
            timeout_seconds=180,
        )
        return server

    def _is_healthy(self, part: str, server: Server) -> bool:
        state = self.api.health().get(part, {})
        if state.get("status") != "healthy":
            return False
        # The last heartbeat of a killed process counts as healthy for half a minute more.
        heartbeat = state.get(f"latest_{part}_heartbeat")
        return heartbeat is None or datetime.fromisoformat(heartbeat) >= server.launched_at


def _settings(home: Path, dags_folder: Path, port: int) -> dict[str, str]:
    sections = {
        "CORE": {
            "LOAD_EXAMPLES": "False",
            "DAGS_FOLDER": str(dags_folder),
            "EXECUTOR": "LocalExecutor",
            # The default forks 32 workers.
            "PARALLELISM": "4",
            "FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            # Needed whenever the API is not on port 8080.
            "EXECUTION_API_SERVER_URL": f"http://{HOST}:{port}/execution/",
            "SIMPLE_AUTH_MANAGER_USERS": f"{USERNAME}:admin",
            # The Test button of a connection.
            "TEST_CONNECTION": "Enabled",
        },
        "API": {
            "HOST": HOST,
            "PORT": str(port),
            "WORKERS": "1",
            "BASE_URL": f"http://{HOST}:{port}/",
            "SECRET_KEY": secrets.token_hex(32),
        },
        "API_AUTH": {"JWT_SECRET": secrets.token_hex(64)},
        "DAG_PROCESSOR": {"REFRESH_INTERVAL": "10"},
        "LOGGING": {
            "WORKER_LOG_SERVER_PORT": str(free_port()),
            "TRIGGER_LOG_SERVER_PORT": str(free_port()),
        },
        "SCHEDULER": {"ENABLE_HEALTH_CHECK": "False"},
        "USAGE_DATA_COLLECTION": {"ENABLED": "False"},
    }
    return {"AIRFLOW_HOME": str(home)} | {
        f"AIRFLOW__{section}__{option}": value
        for section, options in sections.items()
        for option, value in options.items()
    }

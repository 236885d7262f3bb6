"""An Airflow as on several machines, on one: CeleryExecutor, two workers, two triggerers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.programs.system.airflow_stack import AirflowStack
from tests.programs.system.servers import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WORKER_PROCESSES = 4


class CeleryStack(AirflowStack):
    """AirflowStack whose tasks run in Celery workers that are killed and started like any other server."""

    def __init__(
        self, home: Path, dags_folder: Path, *, database: str, broker: str, environment: Mapping[str, str]
    ) -> None:
        engine = {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(WORKER_PROCESSES),
        }
        super().__init__(home, dags_folder, environment=engine | dict(environment))
        self.workers = tuple(self._worker(f"worker-{number}") for number in (1, 2))
        self.second_triggerer = self._second_triggerer()

    @property
    def servers(self) -> tuple[Server, ...]:
        return (*super().servers, self.second_triggerer, *self.workers)

    def _worker(self, name: str) -> Server:
        command = ["celery", "worker", "--celery-hostname", f"{name}@%h", "--skip-serve-logs"]
        return LoggedServer(name, command, self.home, self.environment, says=f"{name}@")

    def _second_triggerer(self) -> Server:
        environment = self.environment | {"AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port())}
        name = "triggerer-2"
        return LoggedServer(name, ["triggerer"], self.home, environment, says="Starting the triggerer")


class LoggedServer(Server):
    """
    A part of Airflow that is ready once its log says so, each time it is started.

    Airflow's health page only shows whether any triggerer is alive, and no workers.
    """

    def __init__(
        self, name: str, command: list[str], home: Path, environment: Mapping[str, str], *, says: str
    ) -> None:
        self._log_size = 0
        super().__init__(
            f"Airflow {name}",
            [sys.executable, "-m", "airflow", *command],
            log=home / "processes" / f"{name}.log",
            is_ready=lambda: says.encode() in self.log.read_bytes()[self._log_size :],
            environment=environment,
            timeout_seconds=180,
        )

    def launch(self) -> None:
        self._log_size = self.log.stat().st_size if self.log.exists() else 0
        super().launch()

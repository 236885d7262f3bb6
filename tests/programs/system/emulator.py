"""The Wiro emulator as a process of its own: what Airflow's tasks and triggers talk to instead of wiro.ai."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from tests.programs.system.servers import HOST, Server, ServerError, answers, free_port

if TYPE_CHECKING:
    from pathlib import Path

_CONNECTION = "AIRFLOW_CONN_WIRO_DEFAULT="


class Emulator(Server):
    """
    One emulator; its port stays the same when it is stopped and started again.

    `speed` makes the models faster: at 10, a model of 30 seconds takes 3. `options` are more of the
    emulator's own (`python -m airflow_provider_wiro.emulator --help`).
    """

    def __init__(self, *options: str, log: Path, speed: float = 1) -> None:
        port = free_port()
        self.page = f"http://{HOST}:{port}/"
        command = [sys.executable, "-m", "airflow_provider_wiro.emulator", "--port", str(port)]
        super().__init__(
            "Wiro emulator",
            [*command, "--speed", str(speed), *options],
            log=log,
            is_ready=lambda: answers(self.page) and _CONNECTION in log.read_text(),
            timeout_seconds=60,
        )

    def airflow_connection(self) -> str:
        """Return the value of AIRFLOW_CONN_WIRO_DEFAULT, which the emulator prints in its first lines."""
        for line in reversed(self.log.read_text().splitlines()):
            if line.startswith(_CONNECTION):
                return shlex.split(line.removeprefix(_CONNECTION))[0]
        raise ServerError(f"{self.name} has not said its connection yet; was it started?")

"""A deferred run on a real Airflow sends its metrics to a real statsd socket, once."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.metrics.send_metrics import set_up_as_a_task_does

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.airflow_home import AirflowHome

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

DAG_FILE = Path(__file__).parents[1] / "operators" / "dags" / "wiro_runs.py"


def test_a_run_is_counted_once(
    airflow_home: AirflowHome, wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("statsd", reason="in the group `dev`; Airflow's extra `statsd` brings it")
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "records"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink, monkeypatch.context() as metrics:
        sink.bind(("127.0.0.1", 0))
        sink.settimeout(0.5)
        metrics.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
        metrics.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
        metrics.setenv("AIRFLOW__METRICS__STATSD_PORT", str(sink.getsockname()[1]))
        set_up_as_a_task_does()
        done = airflow_home.run_dag(DAG_FILE, "wiro_deferrable", {"prompt": "a robot"})
        found = []
        while True:
            try:
                found += sink.recv(65536).decode().splitlines()
            except TimeoutError:
                break
    set_up_as_a_task_does()  # off again

    assert done.state == "success"
    cost = done.returned("generate")["cost_usd"]
    path = "wiro_deferrable.retroAIx_Retro-Cartoons"
    counters = sorted(line for line in found if line.startswith("airflow.wiro.") and line.endswith("|c"))
    assert counters == [
        f"airflow.wiro.cost_usd.{path}:{cost}|c",
        f"airflow.wiro.cost_usd:{cost}|c",
        f"airflow.wiro.runs.{path}.succeeded:1|c",
        "airflow.wiro.runs:1|c",
    ]

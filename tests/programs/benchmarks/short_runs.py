"""
How much longer than a run of 5 seconds its Airflow task takes: blocking, with `defer_after`, and deferred.

On a real Airflow (LocalExecutor, SQLite); blocking is the baseline. RUNS=5 sets the number of runs of each
way.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

from tests.airflow_home import ROOT
from tests.programs.system.airflow_api import FINISHED_RUN_STATES
from tests.programs.system.airflow_stack import AirflowStack
from tests.programs.system.emulator import Emulator

DAGS = Path(__file__).resolve().parent / "short_dags"
WAYS = ("blocking", "defer_after", "deferred")
RUN_SECONDS = 5.0
#: How long the Retro Cartoons model takes on the emulator's clock.
_MODEL_SECONDS = 8.0
_PATIENCE_SECONDS = 180.0


def main() -> None:
    """Print a table."""
    runs = ROOT / ".cache" / "bench"
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=runs) as scratch:
        found = _measure(Path(scratch), int(os.environ.get("RUNS", "5")))
    print(f"\nSeconds that the Airflow task of a run of {RUN_SECONDS:.0f} s takes beyond the run")
    for way, seconds in found.items():
        print(
            f"  {way:12} median {statistics.median(seconds):5.1f}   "
            f"from {min(seconds):.1f} to {max(seconds):.1f}",
            flush=True,
        )


def _measure(folder: Path, runs: int) -> dict[str, list[float]]:
    speed = _MODEL_SECONDS / RUN_SECONDS
    with Emulator(log=folder / "emulator.log", speed=speed) as emulator:
        settings = {"AIRFLOW_CONN_WIRO_DEFAULT": emulator.airflow_connection()}
        stack = AirflowStack(folder / "airflow", DAGS, environment=settings)
        with stack.running(_say):
            stack.api.wait_for_dag(WAYS[-1], timeout_seconds=180)
            for way in WAYS:
                _seconds_beyond(stack, way)  # otherwise the first way would pay for imports
            return {way: [_seconds_beyond(stack, way) for _ in range(runs)] for way in WAYS}


def _seconds_beyond(stack: AirflowStack, dag_id: str) -> float:
    run_id = stack.api.trigger(dag_id)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (state := stack.api.run_state(dag_id, run_id)) not in FINISHED_RUN_STATES:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{dag_id} is still {state} after {_PATIENCE_SECONDS:.0f} s")
        time.sleep(0.5)
    if state != "success":
        raise RuntimeError(f"{dag_id} ended as {state}")
    [instance] = stack.api.task_instances(dag_id, run_id)
    started_at, ended = (datetime.fromisoformat(instance[field]) for field in ("start_date", "end_date"))
    _say(f"{dag_id}: {(ended - started_at).total_seconds():.1f} s")
    return (ended - started_at).total_seconds() - RUN_SECONDS


def _say(line: str) -> None:
    print(f"  {line}", flush=True)

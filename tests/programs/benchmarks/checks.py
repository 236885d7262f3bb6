"""What the checks before a run cost, in requests and CPU time; `check_parameters="off"` is the yardstick."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.airflow_home import ROOT
from tests.programs.system.emulator import Emulator
from tests.programs.system.servers import DIRECT, clean_environment

_PROCESSES = 4
_RUNS = 100
_ROUNDS = 3
_SPEED = 1000


def main() -> None:
    """Print a table."""
    runs = ROOT / ".cache" / "bench"
    runs.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=runs) as scratch,
        Emulator(log=Path(scratch, "log"), speed=_SPEED) as wiro,
    ):
        found = {way: _measure(Path(scratch), wiro, way) for way in ("off", "warn")}
    total = _PROCESSES * (_RUNS + 1)
    print(f"\nChecks before a run: {total} runs of one model, sent by {_PROCESSES} processes at once")
    print(f"{'check_parameters':18} {'CPU ms a run':>12} {'x off':>6} {'requests':>9} {'Tool/Detail':>12}")
    for way, (cpu, requests, details) in found.items():
        print(f"{way:18} {cpu:12.2f} {cpu / found['off'][0]:6.2f} {requests:9} {details:12}", flush=True)


def _measure(folder: Path, wiro: Emulator, way: str) -> tuple[float, int, int]:
    """Return the median CPU milliseconds of a run, and the requests of a round without cached models."""
    cpu, requests, details = [], 0, 0
    for number in range(_ROUNDS):
        before = _counts(wiro)
        jobs = [_start(folder, wiro, way) for _ in range(_PROCESSES)]
        seconds = 0.0
        for job in jobs:
            out, _ = job.communicate()
            if job.returncode:
                raise RuntimeError(f"a process of the benchmark ended with exit code {job.returncode}")
            seconds += json.loads(out.splitlines()[-1])["cpu_seconds"]
        cpu.append(seconds * 1000 / (_PROCESSES * _RUNS))
        if number == 0:  # in which the machine's cache of models is empty
            after = _counts(wiro)
            requests = sum(after.values()) - sum(before.values())
            details = after.get("Tool/Detail", 0) - before.get("Tool/Detail", 0)
    return statistics.median(cpu), requests, details


def _start(folder: Path, wiro: Emulator, way: str) -> subprocess.Popen[str]:
    environment = clean_environment() | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW_CONN_WIRO_DEFAULT": wiro.airflow_connection(),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__WIRO__MODEL_CACHE_PATH": str(folder / f"models-{way}"),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.programs.benchmarks.checks_job", way, str(_RUNS)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def _counts(wiro: Emulator) -> dict[str, int]:
    with DIRECT.open(f"{wiro.page}__emulator__/counts", timeout=10) as response:
        found: dict[str, int] = json.load(response)["counts"]["requests"]
    return found

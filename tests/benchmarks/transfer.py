"""
One large output from the CDN into S3: ours against what one writes by hand and against HttpToS3Operator.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.airflow_home import ROOT
from tests.benchmarks.transfer_job import WAYS
from tests.system.emulator import Emulator
from tests.system.seaweedfs import running_seaweedfs
from tests.system.servers import clean_environment

MIB = 1024 * 1024
_ROUNDS = 3


def main(size: int = 1024 * MIB) -> None:
    """Print a table; each row is the median of several processes, the ratio is to `plain` in this run."""
    runs = ROOT / ".cache" / "bench"
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=runs) as scratch:
        folder = Path(scratch)
        with (
            Emulator("--output-bytes", str(size), log=folder / "emulator.log", speed=1000) as emulator,
            running_seaweedfs(folder / "s3", log=folder / "s3.log", bucket="bench") as s3,
        ):
            environment = clean_environment() | {
                "AIRFLOW_HOME": str(folder / "airflow"),
                "AIRFLOW_CONN_WIRO_DEFAULT": emulator.airflow_connection(),
                "AIRFLOW_CONN_AWS_DEFAULT": s3.airflow_connection(),
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            }
            wiro_task_id, url = _generate(environment)
            rounds = {
                way: [_run(way, url, wiro_task_id, n, environment) for n in range(_ROUNDS)] for way in WAYS
            }
    _print(size, {way: _median(found) for way, found in rounds.items()})


def _generate(environment: dict[str, str]) -> tuple[str, str]:
    os.environ |= environment
    from airflow_provider_wiro.hooks.wiro import WiroHook

    with WiroHook() as hook:
        run = hook.run_model("retroAIx/Retro-Cartoons", {"prompt": "a large picture"})
        task = hook.wait_for_task(run.wiro_task_id, timeout=60)
    url = task.outputs[0].url
    if url is None:
        raise AssertionError("the emulator made no file")
    return task.id, url


def _run(way: str, url: str, wiro_task_id: str, number: int, environment: dict[str, str]) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.transfer_job",
        way,
        url,
        wiro_task_id,
        f"{way}-{number}",
    ]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{way} failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _median(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def _print(size: int, rows: dict[str, dict[str, float]]) -> None:
    print(f"\nOne output of {size // MIB} MiB into SeaweedFS, median of {_ROUNDS} processes")
    print(f"{'way':12} {'seconds':>8} {'x plain':>8} {'CPU s':>8} {'peak over idle, MiB':>20}")
    for way, row in rows.items():
        ratio = row["seconds"] / rows["plain"]["seconds"]
        peak = row["peak_bytes"] / MIB
        print(f"{way:12} {row['seconds']:8.1f} {ratio:8.2f} {row['cpu_seconds']:8.1f} {peak:20.0f}")

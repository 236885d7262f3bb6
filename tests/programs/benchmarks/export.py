"""
An export out of a list of 100,000 tasks, of which 2,000 are wanted, and the next run of it.

LISTED=100000 and WANTED=2000 set the numbers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.airflow_home import ROOT
from tests.programs.benchmarks.transfer_job import BUCKET
from tests.programs.system.emulator import Emulator
from tests.programs.system.seaweedfs import running_seaweedfs
from tests.programs.system.servers import DIRECT, clean_environment

MIB = 1024 * 1024
_OUTPUT_BYTES = 200 * 1024
_WANTED_MODEL, _OTHER_MODEL = "retroAIx/Retro-Cartoons", "google/imagen-v4-fast"
#: Wanted tasks are spread over the list in so many places.
_PLACES = 20
_MEANINGS = {
    "plain": "plain: Detail, `requests` stream -> `upload_fileobj`, of known ids",
    "export": "WiroProjectToS3Operator, first run",
    "again": "WiroProjectToS3Operator, nothing new",
}


def main() -> None:
    """Print a table."""
    listed, wanted = int(os.environ.get("LISTED", "100000")), int(os.environ.get("WANTED", "2000"))
    runs = ROOT / ".cache" / "bench"
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=runs) as scratch:
        rows = _measure(Path(scratch), listed, wanted)
    print(f"\n{listed:,} tasks in the list, {wanted:,} wanted, an output of {_OUTPUT_BYTES // 1024} KiB each")
    print(f"{'':70} {'seconds':>8} {'CPU s':>6} {'peak MiB':>9} {'list':>6} {'Detail':>7} {'S3 req.':>8}")
    for way, row in rows.items():
        print(
            f"{_MEANINGS[way]:70} {row['seconds']:8.1f} {row['cpu_seconds']:6.1f} "
            f"{row['peak_bytes'] / MIB:9.0f} {row['Task/List']:6.0f} {row['Task/Detail']:7.0f} "
            f"{row['s3_requests']:8.0f}",
            flush=True,
        )


def _measure(folder: Path, listed: int, wanted: int) -> dict[str, dict[str, float]]:
    options = ("--output-bytes", str(_OUTPUT_BYTES))
    with Emulator(*options, log=folder / "emulator.log", speed=1000) as emulator:
        ids = _fill(emulator, listed, wanted)
        environment = clean_environment() | {
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW_CONN_WIRO_DEFAULT": emulator.airflow_connection(),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }
        with running_seaweedfs(folder / "s3", log=folder / "s3.log", bucket=BUCKET) as s3:
            environment["AIRFLOW_CONN_AWS_DEFAULT"] = s3.airflow_connection()
            found = {}
            for way in ("plain", "export", "again"):
                kind = "plain" if way == "plain" else "export"
                job = {"way": kind, "run": way, "model": _WANTED_MODEL, "ids": ids}
                found[way] = _run(emulator, job, environment)
                expected = 0 if way == "again" else wanted
                if found[way]["tasks"] != expected:
                    raise AssertionError(f"{way}: {found[way]['tasks']} tasks, expected {expected}")
            return found


def _fill(emulator: Emulator, listed: int, wanted: int) -> list[str]:
    """Start tasks of both models, so that the wanted ones are all over the list; return the ids of these."""
    ids: list[str] = []
    for _ in range(_PLACES):
        _start(emulator, _OTHER_MODEL, (listed - wanted) // _PLACES)
        ids += _start(emulator, _WANTED_MODEL, wanted // _PLACES)
    time.sleep(1.0)  # they last a millisecond each
    return ids


def _start(emulator: Emulator, model: str, count: int) -> list[str]:
    body = {"model": model, "parameters": {"prompt": "a kite"}, "seconds": [0.001] * count}
    found: list[str] = _control(emulator, "tasks", body)["task_ids"]
    return found


def _control(emulator: Emulator, what: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with DIRECT.open(f"{emulator.page}__emulator__/{what}", data, timeout=120) as answer:
        return json.load(answer)


def _run(emulator: Emulator, job: dict[str, Any], environment: dict[str, str]) -> dict[str, float]:
    before = _control(emulator, "counts")["counts"]["requests"]
    command = [sys.executable, "-m", "tests.programs.benchmarks.export_job"]
    done = subprocess.run(
        command,
        input=json.dumps(job),
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{job['way']} failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    after = _control(emulator, "counts")["counts"]["requests"]
    return measured | {
        name: after.get(name, 0) - before.get(name, 0) for name in ("Task/List", "Task/Detail")
    }

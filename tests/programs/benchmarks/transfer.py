"""
Transfers from the CDN into S3: WiroToS3Operator, plain boto3, HttpToS3Operator, and the raw limits.

The ways take turns, so that other load on this machine affects all alike.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.airflow_home import ROOT
from tests.programs.benchmarks.transfer_job import BUCKET
from tests.programs.system.emulator import Emulator
from tests.programs.system.seaweedfs import running_seaweedfs
from tests.programs.system.servers import DIRECT, clean_environment

MIB = 1024 * 1024
_ROUNDS = 3
#: One round is enough: they differ clearly, and HttpToS3Operator takes long.
_ONCE = frozenset({"wiro_to_s3_again", "http_to_s3", "discard"})


@dataclass(frozen=True)
class Load:
    """A number of outputs of one Wiro task, with their size in bytes."""

    count: int
    size: int
    ways: tuple[str, ...] = ("wiro_to_s3", "wiro_to_s3_again", "plain", "http_to_s3", "discard", "put")
    #: HttpToS3Operator opens its connections for each file: it gets a fraction of many files, extrapolated.
    share_of_http_to_s3: int = 1
    #: The CDN's limit per connection; None: no limit.
    cdn_bytes_per_second: int | None = None

    def __str__(self) -> str:
        size = f"{self.size // MIB} MiB" if self.size >= MIB else f"{self.size // 1024} KiB"
        limit = self.cdn_bytes_per_second
        return f"{self.count} x {size}" + (f" at {limit // 10**6} MB/s a connection" if limit else "")


LOADS = (
    Load(1, 1024 * MIB),
    # Real networks are slower than loopback: the rate of one connection to S3 by Amazon's "Performance
    # design patterns" (one concurrent request for each 85 to 90 MB/s).
    Load(1, 1024 * MIB, cdn_bytes_per_second=90_000_000),
    Load(64, 16 * MIB, share_of_http_to_s3=4),
    Load(500, 200 * 1024, share_of_http_to_s3=25),
)

_MEANINGS = {
    "wiro_to_s3": "WiroToS3Operator",
    "wiro_to_s3_again": "WiroToS3Operator, all there already",
    "plain": "requests stream -> upload_fileobj",
    "http_to_s3": "HttpToS3Operator",
    "discard": "raw limit: read and discarded, 4 threads",
    "put": "raw limit: put from memory, 4 threads",
}


def main(loads: tuple[Load, ...] = LOADS) -> None:
    """Print a table for each load: medians; the ratio is that of the medians of one run."""
    runs = ROOT / ".cache" / "bench"
    runs.mkdir(parents=True, exist_ok=True)
    for load in loads:
        with tempfile.TemporaryDirectory(dir=runs) as scratch:
            _print(load, _measure(load, Path(scratch)))


def _measure(load: Load, folder: Path) -> dict[str, dict[str, float]]:
    found: dict[str, list[dict[str, float]]] = {way: [] for way in load.ways}
    with Emulator(log=folder / "emulator.log", speed=1000) as emulator:
        environment = clean_environment() | {
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW_CONN_WIRO_DEFAULT": emulator.airflow_connection(),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }
        task = _generate(emulator, load, environment)
        if load.cdn_bytes_per_second:
            speed = {"kind": "limited_speed", "times": None, "bytes_per_second": load.cdn_bytes_per_second}
            _control(emulator, "faults", speed)
        with running_seaweedfs(folder / "s3", log=folder / "s3.log", bucket=BUCKET) as s3:
            environment["AIRFLOW_CONN_AWS_DEFAULT"] = s3.airflow_connection()
            _run(load, "put", "warm-up", task, emulator, environment)
            for number in range(_ROUNDS):
                turns = [way for way in load.ways if not number or way not in _ONCE]
                for way in turns[number:] + turns[:number]:
                    measured = _run(load, way, str(number), task, emulator, environment)
                    found[way].append(measured)
    return {way: _median(rounds) for way, rounds in found.items()}


def _generate(emulator: Emulator, load: Load, environment: dict[str, str]) -> dict[str, Any]:
    """Run a model whose task has the load's outputs; return its id and their URLs."""
    fault = {"kind": "big_output", "bytes": load.size, "outputs": load.count}
    _control(emulator, "faults", fault)
    program = (
        "import json; from airflow_provider_wiro.hooks.wiro import WiroHook\n"
        "with WiroHook() as hook:\n"
        "    run = hook.run_model('retroAIx/Retro-Cartoons', {'prompt': 'large'})\n"
        "    task = hook.wait_for_task(run.wiro_task_id, timeout=60)\n"
        "print(json.dumps({'wiro_task_id': task.id, 'urls': [output.url for output in task.outputs]}))"
    )
    task = _last_line([sys.executable, "-c", program], environment)
    if len(task["urls"]) != load.count:
        raise AssertionError(f"the emulator made {len(task['urls'])} files")
    return task


def _control(emulator: Emulator, what: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with DIRECT.open(f"{emulator.page}__emulator__/{what}", data, timeout=30) as answer:
        return json.load(answer)


def _run(
    load: Load,
    way: str,
    number: str,
    task: dict[str, Any],
    emulator: Emulator,
    environment: dict[str, str],
) -> dict[str, float]:
    share = load.share_of_http_to_s3 if way == "http_to_s3" else 1
    urls = task["urls"][: load.count // share]
    job = {**task, "way": way, "size": load.size, "prefix": f"{way}/{number}", "urls": urls}
    _wait_for_rest()
    before = _control(emulator, "state")["counts"]["requests"].get("cdn", 0)
    command = [sys.executable, "-m", "tests.programs.benchmarks.transfer_job", json.dumps(job)]
    measured = _last_line(command, environment)
    measured["cdn_requests"] = _control(emulator, "state")["counts"]["requests"].get("cdn", 0) - before
    scaled = ("seconds", "cpu_seconds", "s3_requests", "cdn_requests")
    return {name: value * share if name in scaled else value for name, value in measured.items()}


def _wait_for_rest() -> None:
    """Flush the last way's writes to the disk, so that the next way doesn't wait for them."""
    subprocess.run(["sync"], check=True)  # noqa: S607
    time.sleep(0.2)


def _last_line(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[-1][:200]} failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _median(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def _print(load: Load, rows: dict[str, dict[str, float]]) -> None:
    print(f"\n{load} into SeaweedFS, medians of up to {_ROUNDS} processes that took turns")
    names = f"{'seconds':>8} {'x plain':>8} {'CPU s':>6} {'peak MiB':>9} {'S3 req.':>8} {'CDN req.':>8}"
    print(f"{'way':42} {names}")
    for way, row in rows.items():
        meaning = _MEANINGS[way]
        if way == "http_to_s3" and load.share_of_http_to_s3 > 1:
            meaning += f", 1/{load.share_of_http_to_s3} of it"
        print(
            f"{meaning:42} {row['seconds']:8.2f} {row['seconds'] / rows['plain']['seconds']:8.2f} "
            f"{row['cpu_seconds']:6.1f} {row['peak_bytes'] / MIB:9.0f} {row['s3_requests']:8.0f} "
            f"{row['cdn_requests']:8.0f}"
        )
    sys.stdout.flush()

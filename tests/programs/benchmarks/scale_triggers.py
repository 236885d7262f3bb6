"""
Thousands of triggers in flight on one event loop, compared with a simple trigger.

The ways of one size run at the same time, each with its own emulator and process, so that other load on this
machine affects all alike.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.airflow_home import ROOT
from tests.programs.benchmarks import processor_time
from tests.programs.benchmarks.scale_triggers_job import RUN_SECONDS, control
from tests.programs.system.emulator import Emulator
from tests.programs.system.servers import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (100, 1_000, 5_000, 10_000)
#: Way → description. All but the naive one are WiroTaskTrigger(watch=way).
WAYS = {
    "naive": "naive: Detail each 5 s",
    "poll": 'watch="poll"',
    "websocket": 'watch="websocket"',
    "auto": 'watch="auto"',
}
#: Few enough that the naive way, with a socket for each task, leaves the others room on this machine.
_MOST_NAIVE = 1_000
#: For the first 1,000 tasks "auto" is "websocket".
_USUAL = ("naive", "poll", "auto")


def main() -> None:
    """Print a table for each size: SIZES="100 1000" and WAYS="naive poll" choose."""
    sizes = [int(size) for size in os.environ.get("SIZES", "").replace(",", " ").split()] or SIZES
    ways = os.environ.get("WAYS", "").replace(",", " ").split() or _USUAL
    runs = ROOT / ".cache" / "bench"
    runs.mkdir(parents=True, exist_ok=True)
    print(
        f"\nWiro tasks of {RUN_SECONDS[0]:.0f} to {RUN_SECONDS[1]:.0f} s, all started in the first seconds; "
        "one process with one event loop, the emulator in another"
    )
    for size in sizes:
        chosen = [way for way in ways if way != "naive" or size <= _MOST_NAIVE]
        with tempfile.TemporaryDirectory(dir=runs) as scratch, ThreadPoolExecutor() as pool:
            results = pool.map(
                lambda way, size=size, scratch=scratch: _measure(way, size, Path(scratch)), chosen
            )
            _print(size, dict(zip(chosen, results, strict=True)))


def _measure(way: str, size: int, folder: Path) -> dict[str, Any]:
    with Emulator(log=folder / f"{way}-emulator.log") as emulator:
        environment = clean_environment() | {
            "AIRFLOW_HOME": str(folder / way),
            "AIRFLOW_CONN_WIRO_DEFAULT": emulator.airflow_connection(),
        }
        log, found = folder / f"{way}.log", folder / f"{way}.json"
        command = [sys.executable, "-m", "tests.programs.benchmarks.scale_triggers_job"]
        command += [way, str(size), emulator.page, str(found)]
        with log.open("wb") as said:
            job = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
        most_sockets = 0
        while job.poll() is None:
            most_sockets = max(most_sockets, control(emulator.page, "counts")["counts"]["open_connections"])
            time.sleep(0.5)
        if job.returncode:
            raise RuntimeError(f"{way} with {size} failed:\n{log.read_text()[-3000:]}")
        measured: dict[str, Any] = json.loads(found.read_text())
        errors = re.findall(r"^\w*(?:Error|Exception)\b.*", log.read_text(), re.MULTILINE)
        measured["problems"] |= Counter(errors).most_common(3)
        return {
            **measured,
            # Without this request.
            "sockets": most_sockets - 1,
            "emulator_cpu": processor_time.of_one(emulator.pid) / measured["seconds"],
        }


def _print(size: int, rows: dict[str, dict[str, Any]]) -> None:
    print(f"\n{size:,} triggers in flight")
    names = ["req./task", "CPU %", "CPU ms/task", "KiB/task", "delay p50", "p99", "max", "of run p50", "p99"]
    names += ["stall ms", "sockets", "lost", "twice"]
    print(f"{'':24}" + "".join(f"{name:>{_width(name)}}" for name in names))
    for way, row in rows.items():
        delay, share = row["delay"], row["share"]
        cells = [f"{sum(row['requests'].values()) / size:.2f}", f"{row['cpu_seconds'] / row['seconds']:.1%}"]
        cells += [f"{row['cpu_seconds'] / size * 1000:.2f}", f"{row['bytes'] / size / 1024:.1f}"]
        cells += [f"{delay[name]:.2f}" for name in ("p50", "p99", "max")]
        cells += [f"{share[name]:.1%}" for name in ("p50", "p99")]
        cells += [f"{row['stall']['longest'] * 1000:.0f}"]
        cells += [str(row[name]) for name in ("sockets", "lost", "duplicates")]
        shown = (f"{cell:>{_width(name)}}" for name, cell in zip(names, cells, strict=True))
        print(f"{WAYS[way]:24}" + "".join(shown))
    if "naive" in rows:
        for way in rows.keys() - {"naive"}:
            print(f"  {way} / naive: {_ratios(rows[way], rows['naive'])}")
    for way, row in rows.items():
        asked = ", ".join(f"{name} {count}" for name, count in row["requests"].items())
        print(
            f"  {way}: {asked}; stalls p99 {row['stall']['p99'] * 1000:.1f} ms, longest with nothing to do "
            f"{row['idle_stall']['longest'] * 1000:.0f} ms; emulator {row['emulator_cpu']:.0%} of a core"
        )
        if row["problems"]:
            print(f"  {way}: PROBLEMS {row['problems']}")
    sys.stdout.flush()


def _width(name: str) -> int:
    return max(6, len(name)) + 2


def _ratios(row: dict[str, Any], yardstick: dict[str, Any]) -> str:
    def of(measure: Callable[[dict[str, Any]], float]) -> float:
        return measure(row) / measure(yardstick)

    ratios = {
        "requests": of(lambda it: sum(it["requests"].values())),
        "CPU": of(lambda it: it["cpu_seconds"]),
        "memory": of(lambda it: it["bytes"]),
        "delay p50": of(lambda it: it["delay"]["p50"]),
        "sockets": of(lambda it: it["sockets"]),
        "longest stall": of(lambda it: it["stall"]["longest"]),
    }
    return ", ".join(f"{name} {ratio:.3g}" for name, ratio in ratios.items())

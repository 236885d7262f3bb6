"""
`make soak`: thousands of runs while Wiro fails at random, half of them in batches that get killed.

MINUTES=20 (100 runs a minute) and SEED=… choose. Logs stay in `.cache/soak` when a promise broke.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.airflow_home import ROOT
from tests.programs.faults.interruptible_wait import StoppedError, pause, stop_waiting
from tests.programs.faults.wiro import Wiro
from tests.programs.soak import RETRY
from tests.programs.soak.random_faults import LOST_RUN_PATIENCE_SECONDS, READ_TIMEOUT_SECONDS, RandomFaults
from tests.programs.soak.verdict import Outcome, broken_promises, leaks
from tests.programs.system.servers import ServerError, clean_environment, stopping_on_signals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_RUNS_A_MINUTE = 100
_ITEMS_OF_A_BATCH = 50
#: Share of the time in which runs start; in the rest lost Runs are resolved.
_SHARE_OF_STARTS = 0.8
_SECONDS_BETWEEN_FAULTS = 1.0
_SPEED = 4
_MAX_ACTIVE = 14
_KILLS_OF_A_BATCH = 3
_LONGEST_TRY_SECONDS = 300
#: The first lines of Python's reports of errors that were not caught, or that a log shows.
_TRACEBACK = re.compile(r"Traceback \(most recent call last\)|exception was never retrieved|never awaited")


class SoakError(Exception):
    """A part of the soak test has ended wrongly."""


def main() -> int:
    minutes = float(os.environ.get("MINUTES") or 20)
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**6))
    runs = round(minutes * _RUNS_A_MINUTE)
    print(f"{runs} runs in {minutes:g} minutes; SEED={seed} repeats the faults", flush=True)
    scratch = ROOT / ".cache" / "soak"
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=scratch))
    try:
        with stopping_on_signals():
            problems = soak(folder, minutes * 60, runs, seed)
    except KeyboardInterrupt:
        print("\nStopped.", flush=True)
        return 130
    except (SoakError, ServerError) as error:
        problems = [str(error)]
    if not problems:
        shutil.rmtree(folder, ignore_errors=True)
        print("every promise held", flush=True)
        return 0
    print(f"BROKEN with SEED={seed} (logs: {folder}):", *problems, sep="\n  ", flush=True)
    return 1


def soak(folder: Path, seconds: float, runs: int, seed: int) -> list[str]:
    """Return the promises that didn't hold."""
    started_at = time.monotonic()
    options = ("--max-active", str(_MAX_ACTIVE))
    with Wiro(*options, log=folder / "emulator.log", speed=_SPEED) as wiro:
        connection = json.loads(wiro.airflow_connection())
        connection["extra"]["read_timeout"] = READ_TIMEOUT_SECONDS
        environment = clean_environment() | {
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW_CONN_WIRO_DEFAULT": json.dumps(connection),
            "AIRFLOW__WIRO__LOST_RUN_PATIENCE": str(LOST_RUN_PATIENCE_SECONDS),
            # Otherwise glibc keeps a heap for each thread, and their slow growth looks like a leak.
            "MALLOC_ARENA_MAX": "2",
        }
        start_seconds = seconds * _SHARE_OF_STARTS
        in_batches = runs // 2
        with ThreadPoolExecutor() as pool:
            kills: list[str] = []
            parts = [
                pool.submit(_singles, folder, runs - in_batches, start_seconds, seed, environment),
                pool.submit(_batches, folder, in_batches, start_seconds, seed, environment, kills),
            ]
            faults = pool.submit(_inject, wiro, RandomFaults(seed), start_seconds)
            try:
                outcomes = [outcome for part in parts for outcome in part.result()]
            finally:
                stop_waiting()
            with contextlib.suppress(StoppedError):
                faults.result()
        seen = wiro.seen()
    problems = [*broken_promises(outcomes, seen, runs=runs), *_leaks(folder), *_tracebacks(folder)]
    succeeded = sum(outcome.wiro_task_id is not None for outcome in outcomes)
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(seen.counts["faults_fired"].items()))
    print(
        f"{len(outcomes)} runs ended in {time.monotonic() - started_at:.0f} s: {succeeded} succeeded, "
        f"{len(outcomes) - succeeded} failed ({sum(outcome.is_doubt for outcome in outcomes)} in doubt); "
        f"{len(kills)} processes killed. Wiro saw {seen.started} tasks and "
        f"{sum(seen.counts['requests'].values())} requests, {seen.faults_fired} of them faulty: {faults}",
        flush=True,
    )
    return problems


def _inject(wiro: Wiro, faults: RandomFaults, seconds: float) -> None:
    """Arm random faults for this many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        wiro.arm(faults.next())
        pause(faults.seconds_to_next(_SECONDS_BETWEEN_FAULTS))
    wiro.disarm()


def _singles(
    folder: Path, runs: int, seconds: float, seed: int, environment: Mapping[str, str]
) -> list[Outcome]:
    arguments = [str(runs), str(seconds), str(seed), str(folder)]
    code = _run_job("singles_job", arguments, folder / "singles.log", environment)
    if code:
        raise SoakError(f"the process of the single runs ended with {code}; its log: {folder}/singles.log")
    ended = [json.loads(line) for line in (folder / "singles.jsonl").read_text().splitlines()]
    return [Outcome(it["prompt"], it.get("wiro_task_id"), it.get("error", "")) for it in ended]


def _batches(
    folder: Path, runs: int, seconds: float, seed: int, environment: Mapping[str, str], kills: list[str]
) -> list[Outcome]:
    dice = random.Random(seed)
    started_at = time.monotonic()
    sizes = [min(_ITEMS_OF_A_BATCH, runs - first) for first in range(0, runs, _ITEMS_OF_A_BATCH)]
    outcomes = []
    for number, size in enumerate(sizes):
        due = started_at + seconds * number / len(sizes)
        pause(max(0.0, due - time.monotonic()))
        outcomes += _batch(folder, f"batch {number}", size, dice, environment, kills)
    return outcomes


def _batch(
    folder: Path,
    name: str,
    size: int,
    dice: random.Random,
    environment: Mapping[str, str],
    kills: list[str],
) -> list[Outcome]:
    """Run a batch to its end, and kill its first tries."""
    prompts = [f"{name} item {number}" for number in range(size)]
    inputs = "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts)
    (folder / f"{name}.inputs.jsonl").write_text(inputs)
    way = dice.choice(("deferrable", "blocking"))
    try_number = 0
    code: int | None = RETRY
    while code == RETRY or code is None:
        try_number += 1
        # Some are killed before the first Run, some between two, some near the end.
        lives = dice.uniform(2, 12) if try_number <= _KILLS_OF_A_BATCH else _LONGEST_TRY_SECONDS
        arguments = [str(folder), name, str(try_number), way]
        code = _run_job("batch_job", arguments, folder / f"{name}.log", environment, kill_after=lives)
        if code is None:
            kills.append(name)
    if code:
        raise SoakError(f"{name} ended with {code}; its log: {folder}/{name}.log")
    lines = [json.loads(line) for line in (folder / f"{name}.manifest.jsonl").read_text().splitlines()]
    return [
        Outcome(
            prompts[line["item"]],
            line["wiro_task_id"] if line["status"] == "succeeded" else None,
            str(line.get("error")),
        )
        for line in lines
    ]


def _run_job(
    job: str,
    arguments: list[str],
    log: Path,
    environment: Mapping[str, str],
    *,
    kill_after: float | None = None,
) -> int | None:
    """Run a process of the soak; return its exit code, None if it was killed with SIGKILL."""
    command = [sys.executable, "-m", f"tests.programs.soak.{job}", *arguments]
    with log.open("ab") as said:
        process = subprocess.Popen(
            command, env=dict(environment), cwd=ROOT, stdout=said, stderr=subprocess.STDOUT
        )
    started_at = time.monotonic()
    try:
        while (code := process.poll()) is None:
            if kill_after is not None and time.monotonic() - started_at > kill_after:
                return None
            pause(0.1)
        return code
    finally:
        process.kill()
        process.wait()


def _leaks(folder: Path) -> Iterator[str]:
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    sizes = [round(it["bytes"] / 1024**2) for it in samples[:: max(1, len(samples) // 8)]]
    print(f"the single runs' process, MiB over time: {sizes}", flush=True)
    yield from leaks(samples, json.loads((folder / "descriptors.json").read_text()))


def _tracebacks(folder: Path) -> Iterator[str]:
    for log in sorted(folder.glob("*.log")):
        found = [line for line in log.read_text().splitlines() if _TRACEBACK.search(line)]
        if found:
            yield f"{log.name} shows {len(found)} errors that nobody expected, such as: {found[0]}"


if __name__ == "__main__":
    sys.exit(main())

"""
`make test-faults`: kill, freeze and disconnect real processes, and count the consequences at the server.

SCENARIO=name (or names as arguments) runs only those. When a promise broke, logs stay in `.cache/faults`, and
`.cache/faults/broken` names the scenarios for another attempt.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs.faults import batches, many_workers, single_machine, slow_scheduler, transfers
from tests.programs.faults.celery_stack import CeleryStack
from tests.programs.faults.engines import Redis, install_missing, running_postgres
from tests.programs.faults.scenario import Result, Scenario, perform_one_by_one, perform_together
from tests.programs.system.airflow_api import AirflowAPIError
from tests.programs.system.airflow_stack import AirflowStack
from tests.programs.system.servers import ServerError, stopping_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

HERE = Path(__file__).resolve().parent
DAGS = HERE / "dags"
SCRATCH = HERE.parents[2] / ".cache" / "faults"
BROKEN = SCRATCH / "broken"
LAST_DAG = "many_workers"
ONE_BY_ONE = (
    *single_machine.ONE_BY_ONE,
    *transfers.SCENARIOS,
    *batches.SCENARIOS,
)


def main(arguments: list[str] | None = None) -> int:
    every = (
        *single_machine.SIDE_BY_SIDE,
        *ONE_BY_ONE,
        *slow_scheduler.SCENARIOS,
        *many_workers.SCENARIOS,
    )
    known = [scenario.name for scenario in every]
    parser = argparse.ArgumentParser(prog="python -m tests.programs.faults", description=__doc__)
    parser.add_argument("scenario", nargs="*", help=f"run only these: {', '.join(known)}")
    parser.add_argument("--keep-logs", action="store_true", help="keep the logs also when all is well")
    options = parser.parse_args(arguments)
    names = set(options.scenario or os.environ.get("SCENARIO", "").replace(",", " ").split() or known)
    if unknown := names - set(known):
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    SCRATCH.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="run-", dir=SCRATCH))
    home.chmod(0o755)  # PostgreSQL runs as a user of its own
    started_at = time.monotonic()
    results: list[Result] = []
    try:
        with stopping_on_signals():
            run(names, home, results, _logger(started_at))
    except KeyboardInterrupt:
        print("\nStopped; every server is down.", flush=True)
        return 130
    except (ServerError, AirflowAPIError) as error:
        print(f"\nA server failed: {error}", file=sys.stderr, flush=True)
    print(f"\nWhat was counted, {time.monotonic() - started_at:.0f} s in all:")
    for result in results:
        print(result.line)
    held = {result.name for result in results if result.problem is None}
    broken = [name for name in known if name in names - held]
    BROKEN.write_text(" ".join(broken))
    is_well = not broken
    if is_well and not options.keep_logs:
        shutil.rmtree(home, ignore_errors=True)
    else:
        print(f"Logs: {home}")
    print("every promise held" if is_well else "BROKEN: see above", flush=True)
    return 0 if is_well else 1


def run(names: Collection[str], home: Path, results: list[Result], log: Callable[[str], None]) -> None:
    """Run the named scenarios, and add each result once it is known."""
    together, alone, slowed, spread = (
        [it for it in scenarios if it.name in names]
        for scenarios in (
            single_machine.SIDE_BY_SIDE,
            ONE_BY_ONE,
            slow_scheduler.SCENARIOS,
            many_workers.SCENARIOS,
        )
    )
    install_missing(log)
    if together or alone:
        on_a_single_machine(together, alone, home / "single", single_machine.SETTINGS, results, log)
    if slowed:
        on_a_single_machine((), slowed, home / "slowed", slow_scheduler.SETTINGS, results, log)
    if spread:
        on_many_workers(spread, home / "many", results, log)


def on_a_single_machine(
    together: Sequence[Scenario],
    alone: Sequence[Scenario],
    home: Path,
    settings: Mapping[str, str],
    results: list[Result],
    log: Callable[[str], None],
) -> None:
    log("a single machine: LocalExecutor, one triggerer, PostgreSQL")
    # Not SQLite: with fifteen tasks at once Airflow itself fails with "database is locked".
    with running_postgres(home) as postgres:
        environment = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.address, **settings}
        stack = AirflowStack(home / "airflow", DAGS, environment=environment)
        with stack.running(log):
            stack.api.wait_for_dag(LAST_DAG, timeout_seconds=180)
            results += perform_together(together, stack, home, log)
            results += perform_one_by_one(alone, stack, home, log)
            log("stopping this Airflow")


def on_many_workers(
    scenarios: Sequence[Scenario], home: Path, results: list[Result], log: Callable[[str], None]
) -> None:
    log("many workers: CeleryExecutor, two workers, two triggerers, PostgreSQL, Redis")
    with running_postgres(home) as postgres, Redis(log=home / "redis.log") as redis:
        stack = CeleryStack(
            home / "airflow",
            DAGS,
            database=postgres.address,
            broker=redis.address,
            environment=many_workers.SETTINGS,
        )
        with stack.running(log):
            stack.api.wait_for_dag(LAST_DAG, timeout_seconds=180)
            results += perform_one_by_one(scenarios, stack, home, log)
            log("stopping this Airflow")


def _logger(started_at: float) -> Callable[[str], None]:
    lock = threading.Lock()

    def log(line: str) -> None:
        with lock:
            print(f"[{time.monotonic() - started_at:6.1f} s] {line}", flush=True)

    return log


if __name__ == "__main__":
    sys.exit(main())

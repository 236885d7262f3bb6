"""A batch of many runs against as many mapped tasks, on a real Airflow: LocalExecutor, PostgreSQL."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.airflow_home import ROOT
from tests.programs.benchmarks import processor_time
from tests.programs.benchmarks.scale_triggers_job import control
from tests.programs.faults.engines import install_missing, running_postgres
from tests.programs.system.airflow_api import FINISHED_RUN_STATES
from tests.programs.system.airflow_stack import AirflowStack
from tests.programs.system.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.programs.system.servers import Server

DAGS = Path(__file__).resolve().parent / "dags"
MAX_ACTIVE = 100
_IDLE_SECONDS = 20.0
#: A thousand mapped tasks take a quarter of an hour on two cores.
_PATIENCE_SECONDS = 45 * 60.0
_PARTS = ("scheduler", "workers", "triggerer", "API server", "database")


@dataclass(frozen=True)
class Measured:
    """The measured cost of a number of runs."""

    runs: int
    seconds: float
    cpu: dict[str, float]
    requests: dict[str, int]


def main() -> None:
    """Print a table. MAPPED=1000 and BATCH=1000 set the numbers of runs; costs are compared per run."""
    runs = ROOT / ".cache" / "bench"
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=runs) as scratch:
        _measure(Path(scratch))


def _measure(folder: Path) -> None:
    folder.chmod(0o755)  # PostgreSQL runs as a user of its own
    mapped, batch = int(os.environ.get("MAPPED", "1000")), int(os.environ.get("BATCH", "1000"))
    inputs = folder / "inputs.jsonl"
    inputs.write_text("".join(json.dumps({"prompt": f"item {number}"}) + "\n" for number in range(batch)))
    install_missing(_say)
    with running_postgres(folder) as postgres, Emulator(log=folder / "emulator.log") as emulator:
        settings = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.address,
            "AIRFLOW_CONN_WIRO_DEFAULT": emulator.airflow_connection(),
            "WIRO_BENCH_MAPPED": str(mapped),
            "WIRO_BENCH_INPUTS": str(inputs),
            "WIRO_BENCH_ACTIVE": str(MAX_ACTIVE),
        }
        stack = AirflowStack(folder / "airflow", DAGS, environment=settings)
        with stack.running(_say):
            stack.api.wait_for_dag("mapped", timeout_seconds=180)
            # Otherwise the first way would pay for the imports of a process's first task.
            _until_over(stack, "warm_up")
            meter = _Meter(stack, postgres)
            rest = meter.over(lambda: time.sleep(_IDLE_SECONDS))
            idle = {part: seconds / _IDLE_SECONDS for part, seconds in rest.items()}
            found = {}
            for dag_id, count in (("batch_blocking", batch), ("batch_deferred", batch), ("mapped", mapped)):
                found[dag_id] = _run(stack, emulator, meter, dag_id, count)
    _print(idle, found)


class _Meter:
    def __init__(self, stack: AirflowStack, database: Server) -> None:
        self._stack = stack
        self._database = database

    def over(self, act: Callable[[], None]) -> dict[str, float]:
        """Return the processor seconds that each part of Airflow uses while something is done."""
        before = self._read()
        act()
        after = self._read()
        return {part: after[part] - before[part] for part in before}

    def _read(self) -> dict[str, float]:
        stack = self._stack
        servers = {
            "triggerer": stack.triggerer,
            "API server": stack.api_server,
            "database": self._database,
        }
        return {
            "scheduler": processor_time.of_one(stack.scheduler.pid),
            "workers": processor_time.of_children(stack.scheduler.pid),
            **{
                part: processor_time.of_one(server.pid) + processor_time.of_children(server.pid)
                for part, server in servers.items()
            },
        }


def _run(stack: AirflowStack, emulator: Emulator, meter: _Meter, dag_id: str, runs: int) -> Measured:
    before = control(emulator.page, "counts")["counts"]
    started_at = time.monotonic()
    cpu = meter.over(lambda: _until_over(stack, dag_id))
    seconds = time.monotonic() - started_at
    after = control(emulator.page, "counts")["counts"]
    started = after["tasks_started"] - before["tasks_started"]
    if started != runs or after["tasks_active"]:
        raise RuntimeError(f"{dag_id}: {started} tasks were started, and {runs} wanted")
    _say(f"{dag_id}: {runs} runs in {seconds:.0f} s")
    asked = {name: count - before["requests"].get(name, 0) for name, count in after["requests"].items()}
    return Measured(runs, seconds, cpu, {name: count for name, count in asked.items() if count})


def _until_over(stack: AirflowStack, dag_id: str) -> None:
    run_id = stack.api.trigger(dag_id)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (state := stack.api.run_state(dag_id, run_id)) not in FINISHED_RUN_STATES:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{dag_id} is still {state} after {_PATIENCE_SECONDS:.0f} s")
        time.sleep(1)
    if state != "success":
        logs = "\n".join(str(record.get("event")) for record in stack.api.task_log(dag_id, run_id, "run"))
        raise RuntimeError(f"{dag_id} ended as {state}:\n{logs[-3000:]}")


def _print(idle: dict[str, float], found: dict[str, Measured]) -> None:
    print(
        f"\nRuns of 8 s on Airflow (LocalExecutor with 4 workers, PostgreSQL), at most {MAX_ACTIVE} at once; "
        "CPU in seconds"
    )
    names = ["runs", "seconds", *_PARTS, "CPU ms/run", "Wiro req./run"]
    print(f"{'':16}" + "".join(f"{name:>{_width(name)}}" for name in names))
    for dag_id, row in found.items():
        cells = [str(row.runs), f"{row.seconds:.0f}", *(f"{row.cpu[part]:.1f}" for part in _PARTS)]
        cells += [f"{sum(row.cpu.values()) / row.runs * 1000:.0f}"]
        cells += [f"{sum(row.requests.values()) / row.runs:.2f}"]
        _print_row(dag_id, names, cells)
    nothing = ["0", "60", *(f"{idle[part] * 60:.1f}" for part in _PARTS), "", ""]
    _print_row("nothing to do", names, nothing)
    mapped = found["mapped"]
    for dag_id, row in found.items():
        if dag_id != "mapped":
            per_run: list[tuple[str, Callable[[Measured], float]]] = [
                ("wall time", lambda it: it.seconds / it.runs),
                ("scheduler CPU", lambda it: it.cpu["scheduler"] / it.runs),
                ("CPU of all", lambda it: sum(it.cpu.values()) / it.runs),
                ("Wiro requests", lambda it: sum(it.requests.values()) / it.runs),
            ]
            ratios = ", ".join(f"{name} {of(row) / of(mapped):.3g}" for name, of in per_run)
            print(f"  {dag_id} / mapped, by run: {ratios}")
    for dag_id, row in found.items():
        print(
            f"  {dag_id}: " + ", ".join(f"{name} {count}" for name, count in row.requests.items()), flush=True
        )


def _print_row(title: str, names: list[str], cells: list[Any]) -> None:
    print(f"{title:16}" + "".join(f"{cell:>{_width(name)}}" for name, cell in zip(names, cells, strict=True)))


def _width(name: str) -> int:
    return max(6, len(name)) + 2


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


if __name__ == "__main__":
    main()

"""What goes wrong on a slow scheduler: LocalExecutor, Airflow's own time limits, busy cores."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.programs.faults.interruptible_wait import BrokenPromiseError
from tests.programs.faults.scenario import Scenario
from tests.programs.faults.scenario_context import Expected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs.faults.scenario_context import ScenarioContext

RUNS = 60
BUSY_LOOPS = 2
#: Airflow's own limits: with those of the other stack a scheduler that lags by 20 s would count as dead.
SETTINGS = {"AIRFLOW__CORE__PARALLELISM": "16"}


@contextlib.contextmanager
def busy_cores(loops: int) -> Iterator[None]:
    """Keep cores busy with child processes, which are ended by their pids."""
    with contextlib.ExitStack() as cleanup:
        for _ in range(loops):
            busy = subprocess.Popen(
                [sys.executable, "-S", "-c", "while True: pass"], stdin=subprocess.DEVNULL
            )
            cleanup.callback(busy.wait)
            cleanup.callback(busy.kill)
        yield


def short_deferrals(context: ScenarioContext) -> None:
    """
    Sixty deferred runs of 2 to 4 seconds, without a retry, while every core is busy with something else.

    If a deferral is shorter than the scheduler's lag, Airflow fails the task although its run was paid for.
    Without the provider's shortest deferral, two to six of the sixty fail (3.3.2).
    """
    context.stack.api.wait_for_dag(context.name, timeout_seconds=120)
    with busy_cores(BUSY_LOOPS):
        context.trigger()
        context.finish(Expected(started=RUNS, states={"success": RUNS}, most_tries=1), within_seconds=400)
    if (most := context.wiro.seen().most_starts_of_one_run) != 1:
        raise BrokenPromiseError(f"a run was started {most} times")


SCENARIOS = (Scenario("short_deferrals", short_deferrals, model_seconds=4),)

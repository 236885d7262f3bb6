"""A scenario, and functions to run several at the same time on one Airflow."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tests.programs.faults.interruptible_wait import StoppedError, stop_waiting
from tests.programs.faults.scenario_context import ScenarioContext
from tests.programs.faults.wiro import Wiro

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.programs.system.airflow_stack import AirflowStack


@dataclass(frozen=True)
class Scenario:
    """
    One fault, and what must hold despite it.

    :ivar act: causes the fault, and raises BrokenPromiseError if a promise didn't hold.
    :ivar model_seconds: how long the model takes at the emulator.
    :ivar wiro_options: the emulator's options.
    """

    name: str
    act: Callable[[ScenarioContext], None]
    model_seconds: float = 30
    wiro_options: tuple[str, ...] = ()

    @property
    def speed(self) -> float:
        # The Retro Cartoons model takes 8 s of the emulator's time.
        return 8 / self.model_seconds


@dataclass(frozen=True)
class Result:
    """The result of a scenario: one line of the summary."""

    name: str
    seconds: float
    counted: str
    problem: str | None

    @property
    def line(self) -> str:
        verdict = "ok    " if self.problem is None else "BROKEN"
        broken = "" if self.problem is None else f"  << {self.problem}"
        return f"{verdict} {self.name:<28} {self.seconds:5.0f} s  {self.counted}{broken}"


def perform(scenario: Scenario, stack: AirflowStack, home: Path, log: Callable[[str], None]) -> Result:
    """Run one scenario with an emulator of its own, and count."""
    started_at = time.monotonic()
    context: ScenarioContext | None = None
    counted, problem = "nothing was counted", None
    wiro = Wiro(*scenario.wiro_options, log=home / "wiro" / f"{scenario.name}.log", speed=scenario.speed)
    try:
        with wiro:
            context = ScenarioContext(scenario.name, stack, wiro, log)
            try:
                scenario.act(context)
            finally:
                wiro.thaw()
                seen = wiro.seen()
                wiro.log.with_suffix(".json").write_text(json.dumps(asdict(seen), indent=1))
                counted = context.counted()
    except StoppedError:
        raise
    except Exception as error:  # whatever it is, the other scenarios continue
        problem = f"{type(error).__name__}: {error}"
    result = Result(scenario.name, time.monotonic() - started_at, counted, problem)
    log(result.line)
    return result


def perform_together(
    scenarios: Sequence[Scenario], stack: AirflowStack, home: Path, log: Callable[[str], None]
) -> list[Result]:
    """Run scenarios that don't disturb each other at the same time."""
    if not scenarios:
        return []
    log(f"together now: {', '.join(scenario.name for scenario in scenarios)}")
    with ThreadPoolExecutor(len(scenarios)) as threads:
        try:
            return list(threads.map(lambda scenario: perform(scenario, stack, home, log), scenarios))
        except BaseException:
            stop_waiting()  # the pool waits for its threads
            raise


def perform_one_by_one(
    scenarios: Sequence[Scenario], stack: AirflowStack, home: Path, log: Callable[[str], None]
) -> list[Result]:
    """Run scenarios that stop a part of Airflow; parts that a failed one left down are started again."""
    results = []
    for scenario in scenarios:
        for server in stack.servers:
            if not server.is_running:
                server.start()
        results.append(perform(scenario, stack, home, log))
    return results

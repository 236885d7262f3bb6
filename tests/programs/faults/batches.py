"""What goes wrong in the middle of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.programs.faults.interruptible_wait import BrokenPromiseError
from tests.programs.faults.processes import kill_task
from tests.programs.faults.scenario import Scenario
from tests.programs.faults.scenario_context import Expected

if TYPE_CHECKING:
    from tests.programs.faults.scenario_context import ScenarioContext

ITEMS, MAX_ACTIVE = 40, 10
#: Airflow itself needs up to 5 s to notice a user's click; two busy cores need more.
STOP_SECONDS = 30.0


def batch_killed(context: ScenarioContext) -> None:
    """The process dies in the middle: the retry follows the runs in flight, and starts only missing ones."""
    run = context.trigger()
    context.wait_until_wiro(
        "a part is done", lambda seen: seen.started >= ITEMS // 2 and seen.running > 0, within_seconds=180
    )
    kill_task(run.task_process(), context.stack.servers)
    context.note(f"killed with {context.ask(lambda seen: seen.started)} of {ITEMS} started")
    context.finish(Expected(started=ITEMS, billed=ITEMS, states={"success": 1}, most_tries=2))
    summary = run.result("run")
    if (summary["total"], summary["succeeded"]) != (ITEMS, ITEMS):
        raise BrokenPromiseError(f"the batch counts otherwise: {summary}")


def _mark_failed(context: ScenarioContext, *, is_deferred: bool) -> None:
    context.wiro.arm({"kind": "stuck_running", "times": None})
    run = context.trigger()
    context.wait_until_wiro("all run", lambda seen: seen.running == MAX_ACTIVE, within_seconds=180)
    if is_deferred:
        context.wait_until_followed(run)
        context.wait_until_wiro(
            "all are listened to",
            lambda seen: seen.counts["socket_registrations"] >= MAX_ACTIVE,
            within_seconds=60,
        )
    run.mark_failed()
    seconds = context.wait_until_wiro(
        "all are stopped", lambda seen: seen.stopped == MAX_ACTIVE, within_seconds=STOP_SECONDS
    )
    context.note(f"all stopped after {seconds:.1f} s")
    context.finish(Expected(started=MAX_ACTIVE, stopped=MAX_ACTIVE, billed=0, states={"failed": 1}))


def batch_marked_failed(context: ScenarioContext) -> None:
    """A user marks a batch failed that waits in a worker: its runs are stopped, and none is started."""
    _mark_failed(context, is_deferred=False)


def batch_marked_failed_deferred(context: ScenarioContext) -> None:
    """The same while it is deferred."""
    _mark_failed(context, is_deferred=True)


SCENARIOS = (
    Scenario("batch_killed", batch_killed, model_seconds=10),
    Scenario("batch_marked_failed", batch_marked_failed, model_seconds=10),
    Scenario("batch_marked_failed_deferred", batch_marked_failed_deferred, model_seconds=10),
)

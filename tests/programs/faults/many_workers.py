"""What goes wrong with many workers: CeleryExecutor, two workers, two triggerers, PostgreSQL and Redis."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from tests.programs.faults.celery_stack import CeleryStack
from tests.programs.faults.interruptible_wait import BrokenPromiseError, pause, wait_for
from tests.programs.faults.processes import signal_session
from tests.programs.faults.scenario import Scenario
from tests.programs.faults.scenario_context import Expected

if TYPE_CHECKING:
    from tests.programs.faults.scenario_context import ScenarioContext

RUNS = 60
MOVED = 6
#: Airflow's log line when a triggerer starts a task's trigger, with its id.
STARTING = re.compile(r"\(ID (\d+)\) starting")
BATCH_ITEMS, BATCH_ACTIVE = 24, 6
#: After this Airflow gives a triggerer's triggers to another one.
TRIGGERER_SILENT_SECONDS = 20
SETTINGS = {
    # A Run that a killed worker may have sent is awaited this long before it is sent again: ten minutes.
    "AIRFLOW__WIRO__LOST_RUN_PATIENCE": "60",
    "AIRFLOW__CORE__PARALLELISM": "64",
    # How long Airflow takes to notice that a worker or a triggerer is gone: minutes by default.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": str(TRIGGERER_SILENT_SECONDS),
    # A killed worker takes the messages it had reserved with it; Redis gives them out again a day later.
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "40",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
}


def _celery(context: ScenarioContext) -> CeleryStack:
    if not isinstance(context.stack, CeleryStack):
        raise TypeError(f"{context.name} needs a CeleryStack")
    return context.stack


def _trigger_logs(context: ScenarioContext) -> dict[str, str]:
    """Return the text of each triggerer's log of this scenario's tasks, by the path of its file."""
    logs = (context.stack.home / "logs").rglob("*.log.trigger.*.log")
    return {str(log): log.read_text(errors="replace") for log in logs if context.name in str(log)}


def _times_said(context: ScenarioContext, words: str) -> int:
    """Count words of Airflow in the task logs: whether the scenario's fault has happened."""
    return sum(text.count(words) for text in _trigger_logs(context).values())


def _started_triggers(context: ScenarioContext) -> set[tuple[str, str]]:
    """
    Return which triggerer has started which triggers, as pairs of a log's path and a trigger's id.

    The next trigger of a triggerer overwrites its log of the task, so lines can't be counted.
    """
    return {
        (path, found) for path, text in _trigger_logs(context).items() for found in STARTING.findall(text)
    }


def many_workers(context: ScenarioContext) -> None:
    """Sixty mapped runs while a worker and a triggerer are killed and started again."""
    stack = _celery(context)
    context.trigger()
    context.wait_until_wiro("a third is started", lambda seen: seen.started >= RUNS // 3, within_seconds=240)
    doomed = stack.workers[0], stack.triggerer
    for server in doomed:
        server.kill()
    context.note(
        f"worker and triggerer killed with {context.ask(lambda seen: seen.started)} Wiro tasks started"
    )
    pause(5)
    for server in doomed:
        server.launch()
    for server in doomed:
        server.wait_until_ready()
    context.say("both are back")
    context.finish(Expected(started=RUNS, states={"success": RUNS}), within_seconds=480)
    most = context.wiro.seen().most_starts_of_one_run
    if most != 1:
        raise BrokenPromiseError(f"a run was started {most} times")


def triggerer_moved(context: ScenarioContext) -> None:
    """
    A triggerer freezes, its triggers move to the other one, and it wakes up again.

    It then cancels the triggers that it has lost, just as if a user had stopped their tasks.
    """
    stack = _celery(context)
    run = context.trigger()
    context.wait_until_followed(run)
    silent = stack.triggerer, stack.second_triggerer
    # Airflow chooses which of the two has the triggers, so one after the other is frozen.
    for server in silent:
        signal_session(server, signal.SIGSTOP)
        try:
            pause(TRIGGERER_SILENT_SECONDS + 15)
        finally:
            signal_session(server, signal.SIGCONT)
        context.say(f"{server.name} was silent, and woke up")
        pause(10)
        if context.ask(lambda seen: seen.stopped):
            raise BrokenPromiseError("a Wiro task was stopped because its trigger moved")
    context.note(f"{_times_said(context, 'invoking on_kill')} triggers were told to kill, by the move alone")
    context.finish(Expected(started=MOVED, states={"success": MOVED}, most_tries=1))


def batch_triggerer_moved(context: ScenarioContext) -> None:
    """
    A triggerer freezes, and wakes up while the batch that it followed runs in a worker.

    Meanwhile the other one has taken over the trigger, and fired it. The Airflow task then runs, which no
    user has requested: none of its Wiro tasks may be stopped.
    """
    stack = _celery(context)
    first, second = stack.triggerer, stack.second_triggerer
    run = context.trigger()
    context.wait_until_wiro("all run", lambda seen: seen.running == BATCH_ACTIVE, within_seconds=240)
    try:
        # Which of the two has the trigger is Airflow's choice, unless only one of them is awake: the next one
        # that starts is the second's, be it taken over from the first.
        signal_session(first, signal.SIGSTOP)
        started = _started_triggers(context)
        wait_for(
            "the second has the trigger",
            lambda: _started_triggers(context) - started and set(run.states()) == {"deferred"},
            within_seconds=240,
        )
        # The worker that is resumed next has Runs to wait for, so that it is still running when the second
        # triggerer wakes up.
        context.wiro.arm({"kind": "slow", "endpoint": "Run", "delay_seconds": 30, "times": 2})
        signal_session(second, signal.SIGSTOP)
        signal_session(first, signal.SIGCONT)
        context.say(f"{second.name} falls silent")
        run.wait_for_state("running", within_seconds=180)
        context.note("the silent triggerer woke up while the batch was running")
    finally:
        for server in (first, second):
            signal_session(server, signal.SIGCONT)
    pause(20)
    if context.ask(lambda seen: seen.stopped):
        raise BrokenPromiseError("Wiro tasks were stopped because their trigger moved")
    moves = _times_said(context, "This trigger moves to another triggerer")
    context.note(f"{moves} times a trigger left its Wiro tasks running")
    context.note(f"{_times_said(context, 'invoking on_kill')} triggers were told to kill, by the move alone")
    context.finish(
        Expected(started=BATCH_ITEMS, billed=BATCH_ITEMS, states={"success": 1}, most_tries=1),
        within_seconds=480,
    )


SCENARIOS = (
    Scenario("batch_triggerer_moved", batch_triggerer_moved, model_seconds=40),
    Scenario("triggerer_moved", triggerer_moved, model_seconds=110),
    Scenario("many_workers", many_workers, model_seconds=30),
)

"""What goes wrong on a single machine: LocalExecutor, one triggerer."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.programs.faults.gateway import Gateway
from tests.programs.faults.interruptible_wait import BrokenPromiseError, pause, wait_for
from tests.programs.faults.processes import kill_session, kill_task
from tests.programs.faults.scenario import Scenario
from tests.programs.faults.scenario_context import Expected
from tests.programs.system.servers import session_members

if TYPE_CHECKING:
    from tests.programs.faults.scenario_context import Run, ScenarioContext

#: How soon a Wiro task must be stopped after a user's click. Airflow itself needs up to 5 s to notice; two
#: busy cores need more.
STOP_SECONDS_DEFERRED = 20.0
STOP_SECONDS_BLOCKING = 25.0
OUTAGE_SECONDS = 60.0
AFTER_THE_RUSH_SECONDS = 45.0

SETTINGS = {
    # A Run that a killed worker may have sent is awaited this long before it is sent again: ten minutes.
    "AIRFLOW__WIRO__LOST_RUN_PATIENCE": "60",
    "AIRFLOW__CORE__PARALLELISM": "16",
    # How long Airflow takes to notice that a worker, a scheduler or a triggerer is gone: minutes by default.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "20",
}

ONE_SUCCESS = {"success": 1}
ONE_FAILURE = {"failed": 1}


def _begin(context: ScenarioContext, dag_id: str | None = None) -> Run:
    """Start a run and wait until its model runs at Wiro."""
    before = context.ask(lambda seen: seen.running)
    run = context.trigger(dag_id)
    context.wait_until_wiro("the model runs", lambda seen: seen.running > before, within_seconds=120)
    return run


def _wait_for_id(run: Run) -> None:
    """Wait until the record holds the Wiro task's id."""
    wait_for("the record holds the id", lambda: (run.record() or {}).get("wiro_task_id"), within_seconds=60)


def _check_intent_only(run: Run) -> None:
    record = run.record()
    if record is None or record.get("wiro_task_id") is not None:
        raise BrokenPromiseError(f"expected a record with an intent and no id, found {record}")


def _killed_before_record(context: ScenarioContext, *, with_worker: bool) -> None:
    """Wiro has started the task, and the process dies before it receives the response with the id."""
    context.wiro.arm({"kind": "slow", "endpoint": "Run", "delay_seconds": 600})
    run = context.trigger()
    context.wait_until_wiro("Run was carried out", lambda seen: seen.started == 1, within_seconds=120)
    _check_intent_only(run)
    kill_task(run.task_process(), context.stack.servers, with_worker=with_worker)
    context.say("killed with Run carried out and its answer on the way")
    context.finish(Expected(started=1, states=ONE_SUCCESS))


def killed_before_record(context: ScenarioContext) -> None:
    """Only the task's process dies: its supervisor notices at once."""
    _killed_before_record(context, with_worker=False)


def killed_worker_before_record(context: ScenarioContext) -> None:
    """The whole worker dies: Airflow misses its heartbeats after a while."""
    _killed_before_record(context, with_worker=True)


def _killed_in_flight(context: ScenarioContext, gateway: Gateway) -> None:
    """
    Kill the process while Run is in flight, and let Run arrive only after the retry has started its search.
    """
    with gateway:
        context.connect(through=gateway.address)
        run = context.trigger()
        wait_for("a Run is on the wire", lambda: gateway.held, within_seconds=180)
        _check_intent_only(run)
        kill_task(run.task_process(), context.stack.servers)
        context.say("killed with Run on the wire")
        pause(15)
        if gateway.held > 1:
            raise BrokenPromiseError("a second Run was sent while the first was on its way")
        gateway.release()
        context.finish(Expected(started=1, states=ONE_SUCCESS))


def killed_in_flight(context: ScenarioContext) -> None:
    """The process dies while Run is in flight."""
    _killed_in_flight(context, Gateway(context.wiro.page))


def killed_after_rate_limit(context: ScenarioContext) -> None:
    """The same, with a Run that was sent long after the intent, because of Wiro's rate limit."""
    context.wiro.arm({"kind": "rate_limit", "endpoint": "Run", "retry_after": 40})
    _killed_in_flight(context, Gateway(context.wiro.page, runs_let_through=1))


def killed_in_doubt(context: ScenarioContext) -> None:
    """
    The same at a Wiro that had not responded before either: it isn't known which task is the run's.

    The error names the task, for a person to decide; a second one is not started.
    """
    context.wiro.freeze()
    run = context.trigger()
    wait_for("the intent is recorded", run.record, within_seconds=180)
    pause(2)
    _check_intent_only(run)
    kill_task(run.task_process(), context.stack.servers)
    context.say("killed with Run on the wire, and Wiro frozen since before")
    pause(15)
    context.wiro.thaw()
    run.wait_until_over(120)
    context.wait_until_wiro("the task has ended", lambda seen: seen.alive == 0, within_seconds=60)
    context.finish(Expected(started=1, billed=1, states=ONE_FAILURE, most_tries=2))


def answer_lost(context: ScenarioContext) -> None:
    """Wiro starts the task, and the connection breaks before the response."""
    context.wiro.arm({"kind": "drop_after", "endpoint": "Run"})
    context.trigger()
    context.finish(Expected(started=1, states=ONE_SUCCESS, most_tries=1))


def request_lost(context: ScenarioContext) -> None:
    """The connection breaks before Wiro starts anything: it looks the same, but Run must be sent again."""
    context.wiro.arm({"kind": "drop_before", "endpoint": "Run"})
    context.trigger()
    context.finish(Expected(started=1, states=ONE_SUCCESS, most_tries=1))


def _killed_polling(context: ScenarioContext, *, with_worker: bool) -> None:
    run = _begin(context)
    _wait_for_id(run)
    kill_task(run.task_process(), context.stack.servers, with_worker=with_worker)
    context.say("killed while it followed its task")
    context.finish(Expected(started=1, states=ONE_SUCCESS))


def killed_polling(context: ScenarioContext) -> None:
    """The task's process dies while it waits."""
    _killed_polling(context, with_worker=False)


def killed_worker_polling(context: ScenarioContext) -> None:
    """The worker dies while its task waits."""
    _killed_polling(context, with_worker=True)


def _stops_within(context: ScenarioContext, limit: float) -> None:
    seconds = context.wait_until_wiro(
        "the task is stopped", lambda seen: seen.stopped == 1, within_seconds=limit
    )
    context.note(f"stopped after {seconds:.1f} s")


def mark_failed_deferred(context: ScenarioContext) -> None:
    """A user marks a deferred task failed."""
    run = _begin(context)
    context.wait_until_followed(run)
    run.mark_failed()
    _stops_within(context, STOP_SECONDS_DEFERRED)
    context.finish(Expected(started=1, stopped=1, states=ONE_FAILURE))


def mark_failed_mapped(context: ScenarioContext) -> None:
    """A user marks one of two mapped, deferred instances failed: only that one's Wiro task is stopped."""
    run = context.trigger()
    context.wait_until_followed(run)
    context.wait_until_wiro("both models run", lambda seen: seen.running == 2, within_seconds=60)
    run.mark_failed(map_index=1)
    _stops_within(context, STOP_SECONDS_DEFERRED)
    context.finish(Expected(started=2, stopped=1, states={"failed": 1, "success": 1}))


def mark_failed_blocking(context: ScenarioContext) -> None:
    """A user marks a running task failed."""
    run = _begin(context)
    _wait_for_id(run)
    run.mark_failed()
    _stops_within(context, STOP_SECONDS_BLOCKING)
    context.finish(Expected(started=1, stopped=1, states=ONE_FAILURE))


def clear_deferred(context: ScenarioContext) -> None:
    """
    A user clears a deferred task: its Wiro task is followed further, or stopped before another is paid for.
    """
    run = _begin(context)
    context.wait_until_followed(run)
    run.clear()
    pause(3)
    run.wait_until_over(240)
    seen = context.wiro.seen()
    context.note(
        "the new try followed it on" if seen.started == 1 else "it was stopped, and another was started"
    )
    context.finish(Expected(started=seen.started, stopped=seen.started - 1, states=ONE_SUCCESS))
    if seen.started > 2:
        raise BrokenPromiseError(f"one Clear started {seen.started - 1} more Wiro tasks")


def execution_timeout(context: ScenarioContext) -> None:
    """Airflow's execution_timeout ends a blocking run."""
    context.trigger()
    context.finish(Expected(started=1, stopped=1, states=ONE_FAILURE))


def operator_timeout(context: ScenarioContext) -> None:
    """The operator's own timeout passes while deferred."""
    context.trigger()
    context.finish(Expected(started=1, stopped=1, states=ONE_FAILURE))


def account_limit(context: ScenarioContext) -> None:
    """
    Six runs on an account that may have two at once.

    They start after the other scenarios: a scheduler that lags by more than a deferral takes the deferral's
    end for the task's failure (Airflow 3.3.2, "state attribute is queued"), and uses up a retry.
    """
    pause(AFTER_THE_RUSH_SECONDS)
    context.trigger()
    context.finish(Expected(started=6, states={"success": 6}, most_tries=1), within_seconds=400)
    context.note(f"{context.wiro.seen().requests('Run') - 6} times there was no slot")


def _outage(context: ScenarioContext) -> None:
    for mode in ("blocking", "deferred"):
        _begin(context, f"{context.name}_{mode}")
    context.runs[1].wait_for_state("deferred")
    pause(3)


def outage_frozen(context: ScenarioContext) -> None:
    """Wiro accepts connections, but doesn't respond for a minute."""
    _outage(context)
    context.wiro.freeze()
    context.say("frozen")
    pause(OUTAGE_SECONDS)
    context.wiro.thaw()
    context.say("thawed")
    context.finish(Expected(started=2, states={"success": 2}, most_tries=1))


def outage_errors(context: ScenarioContext) -> None:
    """Wiro's gateway returns 502 with HTML for half a minute, and drops connections for another half."""
    _outage(context)
    for fault in ({"kind": "server_error", "status": 502, "body": "html"}, {"kind": "drop_before"}):
        context.wiro.disarm()
        context.wiro.arm({**fault, "times": None})
        pause(OUTAGE_SECONDS / 2)
    context.wiro.disarm()
    context.note(f"{context.wiro.seen().faults_fired} requests failed")
    context.finish(Expected(started=2, states={"success": 2}, most_tries=1))


def triggerer_killed(context: ScenarioContext) -> None:
    """
    The triggerer is killed and started again, then restarted as in a deployment: that stops no task.

    While it is down a user marks another deferred task failed. Airflow 3.3.2 then may drop that one's trigger
    before any triggerer runs it, and no code of the provider is called: such a Wiro task runs to its end and
    is billed, which is reported, but no failure.
    """
    followed = _begin(context)
    marked = _begin(context, f"{context.name}_marked")
    context.wait_until_followed(followed, marked)
    context.stack.triggerer.kill()
    context.say("triggerer killed")
    marked.mark_failed()
    pause(3)
    context.stack.triggerer.start()
    context.say("triggerer is back")
    pause(15)
    context.stack.triggerer.stop(grace_seconds=30)
    context.stack.triggerer.start()
    context.say("triggerer restarted")
    followed.wait_until_over(240)
    context.wait_until_wiro("all has ended", lambda seen: seen.alive == 0, within_seconds=60)
    stopped = min(context.wiro.seen().stopped, 1)
    context.note(f"marked while no triggerer ran: {'stopped' if stopped else 'ran on, the known limit'}")
    states = {"failed": 1, "success": 1}
    context.finish(Expected(started=2, stopped=stopped, billed=2 - stopped, states=states, most_tries=1))


def scheduler_killed(context: ScenarioContext) -> None:
    """The scheduler dies with all its workers, and is started again."""
    _outage(context)
    _wait_for_id(context.runs[0])
    context.stack.scheduler.kill()
    context.say("scheduler and its workers killed")
    pause(3)
    context.stack.scheduler.start()
    context.say("scheduler is back")
    context.finish(Expected(started=2, states={"success": 2}))


def scheduler_alone_killed(context: ScenarioContext) -> None:
    """
    The scheduler dies and is started again, while its old workers and their tasks live on.

    Airflow starts the blocking task again and ends its old process as after a user's click. That stops the
    Wiro task under the new try, which starts another: one is paid for, and two never run at once.
    """
    _outage(context)
    _wait_for_id(context.runs[0])
    old_task = context.runs[0].task_process()
    session = context.stack.scheduler.pid
    try:
        os.kill(session, signal.SIGKILL)
        wait_for("the scheduler is gone", lambda: not context.stack.scheduler.is_running, within_seconds=10)
        context.say("scheduler killed, its workers left alone")
        context.stack.scheduler.start()
        context.say("scheduler is back")
        wait_for(
            "the old task has ended", lambda: old_task not in session_members(session), within_seconds=120
        )
    finally:
        # They were forked with the dead scheduler's database connection: while one lives, PostgreSQL keeps
        # the rows locked that were in the scheduler's hands, and Airflow waits for them without end.
        kill_session(session)
    for run in context.runs:
        run.wait_until_over(240)
    stopped = context.wiro.seen().stopped
    context.finish(Expected(started=2 + stopped, stopped=min(stopped, 1), states={"success": 2}))


#: These don't disturb Airflow itself, so they run at the same time.
SIDE_BY_SIDE = (
    Scenario("killed_before_record", killed_before_record),
    Scenario("killed_worker_before_record", killed_worker_before_record),
    Scenario("killed_in_flight", killed_in_flight),
    Scenario("killed_after_rate_limit", killed_after_rate_limit),
    Scenario("killed_in_doubt", killed_in_doubt),
    Scenario("answer_lost", answer_lost),
    Scenario("request_lost", request_lost),
    Scenario("killed_polling", killed_polling, model_seconds=60),
    Scenario("killed_worker_polling", killed_worker_polling, model_seconds=90),
    Scenario("mark_failed_deferred", mark_failed_deferred, model_seconds=160),
    Scenario("mark_failed_mapped", mark_failed_mapped, model_seconds=40),
    Scenario("mark_failed_blocking", mark_failed_blocking, model_seconds=160),
    Scenario("clear_deferred", clear_deferred, model_seconds=60),
    Scenario("execution_timeout", execution_timeout, model_seconds=80),
    Scenario("operator_timeout", operator_timeout, model_seconds=80),
    Scenario("account_limit", account_limit, model_seconds=8, wiro_options=("--max-active", "2")),
    Scenario("outage_frozen", outage_frozen, model_seconds=100),
    Scenario("outage_errors", outage_errors, model_seconds=100),
)
#: These stop a part of Airflow, so they run one after the other.
ONE_BY_ONE = (
    Scenario("triggerer_killed", triggerer_killed, model_seconds=80),
    Scenario("scheduler_killed", scheduler_killed, model_seconds=45),
    Scenario("scheduler_alone_killed", scheduler_alone_killed, model_seconds=45),
)

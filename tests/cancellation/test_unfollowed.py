"""Whoever ends an Airflow task stops its Wiro task, wherever no try is left that would follow it."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, TaskDeferred

from airflow_provider_wiro.cancellation import run_stopper
from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.exceptions import WiroConnectionError, WiroTaskFailedError, WiroTaskTimeoutError
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.triggers.wiro import WiroPauseTrigger
from tests.operators.fakes import CANCELLED, DONE, NOT_INSTALLED, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOST = {"status": "error", "wiro_task_id": "2221", "try_number": 1, "message": "No such connection."}


def unreachable(monkeypatch: pytest.MonkeyPatch, wiro: WiroEmulator) -> None:
    """Let every look at a task fail, and have nobody wait long for it to get better."""
    monkeypatch.setenv("AIRFLOW__WIRO__POLL_PATIENCE", "0.05")
    wiro.inject(Fault("server_error", endpoint="Task/Detail", times=None))


def fail(work: Work, kwargs: dict[str, Any], **settings: Any) -> Any:
    return work.operator(deferrable=True, **settings).resume_execution("__fail__", kwargs, work.context)


# A triggerer that can't follow.


def test_a_task_that_the_triggerer_cannot_follow_is_followed_by_the_worker(
    wiro: WiroEmulator, work: Work
) -> None:
    """Its connection is set in the worker's environment only, say. It is not deferred to it again."""
    deferred = work.defer()
    work.ti.max_tries = 0

    assert work.resume(deferred, LOST)["status"] == DONE
    assert wiro.counts.tasks_stopped == 0
    assert "so it is followed here. No such connection." in work.log


def test_it_is_stopped_at_the_deadline_that_it_had_when_it_was_deferred(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("stuck_running"))
    deferred = work.defer(timeout=0.5)

    with pytest.raises(WiroTaskTimeoutError, match=r"It was stopped\."):
        work.resume(deferred, LOST, timeout=3600)
    assert work.statuses == [CANCELLED]


def test_an_event_of_the_version_before_has_the_deadline_count_from_the_tasks_creation(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("stuck_running"))
    deferred = work.defer()
    del deferred.kwargs["follow_until"]

    with pytest.raises(WiroTaskTimeoutError):
        work.resume(deferred, LOST, timeout=0.5)


@pytest.mark.parametrize("has_state_store", [True, False])
def test_a_trigger_that_airflow_could_not_run_leaves_the_task_to_the_worker(
    wiro: WiroEmulator, work: Work, has_state_store: bool
) -> None:
    work.has_state_store = has_state_store
    work.ti.max_tries = 0
    work.ti.map_index = 3
    work.defer()

    assert fail(work, NOT_INSTALLED)["status"] == DONE
    assert wiro.counts.requests["Run"] == 1
    assert "ModuleNotFoundError: No module named 'x'" in work.log


def test_a_wait_for_a_slot_that_no_triggerer_can_do_is_done_by_the_worker(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.run.pauses.slot_pause_seconds", lambda *_: 0.05)
    wiro.inject(Fault("api_error", endpoint="Run", code=96, message="limit", times=2))
    with pytest.raises(TaskDeferred):
        work.operator(deferrable=True).execute(work.context)

    assert fail(work, NOT_INSTALLED)["status"] == DONE
    assert wiro.counts.tasks_started == 1


def test_a_retry_that_airflow_3_0_resumes_with_an_earlier_trys_failure_starts_as_a_retry(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("exit_code"))
    work.defer()
    with pytest.raises(WiroTaskFailedError):
        fail(work, NOT_INSTALLED)
    work.ti.try_number += 1  # and XCom is kept

    assert fail(work, NOT_INSTALLED)["status"] == DONE
    assert [task.exit_code for task in wiro.tasks] == ["1", "0"]


def test_a_resumed_task_that_the_triggerer_cannot_follow_is_followed_by_the_worker(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("slow", endpoint="Task/Detail", delay_seconds=0.1))
    work.defer()
    work.retry()
    operator = work.operator(deferrable=True)

    assert operator.resume_execution("__fail__", NOT_INSTALLED, work.context)["status"] == DONE
    assert wiro.counts.tasks_started == 1


# An error that ends the Airflow task.


@pytest.mark.parametrize(
    ("max_tries", "durable", "is_stopped"),
    [(0, True, True), (2, True, False), (2, False, True)],
    ids=["no retry is left", "a retry follows it", "a retry knows nothing of it"],
)
def test_a_task_that_is_lost_sight_of_is_stopped_unless_a_retry_will_follow_it(
    wiro: WiroEmulator,
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
    max_tries: int,
    durable: bool,
    is_stopped: bool,
) -> None:
    wiro.inject(Fault("stuck_running"))
    work.ti.max_tries = max_tries
    unreachable(monkeypatch, wiro)

    with pytest.raises(WiroConnectionError, match="Lost sight"):
        work.run(durable=durable)

    assert (work.statuses == [CANCELLED]) is is_stopped
    assert wiro.counts.tasks_stopped == is_stopped


def test_a_resumed_task_that_is_lost_sight_of_is_stopped_where_no_retry_is_left(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiro.inject(Fault("stuck_running"))
    deferred = work.defer()
    work.ti.max_tries = 0
    unreachable(monkeypatch, wiro)

    with pytest.raises(WiroConnectionError):
        work.resume(deferred, LOST)
    assert work.statuses == [CANCELLED]


@pytest.mark.parametrize("event", [None, {"status": "?"}, {"status": "success"}])
def test_an_event_that_cannot_be_read_is_an_error_and_its_task_is_stopped(
    wiro: WiroEmulator, work: Work, event: Any
) -> None:
    wiro.inject(Fault("stuck_running"))
    deferred = work.defer()

    with pytest.raises(AirflowFailException, match="Expected the event of a WiroTaskTrigger"):
        work.operator(deferrable=True).execute_complete(work.context, event, **deferred.kwargs)
    assert work.statuses == [CANCELLED]


def test_cancel_on_kill_off_leaves_it_running(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiro.inject(Fault("stuck_running"))
    work.ti.max_tries = 0
    unreachable(monkeypatch, wiro)

    with pytest.raises(WiroConnectionError):
        work.run(cancel_on_kill=False)
    assert wiro.counts.tasks_stopped == 0
    assert "Wiro task 2221 is left running (cancel_on_kill=False)." in work.log


def test_a_task_that_has_ended_is_not_asked_to_stop(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("exit_code"))
    work.ti.max_tries = 0

    with pytest.raises(WiroTaskFailedError):
        work.run()
    assert wiro.counts.requests["Task/Cancel"] + wiro.counts.requests["Task/Kill"] == 0


def test_a_failure_to_stop_does_not_hide_the_error(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiro.inject(Fault("stuck_running"))
    work.ti.max_tries = 0
    unreachable(monkeypatch, wiro)
    for endpoint in ("Task/Cancel", "Task/Kill"):
        wiro.inject(Fault("api_error", endpoint=endpoint, status=401, message="No.", times=None))

    with pytest.raises(WiroConnectionError, match="Lost sight"):
        work.run()
    assert "Could not stop Wiro task 2221; it may still run." in work.log


# A Run whose answer is on its way.


class TimeoutOfAirflowsError(BaseException):
    """Like AirflowTaskTimeout: raised by the handler of a signal, wherever the main thread is."""


@contextmanager
def when(is_time: Callable[[], bool], act: Callable[[], None]) -> Iterator[None]:
    """Have a real signal's handler act in the main thread, at a moment."""
    before = signal.signal(signal.SIGALRM, lambda *_: act())
    main, is_over = threading.get_ident(), threading.Event()

    def send_signal() -> None:
        while not is_time():
            if is_over.wait(0.01):
                return
        signal.pthread_kill(main, signal.SIGALRM)

    sender = threading.Thread(target=send_signal, daemon=True)
    sender.start()
    try:
        yield
    finally:
        is_over.set()
        sender.join()
        signal.signal(signal.SIGALRM, before)


def run_is_sent(wiro: WiroEmulator) -> Callable[[], bool]:
    return lambda: wiro.counts.requests["Run"] > 0


def time_out() -> None:
    raise TimeoutOfAirflowsError


@pytest.mark.parametrize("max_tries", [0, 2])
def test_airflows_timeout_waits_for_the_response_to_a_run_in_flight_and_stops_its_task(
    wiro: WiroEmulator, work: Work, max_tries: int
) -> None:
    wiro.inject(Fault("stuck_running"), Fault("slow", endpoint="Run", delay_seconds=0.8))
    work.ti.max_tries = max_tries
    operator = work.operator()

    with when(run_is_sent(wiro), time_out), pytest.raises(TimeoutOfAirflowsError):
        operator.execute(work.context)
    operator.on_kill()  # which Airflow calls now

    assert work.statuses == [CANCELLED]
    assert wiro.counts.tasks_stopped == 1


def killed_while_its_run_is_sent(wiro: WiroEmulator, work: Work) -> list[list[str]]:
    """Return the tasks' statuses at the end of each ``on_kill``, of which there is one."""
    operator = work.operator()
    seen: list[list[str]] = []

    def kill() -> None:
        operator.on_kill()
        seen.append(work.statuses)

    with when(run_is_sent(wiro), kill), pytest.raises(AirflowException, match="was stopped"):
        operator.execute(work.context)
    return seen


def test_a_kill_waits_for_the_response_of_a_run_within_its_seconds(wiro: WiroEmulator, work: Work) -> None:
    """In the signal's handler, whose process would be killed soon after: not when execution goes on."""
    wiro.inject(Fault("stuck_running"), Fault("slow", endpoint="Run", delay_seconds=0.8))
    assert killed_while_its_run_is_sent(wiro, work) == [[CANCELLED]]
    assert wiro.counts.tasks_stopped == 1
    assert work.store.record is not None
    assert work.store.record["wiro_task_id"] == "2221"


@pytest.fixture
def _short_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_stopper, "_KILL_RESPONSE_SECONDS", 0.1)
    monkeypatch.setattr(run_stopper, "_LATE_RESPONSE_SECONDS", 0.1)


@pytest.mark.usefixtures("_short_of_time")
def test_a_kill_before_the_response_finds_the_task_in_wiros_list(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"), Fault("slow", endpoint="Run", delay_seconds=2))
    assert killed_while_its_run_is_sent(wiro, work) == [[CANCELLED]]
    assert "Wiro task 2221 is the one that the Run has started." in work.log


@pytest.mark.usefixtures("_short_of_time")
def test_what_a_kill_cannot_reach_is_logged_as_it_is(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"), Fault("slow", endpoint="Run", delay_seconds=2))
    operator = work.operator()
    took: list[float] = []

    def kill() -> None:
        wiro.inject(Fault("server_error", endpoint="Task/List", times=None))
        began = time.monotonic()
        operator.on_kill()
        took.append(time.monotonic() - began)
        raise SystemExit

    with when(run_is_sent(wiro), kill), pytest.raises(SystemExit):
        operator.execute(work.context)

    assert took[0] < 3
    assert "can't be stopped from here" in work.log


def test_a_run_that_was_not_sent_yet_when_airflows_timeout_struck_is_not_sent(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("rate_limit", endpoint="Run", retry_after=3))
    operator = work.operator()

    with when(run_is_sent(wiro), time_out), pytest.raises(TimeoutOfAirflowsError):
        operator.execute(work.context)
    operator.on_kill()
    time.sleep(0.5)

    assert (wiro.counts.requests["Run"], work.started) == (1, 0)
    assert "can't be stopped" not in work.log


# A retry.


def test_a_retry_that_is_killed_while_it_polls_its_recorded_task_stops_it(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("stuck_running"))
    work.run(wait_for_completion=False)
    record = {**(work.store.record or {}), "is_spent": False}
    work.store.set("wiro_run", record)
    work.retry()
    operator = work.operator()
    run_flow = operator.hook.run_flow

    def converse_and_be_killed(make_flow: Any) -> Any:
        operator.on_kill()
        return run_flow(make_flow)

    operator.hook.run_flow = converse_and_be_killed  # type: ignore[method-assign]
    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute(work.context)

    assert work.statuses == [CANCELLED]


def test_a_last_retry_that_cannot_poll_its_recorded_task_stops_it(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiro.inject(Fault("stuck_running"))
    work.defer()
    work.retry()
    work.ti.max_tries = 1
    unreachable(monkeypatch, wiro)
    monkeypatch.setattr("airflow_provider_wiro.api.retry.POLL_PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(
        "airflow_provider_wiro.api.operations.look_at_task.__kwdefaults__", {"patience_seconds": 0.05}
    )

    with pytest.raises(WiroConnectionError):
        work.run()
    assert work.statuses == [CANCELLED]


def test_a_failed_wait_for_a_replacing_run_does_not_return_to_the_cancelled_one(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XCom still has the cancelled task's id; the record says that a Run was sent since, and lost."""
    wiro.inject(Fault("stuck_running"))
    work.defer()
    work.retry()
    deferred = work.defer()
    WiroHook().stop_task("2221")
    wiro.inject(Fault("drop_before", endpoint="Run"))
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    operator = work.operator(deferrable=True)
    event = {"status": "cancelled", "wiro_task_id": "2221", "try_number": 2}
    with pytest.raises(TaskDeferred) as again:
        operator.execute_complete(work.context, event, **(deferred.kwargs or {}))
    assert isinstance(again.value.trigger, WiroPauseTrigger)
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "0.05")

    summary = work.operator(deferrable=True).resume_execution("__fail__", NOT_INSTALLED, work.context)

    assert (summary["wiro_task_id"], summary["status"]) == ("2222", DONE)

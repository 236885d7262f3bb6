"""Stop means stop: what on_kill does while a task waits, submits, or is about to defer. Counted at Wiro."""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.cancellation import run_stopper
from airflow_provider_wiro.cancellation.run_stopper import RunStopper
from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.exceptions import WiroTaskTimeoutError
from airflow_provider_wiro.failures import TaskStoppedError
from airflow_provider_wiro.hooks import wiro as hooks
from tests.operators.fakes import CANCELLED, DONE, Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from airflow_provider_wiro.operators.wiro import WiroRunOperator


def kill_when(work: Work, operator: WiroRunOperator, is_time: Callable[[], bool]) -> None:
    """
    Call on_kill in the middle of a pause, as the signal handler does; from then on, Airflow can't be asked.

    In this very thread: a handler interrupts whatever runs, and execution goes on after it.
    """
    pause = operator.hook.pause
    was_killed = []

    def pause_and_kill(seconds: float) -> None:
        if not was_killed and is_time():
            was_killed.append(True)
            forbid_airflow(operator)
            operator.on_kill()
        pause(seconds)

    operator.hook.pause = pause_and_kill  # type: ignore[method-assign]


def was_seen(operator: WiroRunOperator) -> bool:
    return operator._stopper.last_seen is not None


def forbid_airflow(operator: WiroRunOperator) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a signal handler that asks Airflow for anything deadlocks")

    operator.hook.get_connection = refuse  # type: ignore[method-assign]
    hooks.WiroHook.get_connection = classmethod(refuse)  # type: ignore[assignment]
    hooks.version_compat.mask_secret = refuse


@pytest.fixture(autouse=True)
def _allow_airflow_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks.WiroHook, "get_connection", hooks.WiroHook.get_connection)
    monkeypatch.setattr(hooks.version_compat, "mask_secret", hooks.version_compat.mask_secret)


@pytest.mark.parametrize(
    ("where", "status", "endpoint"),
    [("stuck_in_queue", "task_queue", "Task/Cancel"), ("stuck_running", "task_output", "Task/Kill")],
    ids=["queued", "running"],
)
def test_a_kill_stops_the_task_where_it_is_and_execution_ends_with_an_error(
    wiro: WiroEmulator, work: Work, where: str, status: str, endpoint: str
) -> None:
    wiro.inject(Fault(where))
    operator = work.operator()
    kill_when(work, operator, lambda: wiro.tasks[0].status == status and was_seen(operator))

    with pytest.raises(AirflowException, match="The Airflow task was stopped"):
        operator.execute(work.context)

    assert work.statuses == [CANCELLED]
    assert wiro.counts.tasks_stopped == 1
    assert wiro.counts.requests[endpoint] == 1
    assert work.log.lines[-1] == "Stopped Wiro task 2221."


def killed_while_polling(operator: WiroRunOperator) -> None:
    """Let the kill come while a poll is under way, which then shows the task as cancelled."""
    hook = operator.hook
    hook.wait_for_task = lambda id_, **_: (operator.on_kill(), hook.get_task(id_))[1]  # type: ignore[method-assign]


def test_a_kill_is_no_permanent_failure_so_that_an_evicted_workers_task_is_retried(
    wiro: WiroEmulator, work: Work
) -> None:
    """The poll that was interrupted shows the task as cancelled; by us, and not by hand."""
    wiro.inject(Fault("stuck_running"))
    operator = work.operator()
    killed_while_polling(operator)

    with pytest.raises(AirflowException, match="was stopped") as failure:
        operator.execute(work.context)

    assert not isinstance(failure.value, AirflowFailException)
    assert work.statuses == [CANCELLED]


def test_a_killed_retry_does_not_start_another_task(wiro: WiroEmulator, work: Work) -> None:
    """A task that was picked up and is found cancelled is begun anew; not so after a kill."""
    wiro.inject(Fault("stuck_running"))
    work.run(wait_for_completion=False)
    work.retry()
    operator = work.operator()
    killed_while_polling(operator)

    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute(work.context)

    assert (work.started, wiro.counts.requests["Run"]) == (1, 1)
    assert work.statuses == [CANCELLED]


def test_a_kill_while_a_run_is_in_flight_stops_its_task_right_after(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_in_queue"), Fault("slow", endpoint="Run", delay_seconds=0.2))
    operator = work.operator()
    send = operator.hook._send

    def send_and_be_killed(what: Any) -> Any:
        if what.path.startswith("Run/"):
            operator.on_kill()
            forbid_airflow(operator)
        return send(what)

    operator.hook._send = send_and_be_killed  # type: ignore[method-assign]
    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute(work.context)

    assert work.statuses == [CANCELLED]
    assert work.store.record is not None
    assert work.store.record["wiro_task_id"] == "2221"
    assert wiro.counts.requests["Task/Cancel"] == 1


def test_a_kill_between_the_response_and_its_record_stops_the_task_once(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("stuck_in_queue"))
    operator = work.operator()
    work.store.after_set = lambda: work.started and not operator._stopper._is_killed and operator.on_kill()  # type: ignore[assignment, func-returns-value]

    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute(work.context)

    assert work.statuses == [CANCELLED]
    assert (wiro.counts.requests["Task/Cancel"], wiro.counts.requests["Task/Kill"]) == (1, 0)


def test_a_kill_before_the_run_is_sent_starts_nothing_and_leaves_no_record(
    wiro: WiroEmulator, work: Work
) -> None:
    operator = work.operator()
    work.store.after_set = operator.on_kill  # the intent is recorded, the Run not sent yet

    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute(work.context)

    assert wiro.counts.requests["Run"] == 0
    assert work.store.record is None


def test_a_deferrable_task_does_not_defer_after_a_kill(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"))
    operator = work.operator(deferrable=True)
    look = operator.hook.get_task

    def look_and_be_killed(wiro_task_id: str) -> Any:
        task = look(wiro_task_id)
        operator.on_kill()
        return task

    operator.hook.get_task = look_and_be_killed  # type: ignore[method-assign]
    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute(work.context)

    assert work.statuses == [CANCELLED]


def test_a_kill_while_waiting_for_a_slot_starts_nothing(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("api_error", endpoint="Run", code=96, message="limit", times=None))
    operator = work.operator()
    kill_when(work, operator, lambda: True)

    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute(work.context)

    assert (work.started, work.store.record) == (0, None)


def test_a_kill_after_the_trigger_has_fired_stops_a_task_that_is_late(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"))
    deferred = work.defer()
    operator = work.operator(deferrable=True)
    operator.on_kill()
    late = {"status": "timeout", "wiro_task_id": "2221", "try_number": 1, "message": "late"}

    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute_complete(work.context, late, **(deferred.kwargs or {}))

    assert work.statuses == [CANCELLED]


def test_cancel_on_kill_off_leaves_the_task_running_and_says_so(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"))
    operator = work.operator(cancel_on_kill=False)
    kill_when(work, operator, lambda: was_seen(operator))

    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute(work.context)

    assert wiro.counts.tasks_stopped == 0
    assert "Wiro task 2221 is left running (cancel_on_kill=False)." in work.log


def test_a_try_that_thaws_and_is_killed_leaves_its_task_to_the_retry_that_follows_it(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("stuck_running"))
    operator = work.operator()

    def retry_took_over() -> bool:
        if not was_seen(operator):
            return False
        work.store.set("wiro_run", {**(work.store.record or {}), "writer": "another", "try_number": 2})
        return True

    kill_when(work, operator, retry_took_over)

    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute(work.context)

    assert wiro.counts.tasks_stopped == 0
    assert "A later try of this Airflow task follows the Wiro task" in work.log


def test_an_error_in_a_try_that_was_overtaken_stops_nothing_either(wiro: WiroEmulator, work: Work) -> None:
    """Airflow's execution_timeout in a worker that thaws, with no retry of its own left."""
    wiro.inject(Fault("stuck_running"))
    operator = work.operator()

    def pause(_: float) -> None:
        work.store.set("wiro_run", {**(work.store.record or {}), "writer": "another", "try_number": 2})
        raise TimeoutError

    operator.hook.pause = pause  # type: ignore[method-assign]
    with pytest.raises(TimeoutError):
        operator.execute(work.context)

    assert wiro.counts.tasks_stopped == 0


def test_a_try_that_thaws_past_its_deadline_leaves_its_task_to_the_retry_that_follows_it(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("stuck_running"))
    operator = work.operator(timeout=0.2)

    def pause(seconds: float) -> None:
        work.store.set("wiro_run", {**(work.store.record or {}), "writer": "another", "try_number": 2})
        time.sleep(seconds)

    operator.hook.pause = pause  # type: ignore[method-assign]
    with pytest.raises(WiroTaskTimeoutError, match="It is left to a later try of this Airflow task"):
        operator.execute(work.context)

    assert wiro.counts.tasks_stopped == 0


@pytest.mark.parametrize("record", ["hangs", "fails"])
def test_a_kill_that_cannot_read_the_record_in_time_stops_the_task(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch, record: str
) -> None:
    monkeypatch.setattr(run_stopper, "_KILL_RECORD_SECONDS", 0.05)
    wiro.inject(Fault("stuck_running"))
    operator = work.operator()
    over = threading.Event()

    def get(*_: Any) -> Any:
        if record == "fails":
            raise RuntimeError("API_SERVER_ERROR")
        over.wait(30)

    def can_be_read_no_more() -> bool:
        if was_seen(operator):
            work.store.get = get  # type: ignore[method-assign]
        return was_seen(operator)

    kill_when(work, operator, can_be_read_no_more)

    try:
        with pytest.raises(AirflowException, match="was stopped"):
            operator.execute(work.context)
    finally:
        over.set()

    assert work.statuses == [CANCELLED]
    assert "Whether a later try follows the Wiro task isn't known" in work.log


def test_a_task_that_has_ended_is_left_as_it_is(wiro: WiroEmulator, work: Work) -> None:
    operator = work.operator()
    operator.execute(work.context)

    operator.on_kill()

    assert work.statuses == [DONE]
    assert wiro.counts.tasks_stopped == 0


def test_a_task_that_starts_between_the_cancel_and_the_kill_is_killed(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(
        Fault("stuck_in_queue"),
        Fault("api_error", endpoint="Task/Cancel", code=1, message="Task is not in a cancellable state."),
    )
    operator = work.operator()
    kill_when(work, operator, lambda: was_seen(operator))

    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute(work.context)

    assert work.statuses == [CANCELLED]


def test_a_kill_before_anything_was_started_does_nothing(work: Work) -> None:
    work.operator().on_kill()

    assert work.wiro.received == []


def test_a_kill_is_remembered_whenever_the_signal_comes(work: Work) -> None:
    """Also while the operator makes what remembers it: the handler runs in between, in the same thread."""
    moments = 0
    while True:
        operator, moments = work.operator(), moments + 1
        if not killed_at(moments, operator):
            break
        with pytest.raises(TaskStoppedError):
            operator._stopper.check()
    assert moments > 5


def killed_at(moment: int, operator: WiroRunOperator) -> bool:
    """Have on_kill called at a line of what makes the stopper; return whether there are so many lines."""
    lines, before = 0, sys.gettrace()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_name == "_stopper" or isinstance(frame.f_locals.get("self"), RunStopper):
            lines += event == "line"
            if lines == moment and event == "line":
                sys.settrace(None)
                operator.on_kill()
        return trace

    sys.settrace(trace)
    try:
        _ = operator._stopper
    finally:
        sys.settrace(before)
    return lines >= moment


@pytest.mark.parametrize("how", ["gone", "silent"])
def test_a_kill_never_raises_and_is_over_before_airflow_kills_the_process(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """After 5 s, that is. Here on a tenth of the time, and a machine that lags."""
    assert run_stopper._KILL_TIMEOUT_SECONDS + run_stopper._KILL_PATIENCE_SECONDS < 4.9
    monkeypatch.setattr(run_stopper, "_KILL_TIMEOUT_SECONDS", 0.15)
    monkeypatch.setattr(run_stopper, "_KILL_PATIENCE_SECONDS", 0.33)
    wiro.inject(Fault("stuck_running"))
    operator = work.operator()
    if how == "silent":
        wiro.inject(
            Fault("slow", endpoint="Task/Cancel", delay_seconds=20, times=None),
            Fault("slow", endpoint="Task/Kill", delay_seconds=20, times=None),
        )
    took: list[float] = []

    def kill(**_: Any) -> None:
        if how == "gone":
            wiro.stop()
        began = time.monotonic()
        operator.on_kill()
        took.append(time.monotonic() - began)
        raise SystemExit

    work.ti.xcom_push = kill  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        operator.execute(work.context)

    assert took[0] < 4
    assert "Could not stop Wiro task 2221; it may still run." in work.log


def test_a_real_signal_in_the_middle_of_a_poll_stops_the_task(wiro: WiroEmulator, work: Work) -> None:
    """The handler runs inside the request that it interrupted, on the same thread."""
    wiro.inject(Fault("stuck_running"), Fault("slow", endpoint="Task/Detail", delay_seconds=0.3, times=None))
    operator = work.operator()
    before = signal.signal(signal.SIGUSR1, lambda *_: operator.on_kill())
    main, over = threading.get_ident(), threading.Event()

    def send_signal() -> None:
        while not wiro.counts.requests["Task/Detail"]:
            if over.wait(0.005):
                return
        signal.pthread_kill(main, signal.SIGUSR1)

    sender = threading.Thread(target=send_signal, daemon=True)
    sender.start()
    try:
        with pytest.raises(AirflowException):
            operator.execute(work.context)
    finally:
        over.set()
        sender.join()
        signal.signal(signal.SIGUSR1, before)

    assert work.statuses == [CANCELLED]
    assert wiro.counts.tasks_stopped == 1

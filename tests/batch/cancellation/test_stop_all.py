"""Stop means stop: a kill in the middle of a batch, as Airflow's signal handler does it. Counted at Wiro."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.batch import follower, runner
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.hooks import wiro as hooks
from tests.batch.batch_work import prompts
from tests.operators.fakes import CANCELLED, DONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.batch.batch_work import BatchWork


def killed_when(work: BatchWork, is_time: Callable[[], bool], inputs: Any, **settings: Any) -> float:
    """Run a batch, have it killed at a moment, and return how long it went on after that."""
    operator = work.operator(inputs, **settings)
    killed_at: list[float] = []

    def kill() -> None:
        while not is_time():
            time.sleep(0.01)
        killed_at.append(time.monotonic())
        operator.on_kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(AirflowException, match="The Airflow task was stopped") as failure:
        operator.execute(work.context)
    killer.join(timeout=10)
    assert not isinstance(failure.value, AirflowFailException)
    return time.monotonic() - killed_at[0]


def test_a_kill_stops_everything_that_runs_and_submits_nothing_more(work: BatchWork) -> None:
    work.wiro.inject(Fault("stuck_running", times=6), Fault("stuck_in_queue", skip=6, times=6))

    killed_when(work, lambda: len(work.wiro.tasks) == 12, prompts(50), max_active=12)

    assert [task.status for task in work.wiro.tasks] == [CANCELLED] * 12
    assert "Stopped 12 Wiro tasks." in work.log


def test_a_task_whose_run_is_answered_after_the_kill_is_stopped_as_well(work: BatchWork) -> None:
    work.wiro.inject(
        Fault("stuck_running", times=None),
        Fault("slow", endpoint="Run", skip=2, delay_seconds=0.6, times=3),
    )

    killed_when(work, lambda: work.wiro.counts.requests["Run"] == 5, prompts(50), max_active=5)

    assert len(work.wiro.tasks) == 5
    assert {task.status for task in work.wiro.tasks} == {CANCELLED}, work.log.lines
    assert len([entry for entry in work.entries if entry["what"] == "id"]) == 5


def test_what_could_not_be_stopped_in_time_is_said_and_remembered(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.batch.cancellation.deadline._SECONDS", 0.4)
    work.wiro.inject(
        Fault("stuck_running", times=None), Fault("slow", endpoint="Task/Kill", delay_seconds=5, times=1)
    )

    took = killed_when(
        work, lambda: [task.status for task in work.wiro.tasks] == ["task_output"] * 2, prompts(2)
    )

    assert took < 4
    assert "which may still run: No response came in time." in work.log, work.log.lines
    assert {entry["id"] for entry in work.entries if entry["what"] == "id"} == {"2221", "2222"}


def test_cancel_on_kill_off_leaves_all_running_and_a_retry_follows_them(work: BatchWork) -> None:
    inputs = prompts(4)
    work.wiro.inject(Fault("slow", endpoint="Task/Detail", delay_seconds=0.3, times=4))
    killed_when(work, lambda: len(work.wiro.tasks) == 4, inputs, cancel_on_kill=False)
    assert work.wiro.counts.tasks_stopped == 0
    work.retry()

    assert work.run(inputs)["succeeded"] == 4
    assert work.started_once(inputs)


def test_a_retry_after_a_kill_begins_what_was_stopped_anew_without_using_up_its_retries(
    work: BatchWork,
) -> None:
    inputs = prompts(10)
    work.wiro.inject(Fault("stuck_running", skip=3, times=4))
    killed_when(
        work,
        lambda: sum(task.status == DONE for task in work.wiro.tasks) == 6,
        inputs,
        max_active=10,
        max_item_retries=0,
    )
    work.retry()

    summary = work.run(inputs, max_item_retries=0)

    assert (summary["succeeded"], summary["failed"]) == (10, 0)
    assert len(work.wiro.tasks) == 14
    assert sum(task.status == DONE for task in work.wiro.tasks) == 10


def test_a_kill_asks_airflow_for_nothing(work: BatchWork, monkeypatch: pytest.MonkeyPatch) -> None:
    work.wiro.inject(Fault("stuck_running", times=None))
    get_connection = hooks.WiroHook.get_connection
    is_started = threading.Event()

    def once(cls: Any, conn_id: str) -> Any:
        assert not is_started.is_set(), "a loop that asks Airflow for anything can deadlock"
        is_started.set()
        return get_connection(conn_id)

    monkeypatch.setattr(hooks.WiroHook, "get_connection", classmethod(once))
    monkeypatch.setattr(hooks.WiroAsyncHook, "get_connection", classmethod(once))

    killed_when(work, lambda: len(work.wiro.tasks) == 3, prompts(3))

    assert {task.status for task in work.wiro.tasks} == {CANCELLED}, work.log.lines


def test_a_kill_before_anything_was_sent_sends_nothing(work: BatchWork) -> None:
    operator = work.operator(prompts(3))
    operator.on_kill()

    with pytest.raises(AirflowException, match="was stopped"):
        operator.execute(work.context)

    assert work.wiro.counts.requests["Run"] == 0


class TimeoutOfAirflowsError(BaseException):
    """Like AirflowTaskTimeout: raised by a signal handler wherever the main thread is at that moment."""


@pytest.mark.parametrize("place", ["select", "child", "callback"])
def test_airflows_timeout_stops_everything_wherever_it_strikes(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    work.wiro.inject(Fault("stuck_running", times=None))
    operator = work.operator(prompts(3))
    strikes = iter([TimeoutOfAirflowsError()])
    watched: set[str] = set()
    watch, work_on = follower.watch_task, runner.BatchRunner.work

    def strike() -> None:
        if len(watched) == 3 and (error := next(strikes, None)):
            raise error

    async def watch_and_strike(connection: str, wiro_task_id: str, *args: Any, **settings: Any) -> Any:
        watched.add(wiro_task_id)
        if place == "child":
            strike()
        return await watch(connection, wiro_task_id, *args, **settings)

    async def work_and_strike(self: Any, **settings: Any) -> Any:
        loop = asyncio.get_running_loop()
        select = loop._selector.select  # type: ignore[attr-defined]

        def strike_often() -> None:
            strike()
            loop.call_later(0.05, strike_often)

        def select_and_strike(timeout: float | None = None) -> Any:
            strike()
            return select(timeout)

        if place == "callback":
            strike_often()
        if place == "select":
            loop._selector.select = select_and_strike  # type: ignore[attr-defined]
        return await work_on(self, **settings)

    monkeypatch.setattr(follower, "watch_task", watch_and_strike)
    monkeypatch.setattr(runner.BatchRunner, "work", work_and_strike)

    with pytest.raises(TimeoutOfAirflowsError):
        operator.execute(work.context)
    operator.on_kill()  # which Airflow calls now

    assert {task.status for task in work.wiro.tasks} == {CANCELLED}, work.log.lines


def test_airflows_timeout_waits_for_the_answer_of_a_run_and_stops_its_task(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is raised out of the event loop itself; nothing kills the process after it."""
    monkeypatch.setattr(
        "airflow_provider_wiro.batch.cancellation.deadline._SECONDS", 0.1
    )  # which is a kill's
    work.wiro.inject(
        Fault("stuck_running", times=None), Fault("slow", endpoint="Run", delay_seconds=1.0, times=1)
    )
    operator = work.operator(prompts(1))
    _strike_in_select(monkeypatch, lambda: work.wiro.counts.requests["Run"] == 1)

    with pytest.raises(TimeoutOfAirflowsError):
        operator.execute(work.context)
    operator.on_kill()

    assert [task.status for task in work.wiro.tasks] == [CANCELLED], work.log.lines
    assert len([entry for entry in work.entries if entry["what"] == "id"]) == 1


def test_a_kill_during_that_leaves_no_more_time_than_a_kill_does(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.batch.cancellation.deadline._SECONDS", 0.5)
    work.wiro.inject(Fault("slow", endpoint="Run", delay_seconds=20, times=1))
    operator = work.operator(prompts(1))
    _strike_in_select(monkeypatch, lambda: work.wiro.counts.requests["Run"] == 1)
    killer = threading.Timer(2.0, operator.on_kill)
    killer.start()
    began_at = time.monotonic()

    with pytest.raises(TimeoutOfAirflowsError):
        operator.execute(work.context)

    assert 2.0 < time.monotonic() - began_at < 6.0


def _strike_in_select(monkeypatch: pytest.MonkeyPatch, is_time: Callable[[], bool]) -> None:
    """Raise what Airflow's timeout does, once, where the loop waits."""
    strikes = iter([TimeoutOfAirflowsError()])
    work_on = runner.BatchRunner.work

    async def work_and_strike(self: Any, **settings: Any) -> Any:
        loop = asyncio.get_running_loop()
        select = loop._selector.select  # type: ignore[attr-defined]

        def select_and_strike(timeout: float | None = None) -> Any:
            if is_time() and (error := next(strikes, None)):
                raise error
            return select(None if timeout is None else min(timeout, 0.05))

        loop._selector.select = select_and_strike  # type: ignore[attr-defined]
        return await work_on(self, **settings)

    monkeypatch.setattr(runner.BatchRunner, "work", work_and_strike)


def test_a_kill_finds_the_task_of_a_run_whose_answer_is_lost_or_late_in_wiros_list(work: BatchWork) -> None:
    work.wiro.inject(
        Fault("stuck_running", times=None),
        Fault("drop_after", endpoint="Run"),
        Fault("slow", endpoint="Run", delay_seconds=20, times=1),
    )
    killed_when(work, lambda: len(work.wiro.tasks) == 2, prompts(2), max_active=2)

    assert [task.status for task in work.wiro.tasks] == [CANCELLED] * 2, work.log.lines
    assert "no response yet" not in work.log


def test_what_is_not_known_after_a_kill_is_said_in_one_line(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    work.wiro.inject(Fault("server_error", endpoint="Run", status=504))

    killed_when(work, lambda: "The run was sent" in work.log, prompts(1))

    [said] = [line for line in work.log.lines if "no response yet" in line]
    assert "1 Runs have no response yet" in said
    assert "If the Airflow task is tried again, that try continues by the journal." in said

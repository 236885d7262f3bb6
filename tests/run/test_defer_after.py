"""`defer_after`: the worker polls for a while before it defers, so that a short run needs no deferral."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowSensorTimeout, TaskDeferred

from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.exceptions import WiroTaskFailedError, WiroTaskTimeoutError, WiroUsageError
from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from airflow_provider_wiro.sensors.wiro import WiroTaskSensor
from tests.operators.fakes import CANCELLED, DONE, GPT

if TYPE_CHECKING:
    from tests.operators.fakes import Work

LONG = 600


def run_in_worker(work: Work, **settings: Any) -> Any:
    """Run the part of a try before a deferral; a deferral is an error."""
    return work.operator(deferrable=True, **settings).execute(work.context)


@pytest.mark.parametrize("model", [GPT, "retroAIx/Retro-Cartoons"])
def test_a_short_run_ends_in_the_worker(wiro: WiroEmulator, work: Work, model: str) -> None:
    summary = run_in_worker(work, model=model, parameters={"prompt": "a robot"}, defer_after=LONG)

    assert (summary["status"], work.started) == (DONE, 1)


def test_a_run_that_failed_meanwhile_fails_as_ever(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("exit_code"))

    with pytest.raises(WiroTaskFailedError):
        run_in_worker(work, defer_after=LONG)


def test_a_longer_run_is_deferred_when_the_time_is_over_and_runs_on(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"))
    began = time.monotonic()

    deferred = work.defer(defer_after=0.3, timeout=LONG)

    assert time.monotonic() - began >= 0.3
    assert "Wiro task 2221 has not ended within 0.3 s (defer_after)." in work.log
    assert deferred.method_name == "execute_complete"
    assert deferred.trigger.serialize()[1]["deadline"] > time.time() + LONG / 2
    assert (wiro.counts.tasks_stopped, work.started) == (0, 1)


def test_without_it_the_worker_polls_once_and_defers(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"))

    work.defer(polls=True)

    assert wiro.counts.requests["Task/Detail"] == 1


def test_the_deadline_of_the_run_comes_first_and_stops_it_without_a_deferral(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("stuck_running"))

    with pytest.raises(WiroTaskTimeoutError, match="It was stopped"):
        run_in_worker(work, defer_after=LONG, timeout=0.3)

    assert work.statuses == [CANCELLED]


@pytest.mark.parametrize("kind", ["server_error", "drop_before", "html"])
def test_an_outage_meanwhile_is_the_triggers_to_ride_out(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__POLL_PATIENCE", "0")
    wiro.inject(Fault("stuck_running"), Fault(kind, endpoint="Task/Detail", times=None))

    work.defer(defer_after=LONG)

    assert "Deferring, as Wiro task 2221 could not be polled" in work.log
    assert work.started == 1


def test_a_kill_meanwhile_stops_the_task_and_defers_nothing(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"))
    operator = work.operator(deferrable=True, defer_after=LONG)
    pause = operator.hook.pause

    def pause_and_kill(seconds: float) -> None:
        operator.on_kill()  # in this very thread, as a signal handler
        pause(seconds)

    operator.hook.pause = pause_and_kill  # type: ignore[method-assign]

    with pytest.raises(AirflowException, match="The Airflow task was stopped"):
        operator.execute(work.context)

    assert work.statuses == [CANCELLED]


def test_a_retry_waits_for_the_same_run(wiro: WiroEmulator, work: Work) -> None:
    work.run(wait_for_completion=False)
    work.retry()

    assert run_in_worker(work, defer_after=LONG)["status"] == DONE
    assert work.started == 1


def test_it_is_nothing_to_a_task_that_waits_in_the_worker_anyway(wiro: WiroEmulator, work: Work) -> None:
    assert work.run(deferrable=False, defer_after=0.01)["status"] == DONE


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), True, "10", None])
def test_what_is_no_time_fails_the_dag_file(value: Any) -> None:
    for make in (
        lambda: WiroRunOperator(task_id="t", model="a/b", defer_after=value),
        lambda: WiroBatchRunOperator(task_id="t", model="a/b", inputs=[], defer_after=value),
        lambda: WiroTaskSensor(task_id="t", wiro_task_id="1", defer_after=value),
    ):
        with pytest.raises(WiroUsageError, match="Expected defer_after as a number of seconds"):
            make()


# The sensor.


def sensor(work: Work, **settings: Any) -> WiroTaskSensor:
    wiro_task_id = work.run(wait_for_completion=False)["wiro_task_id"]
    defaults = {"poll_interval": 0.02, "deferrable": True}
    return WiroTaskSensor(task_id="generate", wiro_task_id=wiro_task_id, **{**defaults, **settings})


def test_a_sensor_returns_a_short_wait_from_the_worker(wiro: WiroEmulator, work: Work) -> None:
    assert sensor(work, defer_after=LONG).execute(work.context)["status"] == DONE


def test_a_sensor_defers_a_longer_wait(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"))
    one = sensor(work, defer_after=0.3)
    began = time.monotonic()

    with pytest.raises(TaskDeferred):
        one.execute(work.context)

    assert time.monotonic() - began >= 0.3
    assert wiro.counts.tasks_stopped == 0


# A deadline that comes before a deferral may end: the event would be too late.


@pytest.fixture
def _lasting(monkeypatch: pytest.MonkeyPatch, wiro: WiroEmulator) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "15")


@pytest.mark.parametrize("defer_after", [0, 0.1])
@pytest.mark.usefixtures("_lasting")
def test_a_run_with_less_time_than_a_deferral_takes_is_waited_for_in_the_worker(
    wiro: WiroEmulator, work: Work, defer_after: float
) -> None:
    wiro.inject(Fault("stuck_running"))

    with pytest.raises(WiroTaskTimeoutError, match="It was stopped"):
        run_in_worker(work, timeout=0.6, defer_after=defer_after)

    assert work.statuses == [CANCELLED]


@pytest.mark.usefixtures("_lasting")
def test_a_sensor_with_less_time_than_a_deferral_takes_waits_in_the_worker(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("stuck_running"))

    with pytest.raises(AirflowSensorTimeout):
        sensor(work, timeout=0.3).execute(work.context)


@pytest.mark.usefixtures("_lasting")
def test_a_run_with_more_time_is_deferred_at_once(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("stuck_running"))

    work.defer(polls=True, timeout=60)

    assert wiro.counts.requests["Task/Detail"] == 1

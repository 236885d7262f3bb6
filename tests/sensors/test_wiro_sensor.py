"""WiroTaskSensor: waits for somebody else's task in every way Airflow knows, and never stops it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

try:
    from airflow.sdk.exceptions import AirflowRescheduleException
except ImportError:  # Airflow < 3.2
    from airflow.exceptions import AirflowRescheduleException

from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.exceptions import WiroConnectionError, WiroUsageError
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.sensors.wiro import WiroTaskSensor
from tests.operators.fakes import DONE, RETRO, SMALL, fire

if TYPE_CHECKING:
    from tests.operators.fakes import Work

WAYS = pytest.mark.parametrize(
    "way",
    [{}, {"deferrable": True}, {"mode": "reschedule"}],
    ids=["blocking", "deferrable", "reschedule"],
)


def submitted(wiro: WiroEmulator, *faults: Fault) -> str:
    wiro.inject(*faults)
    return WiroHook().run_model(RETRO, SMALL).wiro_task_id


def sensor(wiro_task_id: Any, **settings: Any) -> WiroTaskSensor:
    defaults = {"poll_interval": 0.02, "poke_interval": 0.02, "deferrable": False}
    return WiroTaskSensor(task_id="generate", wiro_task_id=wiro_task_id, **{**defaults, **settings})


def wait(work: Work, one: WiroTaskSensor) -> Any:
    """Run a sensor to its end, as often as Airflow would call it."""
    for _ in range(200):
        try:
            return one.execute(work.context)
        except AirflowRescheduleException:
            time.sleep(0.01)
        except TaskDeferred as deferred:
            return one.execute_complete(work.context, fire(deferred), **(deferred.kwargs or {}))
    raise AssertionError("never ended")


@WAYS
def test_the_run_summary_is_returned_once_the_task_has_ended(
    wiro: WiroEmulator, work: Work, way: dict[str, Any]
) -> None:
    wiro_task_id = submitted(wiro)

    summary = wait(work, sensor(wiro_task_id, **way))

    assert (summary["wiro_task_id"], summary["status"]) == (wiro_task_id, DONE)
    assert len(summary["outputs"]) == 1
    assert work.ti.xcoms["wiro_task_url"].endswith(f"#task-{wiro_task_id}")
    assert "Wiro task 2221 succeeded" in work.told


@pytest.mark.parametrize("form", ["id", "number", "spaces", "summary"])
def test_an_id_or_a_run_summary_will_do(wiro: WiroEmulator, work: Work, form: str) -> None:
    found = submitted(wiro)
    given = {
        "id": found,
        "number": int(found),
        "spaces": f" {found} ",
        "summary": {"wiro_task_id": found, "status": "task_queue"},
    }[form]

    assert wait(work, sensor(given))["wiro_task_id"] == found


@WAYS
@pytest.mark.parametrize("bad", ["", None, "None", "a b", {}, {"wiro_task_id": None}, ["2221"], "x" * 201])
def test_what_is_no_id_fails_for_good_and_asks_nobody(
    wiro: WiroEmulator, work: Work, way: dict[str, Any], bad: Any
) -> None:
    with pytest.raises(AirflowFailException, match="Expected the id of a Wiro task"):
        wait(work, sensor(bad, **way))

    assert wiro.received == []


@WAYS
def test_a_task_that_failed_fails_the_sensor_for_good_as_its_retry_starts_none(
    wiro: WiroEmulator, work: Work, way: dict[str, Any]
) -> None:
    wiro_task_id = submitted(wiro, Fault("exit_code"))

    with pytest.raises(AirflowFailException, match="CUDA out of memory"):
        wait(work, sensor(wiro_task_id, **way))


@WAYS
def test_a_task_that_was_cancelled_fails_the_sensor_for_good(
    wiro: WiroEmulator, work: Work, way: dict[str, Any]
) -> None:
    wiro_task_id = submitted(wiro, Fault("cancelled_by_hand"))

    with pytest.raises(AirflowFailException, match="was cancelled"):
        wait(work, sensor(wiro_task_id, **way))


@WAYS
@pytest.mark.parametrize("choice", ["soft_fail", "never_fail"])
def test_a_failure_can_be_a_skip(wiro: WiroEmulator, work: Work, way: dict[str, Any], choice: str) -> None:
    wiro_task_id = submitted(wiro, Fault("exit_code"))

    with pytest.raises(AirflowSkipException):
        wait(work, sensor(wiro_task_id, **way, **{choice: True}))


@pytest.mark.parametrize("way", [{}, {"deferrable": True}], ids=["blocking", "deferrable"])
def test_the_timeout_is_the_sensors_own_and_stops_nothing(
    wiro: WiroEmulator, work: Work, way: dict[str, Any]
) -> None:
    wiro_task_id = submitted(wiro, Fault("stuck_running"))

    with pytest.raises(AirflowSensorTimeout):
        wait(work, sensor(wiro_task_id, timeout=0.2, **way))
    with pytest.raises(AirflowSkipException):
        wait(work, sensor(wiro_task_id, timeout=0.2, soft_fail=True, **way))

    assert wiro.counts.tasks_stopped == 0


def test_rescheduled_the_timeout_is_airflows(wiro: WiroEmulator, work: Work) -> None:
    wiro_task_id = submitted(wiro, Fault("stuck_running"))

    with pytest.raises(AirflowSensorTimeout):
        wait(work, sensor(wiro_task_id, timeout=0, mode="reschedule"))


def test_rescheduled_each_call_looks_once_and_frees_the_worker(wiro: WiroEmulator, work: Work) -> None:
    wiro_task_id = submitted(wiro, Fault("stuck_running"))

    with pytest.raises(AirflowRescheduleException):
        sensor(wiro_task_id, mode="reschedule").execute(work.context)

    assert wiro.counts.requests["Task/Detail"] == 1


def test_a_deferred_sensor_never_stops_the_task(wiro: WiroEmulator, work: Work) -> None:
    wiro_task_id = submitted(wiro, Fault("stuck_running"))

    with pytest.raises(TaskDeferred) as deferred:
        sensor(wiro_task_id, deferrable=True, timeout=600).execute(work.context)

    _, kwargs = deferred.value.trigger.serialize()
    assert kwargs["cancel_on_kill"] is False
    assert 0 < kwargs["deadline"] - time.time() <= 600


def test_a_killed_sensor_leaves_the_task_alone(wiro: WiroEmulator, work: Work) -> None:
    one = sensor(submitted(wiro, Fault("stuck_running")))
    one.on_kill()

    assert wiro.counts.tasks_stopped == 0


def test_a_task_that_has_ended_by_the_first_look_does_not_defer(wiro: WiroEmulator, work: Work) -> None:
    wiro_task_id = submitted(wiro)
    WiroHook().wait_for_task(wiro_task_id, poll_interval=0.02)

    assert sensor(wiro_task_id, deferrable=True).execute(work.context)["status"] == DONE


def test_an_unknown_task_fails_for_good(wiro: WiroEmulator, work: Work) -> None:
    with pytest.raises(AirflowFailException, match="belongs to the connection's project"):
        wait(work, sensor("999", mode="reschedule"))


def test_the_event_of_an_earlier_try_is_not_believed(wiro: WiroEmulator, work: Work) -> None:
    wiro_task_id = submitted(wiro)
    stale = {"status": "timeout", "wiro_task_id": wiro_task_id, "try_number": 0, "message": "late"}

    assert sensor(wiro_task_id).execute_complete(work.context, stale)["status"] == DONE


def test_a_trigger_that_lost_sight_of_the_task_is_retryable(wiro: WiroEmulator, work: Work) -> None:
    wiro_task_id = submitted(wiro, Fault("stuck_running"))
    lost = {"status": "error", "wiro_task_id": wiro_task_id, "try_number": 1, "message": "HTTP 502."}

    with pytest.raises(WiroConnectionError, match="Lost sight"):
        sensor(wiro_task_id).execute_complete(work.context, lost)


def test_id_and_connection_are_templated() -> None:
    one = sensor("{{ params.id }}", wiro_conn_id="{{ params.conn }}")
    one.render_template_fields({"params": {"id": "2221", "conn": "wiro_other"}})  # type: ignore[arg-type]

    assert (one.wiro_task_id, one.wiro_conn_id) == ("2221", "wiro_other")


def test_a_poll_interval_that_cannot_be_is_refused_when_the_dag_is_read() -> None:
    with pytest.raises(WiroUsageError, match="poll_interval"):
        sensor("2221", poll_interval=0)

"""WiroTaskSensor: waits for somebody else's task in every way Airflow knows, and never stops it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
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

from airflow_provider_wiro.api import polling
from airflow_provider_wiro.api.polling import Polling
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
    """Run a sensor to its end, as often as Airflow would call it, and in the ways it would."""
    resumed: tuple[str, dict[str, Any]] | None = None
    for _ in range(200):
        try:
            return (
                one.execute(work.context) if resumed is None else one.resume_execution(*resumed, work.context)
            )
        except AirflowRescheduleException:
            work.ti.first_reschedule_date = work.ti.first_reschedule_date or datetime.now(UTC)
            time.sleep(0.01)
        except TaskDeferred as deferred:
            resumed = (deferred.method_name, {**(deferred.kwargs or {}), "event": fire(deferred)})
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
    assert "Wiro task 2221 succeeded" in work.log


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
def test_the_label_of_a_run_summary_is_passed_on(wiro: WiroEmulator, work: Work, way: dict[str, Any]) -> None:
    given = {"wiro_task_id": submitted(wiro), "status": "task_queue", "label": "SKU-001"}

    summary = wait(work, sensor(given, **way))

    assert (summary["label"], summary["reused"]) == ("SKU-001", False)


@WAYS
@pytest.mark.parametrize("bad", ["", None, "None", "a b", {}, {"wiro_task_id": None}, ["2221"], "x" * 201])
def test_an_invalid_id_fails_for_good_without_a_request(
    wiro: WiroEmulator, work: Work, way: dict[str, Any], bad: Any
) -> None:
    with pytest.raises(WiroUsageError, match="Expected the id of a Wiro task"):
        sensor(bad, **way)  # written in a DAG file
    with pytest.raises(AirflowFailException, match="Expected the id of a Wiro task"):
        wait(work, sensor(bad, _airflow_from_mapped=True, **way))

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


NO_PATIENCE = "AIRFLOW__WIRO__POLL_PATIENCE"


@WAYS
@pytest.mark.parametrize(
    ("choice", "outcome"),
    [
        (None, AirflowFailException),
        ("soft_fail", AirflowSkipException),
        ("silent_fail", AirflowFailException),
        ("never_fail", AirflowSkipException),
    ],
)
def test_what_no_retry_mends_ends_as_in_airflows_own_sensors(
    wiro: WiroEmulator, work: Work, way: dict[str, Any], choice: str | None, outcome: type[Exception]
) -> None:
    wiro_task_id = submitted(wiro, Fault("exit_code"))

    with pytest.raises(outcome):
        wait(work, sensor(wiro_task_id, **way, **({choice: True} if choice else {})))


@WAYS
@pytest.mark.parametrize(
    ("choice", "outcome"),
    [
        (None, WiroConnectionError),
        ("soft_fail", WiroConnectionError),
        ("never_fail", AirflowSkipException),
    ],
)
def test_what_may_pass_is_raised_so_that_airflow_retries(
    wiro: WiroEmulator,
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
    way: dict[str, Any],
    choice: str | None,
    outcome: type[Exception],
) -> None:
    monkeypatch.setenv(NO_PATIENCE, "0")
    wiro_task_id = submitted(wiro)
    wiro.inject(Fault("server_error", "Task/Detail", status=503, times=3))

    with pytest.raises(outcome):
        wait(work, sensor(wiro_task_id, retries=3, **way, **({choice: True} if choice else {})))


@WAYS
def test_a_sensor_that_fails_silently_continues_to_poke(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch, way: dict[str, Any]
) -> None:
    monkeypatch.setenv(NO_PATIENCE, "0")
    wiro_task_id = submitted(wiro)
    wiro.inject(Fault("server_error", "Task/Detail", status=503, times=3))

    assert wait(work, sensor(wiro_task_id, silent_fail=True, **way))["status"] == DONE
    assert "Sensor poke failed" in work.log


@WAYS
def test_an_outage_is_ridden_out_as_long_as_patience_lasts(
    wiro: WiroEmulator, work: Work, way: dict[str, Any]
) -> None:
    wiro_task_id = submitted(wiro)
    wiro.inject(Fault("server_error", "Task/Detail", status=503, times=3))

    assert wait(work, sensor(wiro_task_id, **way))["status"] == DONE


def test_an_outage_is_ridden_out_no_longer_than_the_sensors_timeout(wiro: WiroEmulator, work: Work) -> None:
    wiro_task_id = submitted(wiro)
    wiro.inject(Fault("server_error", "Task/Detail", status=503, times=None))
    began_at = time.monotonic()

    with pytest.raises(AirflowSensorTimeout):
        wait(work, sensor(wiro_task_id, timeout=0.3))

    assert time.monotonic() - began_at < 10


@pytest.mark.parametrize(
    ("choice", "outcome"),
    [
        (None, WiroConnectionError),
        ("soft_fail", WiroConnectionError),
        ("silent_fail", TaskDeferred),
        ("never_fail", AirflowSkipException),
    ],
)
def test_a_trigger_that_lost_sight_of_the_task_counts_as_a_poke_that_failed(
    wiro: WiroEmulator, work: Work, choice: str | None, outcome: type[BaseException]
) -> None:
    wiro_task_id = submitted(wiro, Fault("stuck_running"))
    lost = {"status": "error", "wiro_task_id": wiro_task_id, "try_number": 1, "message": "HTTP 502."}
    one = sensor(wiro_task_id, deferrable=True, **({choice: True} if choice else {}))

    with pytest.raises(outcome) as raised:
        one.resume_execution("execute_complete", {"event": lost}, work.context)

    if not isinstance(raised.value, TaskDeferred | AirflowSkipException):
        assert "Lost sight" in str(raised.value)


def test_a_sensor_that_defers_again_keeps_its_deadline(wiro: WiroEmulator, work: Work) -> None:
    wiro_task_id = submitted(wiro, Fault("stuck_running"))
    one = sensor(wiro_task_id, deferrable=True, timeout=600, silent_fail=True)
    with pytest.raises(TaskDeferred) as first:
        one.execute(work.context)
    lost = {"status": "error", "wiro_task_id": wiro_task_id, "try_number": 1, "message": "HTTP 502."}
    with pytest.raises(TaskDeferred) as again:
        one.execute_complete(work.context, lost, **(first.value.kwargs or {}))

    for name in ("started_at", "deadline"):
        assert again.value.trigger.serialize()[1][name] == pytest.approx(
            first.value.trigger.serialize()[1][name]
        )


def test_past_its_deadline_a_sensor_does_not_defer_again(wiro: WiroEmulator, work: Work) -> None:
    wiro_task_id = submitted(wiro, Fault("stuck_running"))
    lost = {"status": "error", "wiro_task_id": wiro_task_id, "try_number": 1, "message": "HTTP 502."}
    one = sensor(wiro_task_id, deferrable=True, silent_fail=True)

    with pytest.raises(AirflowSensorTimeout):
        one.execute_complete(work.context, lost, waits_since=time.time() - 20, waits_until=time.time() - 1)


def test_a_deferral_of_an_earlier_version_is_resumed(wiro: WiroEmulator, work: Work) -> None:
    wiro_task_id = submitted(wiro)
    WiroHook().wait_for_task(wiro_task_id, poll_interval=0.02)
    event = {"status": "success", "wiro_task_id": wiro_task_id, "try_number": 1}

    assert sensor(wiro_task_id, deferrable=True).execute_complete(work.context, event)["status"] == DONE


@WAYS
@pytest.mark.parametrize(
    ("choice", "skips"),
    # The base class lets never_fail skip what a poke raises, and its own timeout isn't that.
    [(None, set()), ("soft_fail", {"", "deferrable", "mode"}), ("never_fail", set())],
)
def test_the_timeout_ends_as_in_airflows_own_sensors(
    wiro: WiroEmulator, work: Work, way: dict[str, Any], choice: str | None, skips: set[str]
) -> None:
    wiro_task_id = submitted(wiro, Fault("stuck_running"))
    outcome = AirflowSkipException if next(iter(way), "") in skips else AirflowSensorTimeout

    with pytest.raises(outcome):
        wait(work, sensor(wiro_task_id, timeout=0.2, **way, **({choice: True} if choice else {})))

    assert wiro.counts.tasks_stopped == 0


@pytest.mark.parametrize(
    ("choice", "outcome"),
    [(None, AirflowSensorTimeout), ("soft_fail", AirflowSkipException), ("never_fail", AirflowSensorTimeout)],
)
@pytest.mark.parametrize("way", ["poke", "deferrable", "reschedule"])
def test_an_outage_at_the_timeout_is_a_timeout(
    wiro: WiroEmulator, work: Work, way: str, choice: str | None, outcome: type[Exception]
) -> None:
    """Each poke of a rescheduled sensor is a process of its own; its time counts from the first."""
    wiro_task_id = submitted(wiro)
    wiro.inject(Fault("server_error", "Task/Detail", status=503, times=None))
    settings: dict[str, Any] = {"timeout": 0.3, **({choice: True} if choice else {})}
    settings |= {"mode": way} if way == "reschedule" else {"deferrable": way == "deferrable"}
    if way == "reschedule":
        work.ti.first_reschedule_date = datetime.now(UTC) - timedelta(seconds=20)

    with pytest.raises(outcome):
        wait(work, sensor(wiro_task_id, **settings))


def test_a_deferrable_sensor_is_never_rescheduled(wiro: WiroEmulator, work: Work) -> None:
    wiro_task_id = submitted(wiro, Fault("stuck_running"))

    one = sensor(wiro_task_id, deferrable=True, mode="reschedule")

    assert not one.reschedule
    with pytest.raises(TaskDeferred):
        one.execute(work.context)
    assert sensor(wiro_task_id, mode="reschedule").reschedule


@pytest.mark.parametrize("settings", [{"mode": "reschedule"}, {"exponential_backoff": True}])
def test_the_poke_interval_is_the_users_where_it_counts(
    wiro: WiroEmulator, work: Work, settings: dict[str, Any]
) -> None:
    one = sensor(submitted(wiro, Fault("stuck_running")), poke_interval=7, **settings)

    one.poke(work.context)

    assert one.poke_interval == 7


def test_a_clock_set_past_the_deadline_does_not_make_the_sensor_poke_without_pause(
    wiro: WiroEmulator, work: Work
) -> None:
    one = sensor(submitted(wiro, Fault("stuck_running")), poll_interval=5)
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    one._polling = Polling(an_hour_ago, an_hour_ago + timedelta(minutes=1), 5)

    one.poke(work.context)

    assert one.poke_interval == 5


def test_in_a_worker_the_pauses_are_the_poll_intervals(wiro: WiroEmulator, work: Work) -> None:
    one = sensor(submitted(wiro, Fault("stuck_running")), poll_interval=None, poke_interval=60)

    one.poke(work.context)

    assert one.poke_interval <= 1


def test_rescheduled_each_call_polls_once_and_frees_the_worker(wiro: WiroEmulator, work: Work) -> None:
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


def test_a_task_that_has_ended_by_the_first_poll_does_not_defer(wiro: WiroEmulator, work: Work) -> None:
    wiro_task_id = submitted(wiro)
    WiroHook().wait_for_task(wiro_task_id, poll_interval=0.02)

    assert sensor(wiro_task_id, deferrable=True).execute(work.context)["status"] == DONE


@WAYS
def test_an_unknown_task_is_asked_for_again_and_then_fails_for_good(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch, way: dict[str, Any]
) -> None:
    monkeypatch.setattr(polling, "NOT_YET_SECONDS", 1.0)
    submitted(wiro)  # what has to be imported for a request is there now

    with pytest.raises(AirflowFailException, match="belongs to the connection's project"):
        wait(work, sensor("999", **way))

    assert wiro.counts.requests["Task/Detail"] > 1


@WAYS
def test_a_task_that_is_not_listed_yet_is_waited_for(
    wiro: WiroEmulator, work: Work, way: dict[str, Any]
) -> None:
    wiro_task_id = submitted(wiro)
    wiro.inject(Fault("api_error", "Task/Detail", code=1, message="There is no task yet."))

    assert wait(work, sensor(wiro_task_id, **way))["status"] == DONE


def test_the_event_of_an_earlier_try_is_not_believed(wiro: WiroEmulator, work: Work) -> None:
    wiro_task_id = submitted(wiro)
    stale = {"status": "timeout", "wiro_task_id": wiro_task_id, "try_number": 0, "message": "late"}

    assert sensor(wiro_task_id).execute_complete(work.context, stale)["status"] == DONE


def test_id_and_connection_are_templated() -> None:
    one = sensor("{{ params.id }}", wiro_conn_id="{{ params.conn }}")
    one.render_template_fields({"params": {"id": "2221", "conn": "wiro_other"}})  # type: ignore[arg-type]

    assert (one.wiro_task_id, one.wiro_conn_id) == ("2221", "wiro_other")


def test_a_poll_interval_that_cannot_be_is_refused_when_the_dag_is_read() -> None:
    with pytest.raises(WiroUsageError, match="poll_interval"):
        sensor("2221", poll_interval=0)

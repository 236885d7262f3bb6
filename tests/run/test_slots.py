"""Code 96: waiting for a free slot, in the worker or deferred, without using up an Airflow retry."""

from __future__ import annotations

import json
import time

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.exceptions import WiroConcurrencyLimitError
from tests.operators.fakes import CANCELLED, DONE, RETRO, SMALL, Work, fire, rebuild

FULL = Fault("api_error", endpoint="Run", code=96, message="You have reached your limit.", times=3)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Wait a moment between two askings, and note how many times Wiro had refused."""
    asked: list[int] = []

    def pause(refusals: int, chance: float) -> float:
        asked.append(refusals)
        return 0.03

    monkeypatch.setattr("airflow_provider_wiro.run.pauses.slot_pause_seconds", pause)
    return asked


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_a_full_account_is_waited_for_within_one_try(
    wiro: WiroEmulator, work: Work, pauses: list[int], deferrable: bool
) -> None:
    wiro.inject(FULL)

    assert work.run(deferrable=deferrable)["status"] == DONE
    assert pauses == [1, 2, 3]
    assert (work.started, work.ti.try_number) == (1, 1)
    refusals = [line for line in work.log.lines if "You have reached your limit (HTTP" in line]
    assert ["Asking again in" in line for line in refusals] == [True] * 3


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_the_slot_is_really_free_when_it_is_taken(
    monkeypatch: pytest.MonkeyPatch, work: Work, pauses: list[int], deferrable: bool
) -> None:
    with WiroEmulator(speed=100, max_active=1) as small:
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", small.connection)
        work.wiro = small
        work.run(wait_for_completion=False, durable=False)

        assert work.run(deferrable=deferrable)["wiro_task_id"] == "2222"
        assert work.statuses == [DONE, DONE]


def test_a_deferred_wait_is_a_trigger_with_only_a_moment(
    wiro: WiroEmulator, work: Work, pauses: list[int]
) -> None:
    wiro.inject(FULL)

    deferred = work.defer(timeout=600)

    path, kwargs = deferred.trigger.serialize()
    assert path == "airflow_provider_wiro.triggers.wiro.WiroPauseTrigger"
    assert set(kwargs) == {"until", "try_number", "deferred_at"}
    assert rebuild(deferred).serialize() == (path, kwargs)
    assert deferred.method_name == "execute_when_free"
    assert deferred.kwargs is not None
    assert deferred.kwargs["refusals"] == 1
    assert 0 < deferred.kwargs["give_up_at"] - time.time() <= 600
    assert json.loads(json.dumps(deferred.kwargs)) == deferred.kwargs
    assert deferred.timeout is not None  # nothing is waited for without an end
    assert work.store.record is None


def test_the_end_of_the_waiting_is_absolute(wiro: WiroEmulator, work: Work, pauses: list[int]) -> None:
    wiro.inject(FULL)
    first = work.defer(timeout=600)
    assert first.kwargs is not None

    with pytest.raises(TaskDeferred) as again:
        work.operator(deferrable=True).execute_when_free(work.context, fire(first), **first.kwargs)

    assert again.value.kwargs == {"give_up_at": first.kwargs["give_up_at"], "refusals": 2}


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_waiting_gives_up_at_the_timeout_and_a_retry_may_help(
    wiro: WiroEmulator, work: Work, pauses: list[int], deferrable: bool
) -> None:
    wiro.inject(Fault("api_error", endpoint="Run", code=96, message="limit", times=None))

    with pytest.raises(WiroConcurrencyLimitError):
        work.run(deferrable=deferrable, timeout=0.2)

    assert (work.started, work.store.record) == (0, None)
    assert pauses == list(range(1, len(pauses) + 1))


def test_the_event_of_an_earlier_try_renews_the_waiting(
    wiro: WiroEmulator, work: Work, pauses: list[int]
) -> None:
    """On Airflow 3.0 a retry is handed the event, and the end of the waiting, of the try before."""
    wiro.inject(FULL)
    deferred = work.defer(timeout=30)
    event = fire(deferred)
    work.retry()
    deferred.kwargs = {**(deferred.kwargs or {}), "give_up_at": time.time() - 1}

    assert work.resume(deferred, event, timeout=600)["status"] == DONE


def test_an_earlier_runs_record_is_kept_while_waiting(
    wiro: WiroEmulator, work: Work, pauses: list[int]
) -> None:
    wiro.inject(Fault("stuck_running"))
    work.defer(parameters={**SMALL, "prompt": "another"})
    before = work.store.record
    work.retry()
    wiro.inject(FULL)

    deferred = work.defer(on_stale_state="stop")

    assert work.store.record == before
    assert work.statuses == [CANCELLED]
    assert work.resume(deferred)["model"] == RETRO

"""A lost Run that waits deferred, whose Airflow task a user ends: its trigger finds and stops its task."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.triggers.wiro import WiroPauseTrigger
from tests.operators.fakes import CANCELLED, RETRO, SMALL, FakeLog, Work, rebuild
from tests.triggers.test_wiro_trigger import Ti, stopping_works_like_3_3

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow.providers.common.compat.sdk import TaskDeferred

    from airflow_provider_wiro.emulator import WiroEmulator

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def end(
    task_log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> Callable[[TaskDeferred, str | None], WiroPauseTrigger]:
    """Return what has a task instance end up in a state while its trigger waits."""
    stopping_works_like_3_3(monkeypatch)
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    monkeypatch.setattr(WiroPauseTrigger, "log", property(lambda _: task_log))

    def ended(deferred: TaskDeferred, state: str | None) -> WiroPauseTrigger:
        async def task_instance_state(_: Any) -> str | None:
            return state

        monkeypatch.setattr(version_compat, "task_instance_state", task_instance_state)
        trigger: WiroPauseTrigger = rebuild(deferred)
        trigger.task_instance = Ti()  # type: ignore[assignment]
        asyncio.run(trigger.on_kill())
        return trigger

    return ended


def lose(wiro: WiroEmulator, work: Work, **settings: Any) -> TaskDeferred:
    wiro.inject(Fault("server_error", endpoint="Run", status=504))
    return work.defer(**settings)


@pytest.mark.parametrize(("state", "stops"), [("failed", True), ("success", True), ("deferred", False)])
def test_the_task_that_wiro_has_started_meanwhile_is_stopped(
    wiro: WiroEmulator, work: Work, end: Callable[..., Any], state: str, stops: bool
) -> None:
    deferred = lose(wiro, work)
    wiro.inject(Fault("stuck_running"))
    WiroHook().run_model(RETRO, SMALL)  # the server gets to it

    end(deferred, state)

    assert work.statuses == [CANCELLED] if stops else CANCELLED not in work.statuses
    assert ("Stopped Wiro task 2221" in work.log) is stops


def test_a_run_with_other_parameters_is_left_alone_and_what_is_not_found_is_reported(
    wiro: WiroEmulator, work: Work, end: Callable[..., Any]
) -> None:
    deferred = lose(wiro, work)
    wiro.inject(Fault("stuck_running"))
    WiroHook().run_model(RETRO, {**SMALL, "prompt": "another robot"})

    end(deferred, "failed")

    assert CANCELLED not in work.statuses
    assert "the Wiro tasks of 1 of them are not, or not yet, found in Wiro's list" in work.log


def test_with_cancel_on_kill_off_nothing_is_searched_for(
    wiro: WiroEmulator, work: Work, end: Callable[..., Any]
) -> None:
    deferred = lose(wiro, work, cancel_on_kill=False)
    wiro.inject(Fault("stuck_running"))
    WiroHook().run_model(RETRO, SMALL)

    end(deferred, "failed")

    assert CANCELLED not in work.statuses


@pytest.mark.parametrize("kind", ["contents", "url", "signed url", "output with a signed link"])
@pytest.mark.parametrize("is_same", [True, False])
def test_files_are_compared_as_the_worker_compares_them(
    wiro: WiroEmulator, work: Work, end: Callable[..., Any], tmp_path: Path, kind: str, is_same: bool
) -> None:
    for name in ("cat", "dog"):
        (tmp_path / f"{name}.png").write_bytes(name.encode())
    signed = "https://pictures.example.com/{}.png?X-Amz-Signature=" + SECRET
    given: dict[str, Any] = {
        name: {
            "contents": str(tmp_path / f"{name}.png"),
            "url": f"https://pictures.example.com/{name}.png",
            "signed url": signed.format(name),
            "output with a signed link": {
                "wiro_task_id": "9",
                "outputs": [{"index": 0, "name": f"{name}.png", "url": signed.format(name)}],
            },
        }[kind]
        for name in ("cat", "dog")
    }
    run = {"model": "wiro/Image Edit General", "parameters": {"prompt": "as a cartoon"}}
    deferred = lose(wiro, work, **run, files={"inputImage": given["cat"]})
    assert deferred.trigger is not None
    assert SECRET not in json.dumps(deferred.trigger.serialize())
    wiro.inject(Fault("stuck_running"))
    WiroHook().run_model(**run, files={"inputImage": given["cat" if is_same else "dog"]})

    end(deferred, "failed")

    is_certain = is_same and kind != "signed url"  # a signature isn't stored, and so a doubt remains
    assert (work.statuses == [CANCELLED]) is is_certain
    assert ("found in Wiro's list" in work.log) is not is_certain


def test_the_row_holds_no_value_of_a_parameter_and_stays_short(
    wiro: WiroEmulator, work: Work, end: Callable[..., Any]
) -> None:
    long = {**SMALL, "prompt": "a secret robot " * 10_000, "previousTaskToken": SECRET}

    deferred = lose(wiro, work, parameters=long)

    assert deferred.trigger is not None
    row = json.dumps(deferred.trigger.serialize())
    assert "secret robot" not in row
    assert SECRET not in row
    assert len(row) < 2_000
    wiro.inject(Fault("stuck_running"))
    WiroHook().run_model(RETRO, long)
    end(deferred, "failed")
    assert work.statuses == [CANCELLED]


@pytest.mark.parametrize("damage", [None, {}, {"runs": [{}], "known_ids": [], "patience": 1}])
def test_a_row_of_another_version_is_no_error(
    wiro: WiroEmulator, work: Work, end: Callable[..., Any], damage: Any
) -> None:
    deferred = lose(wiro, work)
    assert isinstance(deferred.trigger, WiroPauseTrigger)
    deferred.trigger.lost_run = damage

    end(deferred, "failed")

    assert "Look in the dashboard at wiro.ai" in work.log

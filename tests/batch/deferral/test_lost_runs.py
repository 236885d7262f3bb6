"""Lost Runs of a deferred batch, whose Airflow task a user ends: its trigger finds and stops their tasks."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.batch.lost_runs import unknown_sendings as unknown_runs
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.hooks.wiro import WiroHook
from tests.batch.batch_work import TINY, prompts
from tests.operators.fakes import CANCELLED, RETRO, rebuild
from tests.triggers.test_wiro_trigger import Ti, stopping_works_like_3_3

if TYPE_CHECKING:
    import pytest
    from airflow.providers.common.compat.sdk import TaskDeferred

    from tests.batch.batch_work import BatchWork


def lose(work: BatchWork, monkeypatch: pytest.MonkeyPatch, inputs: Any) -> TaskDeferred:
    """Defer a batch whose first Run is lost, and whose others run."""
    stopping_works_like_3_3(monkeypatch)
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    work.wiro.inject(Fault("stuck_running", times=None))
    work.wiro.inject(Fault("server_error", endpoint="Run", status=504))
    return work.defer(inputs)


def end(deferred: TaskDeferred, monkeypatch: pytest.MonkeyPatch) -> None:
    async def task_instance_state(_: Any) -> str:
        return "failed"

    monkeypatch.setattr(version_compat, "task_instance_state", task_instance_state)
    trigger = rebuild(deferred)
    trigger.task_instance = Ti()
    asyncio.run(trigger.on_kill())


def test_what_wiro_has_started_meanwhile_is_stopped_with_the_others(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = prompts(3)
    deferred = lose(work, monkeypatch, inputs)
    [lost] = [item for item in inputs if item["prompt"] not in work.started]
    WiroHook().run_model(RETRO, {**TINY, **lost})  # the server gets to it

    end(deferred, monkeypatch)

    assert [task.status for task in work.wiro.tasks] == [CANCELLED] * 3
    assert deferred.trigger is not None
    assert lost["prompt"] not in json.dumps(deferred.trigger.serialize())


def test_another_items_task_is_not_taken_for_the_lost_one(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    deferred = lose(work, monkeypatch, [{"prompt": "the same"}] * 3)

    end(deferred, monkeypatch)

    assert [task.status for task in work.wiro.tasks] == [CANCELLED] * 2
    assert "The responses to 1 Runs were lost, and the Wiro tasks of 1 of them are not" in work.log


def test_where_too_many_tasks_were_started_since_nothing_is_looked_for(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unknown_runs, "_MOST_NOTED_IDS", 1)
    deferred = lose(work, monkeypatch, prompts(3))

    end(deferred, monkeypatch)

    assert "were not looked for" in work.log

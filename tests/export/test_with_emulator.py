"""An export that reads the emulator's list with a hook: several projects, next to nothing in the list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import ManualClock, WiroEmulator
from airflow_provider_wiro.export.export_run import ExportRun
from airflow_provider_wiro.export.state import Outcome, TaskOutcome
from airflow_provider_wiro.export.wanted import ExportIdentity, Filters, Verdict
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.storage.local_folder import LocalFolder
from tests.emulator.conftest import RETRO, SMALL
from tests.export.exports import store_in

if TYPE_CHECKING:
    from pathlib import Path

OTHER_MODEL = ("openai/gpt-5-nano", {"prompt": "hello"})


@pytest.mark.parametrize("list_fields", ["documented", "few"])
def test_one_projects_tasks_are_found_among_others_as_they_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, list_fields: str
) -> None:
    clock = ManualClock()
    with WiroEmulator(clock=clock, list_fields=list_fields) as wiro:
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", wiro.connection)
        wiro.start_tasks(RETRO, SMALL, seconds=[1] * 3)
        wiro.advance(3600)
        beginning = datetime.fromtimestamp(clock.now(), UTC)
        wiro.advance(60)
        quick = wiro.start_tasks(RETRO, SMALL, seconds=[1] * 5)
        wiro.start_tasks(RETRO, SMALL, seconds=[1] * 5, project_id="7")
        wiro.start_teammates_task(RETRO, SMALL, seconds=1)
        wiro.start_tasks(*OTHER_MODEL, seconds=[1] * 5)
        slow = wiro.start_tasks(RETRO, SMALL, seconds=[600, 600])
        wiro.advance(60)
        with WiroHook() as hook:
            identity = ExportIdentity("wiro", "s3://bucket/wiro", Filters("1", RETRO))
            run = ExportRun(
                store_in(LocalFolder(str(tmp_path)), identity), token="a", instance="a", now=lambda: 0.0
            )
            run.begin()
            run.look(hook.run_flow, since=beginning)
            assert land(run, hook) == quick
            wiro.forget_task(slow[0])
            wiro.advance(600)
            assert run.look(hook.run_flow).open == 1
            assert land(run, hook) == slow[1:]
            assert run.look(hook.run_flow).pending == 0


def land(run: ExportRun, hook: WiroHook) -> list[str]:
    """Return the ids of the tasks that are wanted, and commit all."""
    landed: list[str] = []
    chunk = run.take(10)
    while chunk.ids:
        outcomes = {}
        for number in chunk.ids:
            verdict = run.verdict(hook.look_at_task(str(number)), chunk)
            if verdict is Verdict.WANTED:
                landed.append(str(number))
                outcomes[number] = TaskOutcome(Outcome.LANDED)
            else:
                outcomes[number] = TaskOutcome(Outcome(verdict.value))
        chunk = run.commit(outcomes, take=10).chunk
    return landed

"""``task`` and ``stop``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import ManualClock, WiroEmulator
from airflow_provider_wiro.hooks.wiro import WiroHook

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def started(model: str = "retroAIx/Retro-Cartoons") -> str:
    with WiroHook() as hook:
        return hook.run_model(model, {"prompt": "a kite", "samples": 1}).wiro_task_id


@pytest.mark.usefixtures("wiro")
def test_a_task_is_shown_as_a_run_summary(run: Run) -> None:
    wiro_task_id = started()
    with WiroHook() as hook:
        hook.wait_for_task(wiro_task_id, timeout=30, poll_interval=0.01)

    printed = run("task", wiro_task_id)
    summary = json.loads(run("task", wiro_task_id, "--json").out)

    assert printed.code == 0
    assert "task_postprocess_end (succeeded)" in printed.out
    assert summary["wiro_task_id"] == wiro_task_id
    assert summary["outputs"][0]["name"] in printed.out
    assert "token" not in json.dumps(summary).lower()


def test_a_running_task_is_stopped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with WiroEmulator(clock=ManualClock()) as wiro:  # in which nothing ends by itself
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", wiro.connection)
        wiro_task_id = started()

        printed = run("stop", wiro_task_id)

        assert printed.code == 0
        assert f"Wiro task {wiro_task_id} was stopped." in printed.out
        with WiroHook() as hook:
            assert hook.get_task(wiro_task_id).is_cancelled


@pytest.mark.usefixtures("wiro")
def test_a_task_that_has_ended_is_left_as_it_is(run: Run) -> None:
    wiro_task_id = started()
    with WiroHook() as hook:
        hook.wait_for_task(wiro_task_id, timeout=30, poll_interval=0.01)

    printed = run("stop", wiro_task_id)

    assert printed.code == 0
    assert f"Wiro task {wiro_task_id} had ended before." in printed.out


@pytest.mark.usefixtures("wiro")
def test_an_unknown_task_is_one_line_and_exit_code_1(run: Run) -> None:
    printed = run("task", "999999")

    assert (printed.code, printed.out) == (1, "")
    assert "Wiro doesn't know task 999999 (connection 'wiro_default')" in printed.err


def test_an_unknown_connection_says_how_to_make_it(run: Run) -> None:
    printed = run("task", "1", "--conn-id", "nowhere")

    assert (printed.code, printed.out) == (1, "")
    assert "AIRFLOW_CONN_NOWHERE" in printed.err
    assert "Traceback" not in printed.err

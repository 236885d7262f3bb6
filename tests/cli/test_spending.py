"""``spend``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.hooks.wiro import WiroHook

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("wiro")


def spend_on(model: str, count: int) -> None:
    with WiroHook() as hook:
        for _ in range(count):
            started = hook.run_model(model, {"prompt": "a kite", "samples": 1})
            hook.wait_for_task(started.wiro_task_id, timeout=30, poll_interval=0.01)


def test_what_was_spent_is_summed_up_by_model(run: Run) -> None:
    spend_on("retroAIx/Retro-Cartoons", 2)

    found = json.loads(run("spend", "--since", "24h", "--json").out)
    printed = run("spend", "--since", "1d")

    assert (found["tasks"], found["by_model"][0]["model"]) == (2, "retroaix/retro-cartoons")
    assert float(found["spent_usd"]) > 0
    assert f"{found['spent_usd']} USD for 2 tasks of all projects that the key sees" in printed.out


def test_only_one_model_can_be_asked_for(run: Run) -> None:
    spend_on("retroAIx/Retro-Cartoons", 1)

    found = json.loads(run("spend", "--since", "1h", "--model", "wiro/Virtual Try-On", "--json").out)

    assert (found["tasks"], found["spent_usd"]) == (0, "0")


@pytest.mark.parametrize("since", ["yesterday", "0h", "2999-01-01", "24", "-3h", "24 h x"])
def test_a_moment_that_is_none_is_exit_code_2(run: Run, since: str) -> None:
    printed = run("spend", f"--since={since}")

    assert (printed.code, printed.out) == (2, "")
    assert "since" in printed.err
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("text", ["yesterday", "999999w", "0d", "24", "", "2026-13-01"])
@pytest.mark.parametrize("option", ["--since", "--until"])
def test_what_is_no_time_is_refused_in_a_shells_words(run: Run, option: str, text: str) -> None:
    others = [] if option == "--since" else ["--since", "7d"]
    printed = run("spend", *others, option, text)

    assert (printed.code, printed.out) == (2, "")
    assert f"Expected {option} as an age such as 24h, 7d or 2w, or as an ISO time" in printed.err
    assert "timedelta" not in printed.err


def test_what_may_still_be_charged_is_said_beside_the_sum(wiro: WiroEmulator, run: Run) -> None:
    wiro.inject(Fault("late_cost", seconds=3600 * 1000))
    spend_on("retroAIx/Retro-Cartoons", 1)
    wiro.inject(Fault("stuck_running"))
    with WiroHook() as hook:
        hook.run_model("retroAIx/Retro-Cartoons", {"prompt": "a kite"})

    printed = run("spend", "--since", "1h")

    assert "1 whose cost Wiro has not recorded, and 1 that have not ended." in printed.out

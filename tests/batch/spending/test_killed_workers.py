"""Worker processes that are killed at any moment spend no more than the budget, all of them together."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import Fault
from tests.airflow_home import ROOT
from tests.batch.batch_work import prompts
from tests.batch.test_crashes import PROGRAM, kill_after

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.batch.batch_work import BatchWork

#: 0.06 USD each.
FILM = {"resolution": "480p", "duration": "5", "ratio": "16:9"}
BUDGET = "2.5"
FIT = 41
SPENT = "2.46"


@pytest.mark.timeout(300)
def test_killed_again_and_again_with_lost_responses_and_failures(
    work: BatchWork, wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A Run of the dead process can still be on its way: long enough for a loaded machine.
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "5")
    inputs = prompts(60)
    wiro.inject(
        Fault("drop_after", endpoint="Run", skip=7, times=1),
        Fault("exit_code", skip=10, times=3),
        Fault("late_cost", skip=20, times=5, seconds=1),
    )
    settings = {
        "model": "ByteDance/seedance-pro-v1.5",
        "parameters": FILM,
        "max_active": 12,
        "max_cost_usd": BUDGET,
        "on_item_failure": "continue",
        "poll_interval": 0.05,
        "state_path": str(work.folder / "state"),
        "manifest_uri": str(work.folder / "manifest.jsonl"),
    }
    program = PROGRAM.format(root=str(ROOT), settings=json.dumps({**settings, "inputs": inputs}))
    for number, after in enumerate((2, 15, 30), start=1):
        kill_after(after, program, number, wiro)
        assert Decimal(str(wiro.counts.spent_usd)) <= Decimal(BUDGET)
    work.ti.try_number = 4

    summary = work.run(inputs, **settings)

    # A run that was lost and sent again counts twice, for it may have been started after all.
    assert summary["spent_usd"] == SPENT
    assert Decimal(str(wiro.counts.spent_usd)).quantize(Decimal("0.01")) <= Decimal(SPENT)
    assert summary["succeeded"] > FIT / 2
    # A run that failed in an earlier try is run again, if there is still money for it when its turn comes.
    failed = [line for line in work.manifest if line["status"] == "failed"]
    assert all("The budget of 2.5 USD doesn't allow it" in line["error"] for line in failed)
    assert summary["failed"] == len(failed) <= 3
    assert summary["not_run"] == 60 - summary["succeeded"] - summary["failed"]
    failures = Counter((entry["item"], entry["try"]) for entry in work.entries if entry["what"] == "failed")
    assert set(failures.values()) <= {1}
    successes = Counter(task.parameters["prompt"] for task in wiro.tasks if task.exit_code == "0")
    assert set(successes.values()) == {1}

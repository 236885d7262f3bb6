"""Two Airflow deployments that run the same DAG and keep records in one folder, without an environment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import Fault, WiroEmulator
from tests.operators.fakes import CANCELLED, DONE, FakeDagRun, FakeTi, Work
from tests.recovery.test_durable_run import die_after_submission

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 11, 23, 2, 0, 1, tzinfo=UTC)


@pytest.fixture
def deployments(work: Work, tmp_path: Path) -> tuple[Work, Work]:
    """Return one task instance of the same ids in each."""
    work.has_state_store = False
    work.settings["state_path"] = str(tmp_path)
    work.ti.dag_run = FakeDagRun(start_date=START)
    other = FakeTi(dag_run=FakeDagRun(start_date=START + timedelta(seconds=0.3)))
    return work, replace(work, ti=other)


def test_a_crash_is_paid_for_once_though_the_other_deployment_ran_meanwhile(
    deployments: tuple[Work, Work],
) -> None:
    one, other = deployments
    die_after_submission(one)
    theirs = other.run()

    mine = one.run()

    assert (mine["wiro_task_id"], theirs["wiro_task_id"]) == ("2221", "2222")
    assert one.started == 2


def test_a_crash_after_the_result_was_returned_returns_it_again(deployments: tuple[Work, Work]) -> None:
    one, other = deployments
    first = one.run()
    assert other.run()["wiro_task_id"] == "2222"
    one.retry()
    other.retry()

    assert one.run() == first
    assert other.run()["wiro_task_id"] == "2222"
    assert one.started == 2


def test_neither_stops_what_the_other_runs(wiro: WiroEmulator, deployments: tuple[Work, Work]) -> None:
    one, other = deployments
    wiro.inject(Fault("stuck_running"))
    one.defer()

    assert other.run(on_stale_state="stop", parameters={"prompt": "x", "samples": 1})["status"] == DONE
    assert CANCELLED not in one.statuses


def test_a_clear_of_a_failed_dag_run_resumes_what_was_left_running(
    wiro: WiroEmulator, deployments: tuple[Work, Work]
) -> None:
    one, _ = deployments
    die_after_submission(one)
    assert one.ti.dag_run is not None
    one.ti.dag_run = FakeDagRun(1, START + timedelta(hours=7))
    one.clear()

    assert one.run()["wiro_task_id"] == "2221"
    one.retry()  # a worker died before Airflow noted the success
    assert one.run()["wiro_task_id"] == "2221"
    one.ti.dag_run = FakeDagRun(2, START + timedelta(hours=8))
    one.clear()
    assert one.run()["wiro_task_id"] == "2222"

"""Each Wiro task of a WiroRunOperator is counted once, however often it is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import (
    WiroTaskFailedError,
    WiroTaskTimeoutError,
    WiroTooFewOutputsError,
)
from tests.operators.fakes import RETRO

if TYPE_CHECKING:
    from tests.metrics.recorder import StatsRecorder
    from tests.operators.fakes import Work

BOTH = pytest.mark.parametrize("deferrable", [False, True])


@BOTH
def test_a_run_is_counted_with_its_cost_model_and_dag(
    work: Work, stats: StatsRecorder, *, deferrable: bool
) -> None:
    cost = work.run(deferrable=deferrable)["cost_usd"]
    tags = {"model": RETRO, "dag_id": "dag"}
    assert stats.counts == {
        "wiro.runs": [(1, {**tags, "state": "succeeded"})],
        "wiro.cost_usd": [(float(cost), tags)],
    }
    assert set(stats.times) == {"wiro.run_seconds", "wiro.queue_seconds"}


def test_a_retry_that_returns_the_same_result_counts_nothing(work: Work, stats: StatsRecorder) -> None:
    """The worker died after the result was noted, and before Airflow had it."""
    first = work.run()
    work.retry()
    assert work.run()["wiro_task_id"] == first["wiro_task_id"]
    assert stats.states == ["succeeded"]


def test_a_retry_that_picks_a_running_task_up_counts_it_once(work: Work, stats: StatsRecorder) -> None:
    work.defer()
    work.retry()
    work.run()
    assert (stats.states, work.started) == (["succeeded"], 1)


def test_after_a_clear_another_run_is_counted(work: Work, stats: StatsRecorder) -> None:
    work.run()
    work.clear()
    work.run()
    assert stats.states == ["succeeded", "succeeded"]


@BOTH
def test_a_failed_run_is_counted_as_that_and_its_retry_as_another(
    work: Work, stats: StatsRecorder, *, deferrable: bool
) -> None:
    work.wiro.inject(Fault("exit_code"))
    with pytest.raises(WiroTaskFailedError):
        work.run(deferrable=deferrable)
    work.retry()
    work.run(deferrable=deferrable)
    assert stats.states == ["failed", "succeeded"]
    assert len(stats.counts["wiro.cost_usd"]) == 1


def test_a_success_with_too_few_outputs_costs_what_it_costs(work: Work, stats: StatsRecorder) -> None:
    work.wiro.inject(Fault("no_outputs"))
    with pytest.raises(WiroTooFewOutputsError):
        work.run(min_outputs=1)
    assert stats.states == ["succeeded"]
    assert stats.total("wiro.cost_usd") > 0


def test_a_run_cancelled_by_hand_is_counted_as_that(work: Work, stats: StatsRecorder) -> None:
    work.wiro.inject(Fault("cancelled_by_hand"))
    with pytest.raises(AirflowFailException, match="was cancelled"):
        work.run()
    assert stats.states == ["cancelled"]


def test_a_run_that_is_stopped_at_its_timeout_is_counted_as_cancelled(
    work: Work, stats: StatsRecorder
) -> None:
    work.wiro.inject(Fault("stuck_running"))
    with pytest.raises(WiroTaskTimeoutError, match="It was stopped"):
        work.run(timeout=0.3)
    assert stats.states == ["cancelled"]


def test_a_run_that_is_left_running_at_its_timeout_is_not_counted_yet(
    work: Work, stats: StatsRecorder
) -> None:
    work.wiro.inject(Fault("stuck_running"))
    with pytest.raises(WiroTaskTimeoutError):
        work.run(timeout=0.3, cancel_on_timeout=False)
    assert stats.states == []


def test_a_killed_run_is_counted_as_cancelled(work: Work, stats: StatsRecorder) -> None:
    work.wiro.inject(Fault("stuck_running"))
    operator = work.operator()
    operator.hook.pause = lambda _: (operator.on_kill(), operator._stopper.check())  # type: ignore[method-assign,assign]
    with pytest.raises(AirflowException):
        operator.execute(work.context)
    assert stats.states == ["cancelled"]


def test_a_run_that_is_not_waited_for_is_counted_as_accepted_once(work: Work, stats: StatsRecorder) -> None:
    work.run(wait_for_completion=False)
    work.retry()
    work.run(wait_for_completion=False)
    assert (stats.states, stats.times) == (["accepted"], {})


def test_a_metrics_server_that_is_gone_fails_no_run(work: Work, stats: StatsRecorder) -> None:
    stats.fails = True
    assert work.run()["state"] == "succeeded"
    assert "Airflow's metrics take none of this run" in work.log

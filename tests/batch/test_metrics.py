"""Each item's Wiro task is counted once in Airflow's metrics, over all tries of the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_wiro.batch import worker
from airflow_provider_wiro.emulator import Fault
from tests.batch.batch_work import prompts
from tests.metrics.recorder import stats
from tests.operators.fakes import RETRO
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.batch.batch_work import BatchWork
    from tests.metrics.recorder import StatsRecorder
    from tests.transfers.s3 import S3

__all__ = ["stats"]

BOTH = pytest.mark.parametrize("deferrable", [False, True])


@BOTH
def test_each_item_is_counted_with_its_cost(
    work: BatchWork, stats: StatsRecorder, *, deferrable: bool
) -> None:
    summary = work.run(prompts(5), deferrable=deferrable)
    assert stats.states == ["succeeded"] * 5
    assert stats.total("wiro.cost_usd") == pytest.approx(float(summary["cost_usd"]))
    assert {tags["model"] for _, tags in stats.counts["wiro.cost_usd"]} == {RETRO}


def test_a_retry_counts_only_what_it_runs(work: BatchWork, stats: StatsRecorder) -> None:
    work.wiro.inject(*[Fault("exit_code")] * 2)
    with pytest.raises(AirflowException):
        work.run(prompts(3), max_item_retries=0, max_active=1)
    work.retry()
    work.run(prompts(3), max_item_retries=0)
    started = work.wiro.counts.tasks_started
    assert (stats.states.count("succeeded"), stats.states.count("failed")) == (3, started - 3)


def test_an_item_that_is_run_again_is_two_runs(work: BatchWork, stats: StatsRecorder) -> None:
    work.wiro.inject(Fault("exit_code"))
    work.run(prompts(1), max_item_retries=1)
    assert stats.states == ["failed", "succeeded"]


def test_a_task_whose_outputs_could_not_land_is_counted_once_though_the_next_try_lands_them(
    work: BatchWork, stats: StatsRecorder, s3: S3
) -> None:
    work.wiro.inject(Fault("wrong_size", times=20))
    landing = {"s3_bucket": BUCKET, "max_item_retries": 0}
    with pytest.raises(AirflowException):
        work.run(prompts(1), **landing)
    work.wiro.clear_faults()
    work.retry()
    work.run(prompts(1), **landing)
    assert (stats.states, work.wiro.counts.tasks_started) == (["succeeded"], 1)


def test_an_item_that_is_stopped_at_its_timeout_is_counted_as_cancelled(
    work: BatchWork, stats: StatsRecorder
) -> None:
    work.wiro.inject(Fault("stuck_running"))
    work.run(prompts(1), timeout=0.3, max_item_retries=0, on_item_failure="continue")
    assert stats.states == ["cancelled"]


def test_a_cost_that_wiro_records_late_is_added_and_the_run_not_counted_again(
    work: BatchWork, stats: StatsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(_: Any, wiro_task_ids: Collection[str]) -> dict[str, str]:
        assert stats.total("wiro.unknown_costs") == 1
        return dict.fromkeys(wiro_task_ids, "0.25")

    monkeypatch.setattr(worker, "read_costs", read)
    work.wiro.inject(Fault("late_cost", seconds=3600 * 1000))
    assert work.run(prompts(1))["cost_usd"] == "0.25"
    assert (stats.states, stats.total("wiro.cost_usd")) == (["succeeded"], 0.25)
